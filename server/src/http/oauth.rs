//! The OAuth token endpoint (RFC 6749, RFC 7521): a proof of ours is the client assertion.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use twofapi_crypto_core::{ClientId, CredentialId, Proof, Scopes};

use super::{
    caller::{Peer, Routes},
    form::Form,
    oauth_problem::{DPOP_NONCE, OauthProblem},
    routes::challenge_answer,
    shown::{DpopField, NoKey},
};
use crate::service::{ChallengeName, LoggedIn, Login, LoginError};

/// The name of our assertions as a `client_assertion_type`.
pub(super) const ASSERTION_TYPE: &str = "urn:2fapi:params:oauth:client-assertion-type:zkp";

pub(super) async fn oauth_challenge(
    State(routes): State<Routes>,
    uri: Uri,
) -> Result<Json<Value>, OauthProblem> {
    let mut form = Form::parse(uri.query().unwrap_or_default().as_bytes())?;
    let client_id = ClientId::parse(&form.need("client_id")?)?;
    let issued = routes.service.challenge(&client_id).await?;
    Ok(Json(challenge_answer(&routes, &issued)))
}

pub(super) async fn token(
    State(routes): State<Routes>,
    peer: Peer,
    headers: HeaderMap,
    field: DpopField,
    form: Result<Form, OauthProblem>,
) -> Result<Response, OauthProblem> {
    let admitted = routes.admit(peer, &headers).await?;
    let mut form = form?;
    if form.need("grant_type")?.as_str() != "client_credentials" {
        return Err(OauthProblem::bad(
            "unsupported_grant_type",
            "this server knows the grant type client_credentials",
        ));
    }
    let assertion = assertion(&routes, &headers, &mut form)?;
    for target in form
        .take_all("resource")
        .iter()
        .chain(&form.take_all("audience"))
    {
        if target.as_str() != routes.service.audience().as_str() {
            return Err(OauthProblem::bad(
                "invalid_target",
                "tokens of this server are for its own audience: leave resource and audience out",
            ));
        }
    }
    let scope = form.take("scope")?;
    let scope = scope.as_deref().map(|text| asked(text)).transpose()?;
    let key = field.key(&routes.service, &assertion.challenge.to_string());
    let key = key.map_err(|none| match none {
        NoKey::Proof => OauthProblem::bad("invalid_dpop_proof", NoKey::WHAT_TO_DO),
        // Libraries take the nonce from here, and try again.
        NoKey::Nonce => OauthProblem::bad("use_dpop_nonce", NoKey::WHAT_TO_DO)
            .with_nonce(&assertion.challenge.to_string()),
    })?;
    let login = Login {
        challenge: &assertion.challenge,
        credential: assertion.credential.as_ref(),
        proof: &assertion.proof,
        scope: scope.as_ref(),
        key,
        source: admitted.address(),
    };
    let token = routes.service.log_in(&login).await;
    let token = token.map_err(|error| match error {
        LoginError::Refused(twofapi_crypto_core::Error::Denied) => refused(&routes),
        LoginError::Refused(error) => error.into(),
        LoginError::Scope => OauthProblem::bad(
            "invalid_scope",
            "the client may not do all that scope asks for",
        ),
    })?;
    // Its client library knows no step between the assertion and the token.
    let LoggedIn::Token(token) = token else {
        return Err(OauthProblem::bad(
            "unauthorized_client",
            "this client has to prove more than an assertion does: it logs in at /auth/zkp/verify",
        ));
    };
    routes.sources.logged_in(&admitted);
    let mut answer = json!({
        "access_token": token.jwt.as_str(),
        "token_type": token.token_type,
        "expires_in": token.expires_in,
    });
    if let Some(scope) = &token.scope {
        answer["scope"] = scope.as_str().into();
    }
    let next = routes.service.next_challenge(&assertion.challenge).await;
    if let Some(next) = &next {
        answer["next_challenge"] = challenge_answer(&routes, next);
    }
    // What RFC 6749, section 5.1 asks for besides Cache-Control.
    let uncached = [(header::PRAGMA, HeaderValue::from_static("no-cache"))];
    let mut response = (uncached, Json(answer)).into_response();
    let nonce = next.filter(|_| key.is_some());
    let nonce = nonce.and_then(|next| HeaderValue::try_from(next.name.to_string()).ok());
    if let Some(nonce) = nonce {
        response.headers_mut().insert(DPOP_NONCE, nonce);
    }
    Ok(response)
}

/// What a client shows of itself.
struct Assertion {
    challenge: ChallengeName,
    credential: Option<CredentialId>,
    proof: Proof,
}

impl Assertion {
    /// `<credential id, or nothing>.<proof, in hex>.<challenge id as it was issued>`. The client id comes last: it
    /// may have dots.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let (credential, proof, challenge) = (parts.next()?, parts.next()?, parts.next()?);
        let credential = match credential {
            "" => None,
            id => Some(CredentialId::parse(id.as_bytes()).ok()?),
        };
        Some(Self {
            challenge: ChallengeName::parse(challenge).ok()?,
            credential,
            proof: Proof::from_bytes(&hex::decode(proof).ok()?).ok()?,
        })
    }
}

/// How the client authenticates: by an assertion of ours, and by nothing else beside it.
fn assertion(
    routes: &Routes,
    headers: &HeaderMap,
    form: &mut Form,
) -> Result<Assertion, OauthProblem> {
    let audience = routes.service.audience();
    let kind = form.take("client_assertion_type")?;
    let assertion = form.take("client_assertion")?;
    let others =
        headers.contains_key(header::AUTHORIZATION) || form.take("client_secret")?.is_some();
    let (kind, assertion) = match (kind, assertion, others) {
        (Some(kind), Some(assertion), false) => (kind, assertion),
        (Some(_), Some(_), true) => {
            return Err(OauthProblem::invalid_request(
                "a client authenticates in one way: leave Authorization and client_secret out",
            ));
        }
        _ => {
            return Err(OauthProblem::invalid_client(
                format!("send client_assertion_type={ASSERTION_TYPE} and client_assertion"),
                audience,
            ));
        }
    };
    if kind.as_str() != ASSERTION_TYPE {
        return Err(OauthProblem::invalid_client(
            format!("the client assertion must be of the type {ASSERTION_TYPE}"),
            audience,
        ));
    }
    let assertion = Assertion::parse(&assertion).ok_or_else(|| refused(routes))?;
    let named = form.take("client_id")?;
    if named.is_some_and(|named| *named != *assertion.challenge.client_id.as_str()) {
        return Err(OauthProblem::invalid_request(
            "client_id is another client than that of the assertion",
        ));
    }
    Ok(assertion)
}

/// One answer for every assertion that is none, and every proof that is not accepted.
fn refused(routes: &Routes) -> OauthProblem {
    OauthProblem::invalid_client(
        "the assertion is not accepted: it must be <credential id or nothing>.<proof in hex>.<challenge_id>, \
         over a challenge of this server that is not expired and was not used, by an enrolled client, and be \
         bound to the audience of this server",
        routes.service.audience(),
    )
}

/// Scopes as a request asks for them: separated by blanks, in any order, and no matter how often.
fn asked(text: &str) -> Result<Scopes, OauthProblem> {
    let mut scopes: Vec<&str> = text.split(' ').collect();
    scopes.sort_unstable();
    scopes.dedup();
    Scopes::new(scopes)
        .map_err(|_| OauthProblem::bad("invalid_scope", "scope is not a list of scopes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00112233445566778899aabbccddeeff";
    const CHALLENGE: &str = "ch-6afd86c037009872e54f07c1.alice.b+c@example.com";

    #[test]
    fn only_the_form_that_is_written_down_is_an_assertion() {
        let proof = {
            use twofapi_crypto_core::{Credential, Enrolment, prove};
            let client_id = &ClientId::parse("alice").unwrap();
            let credential = Credential::generate(&mut getrandom::SysRng).unwrap();
            let proof = prove(
                &credential,
                &Enrolment { client_id },
                &mut getrandom::SysRng,
            );
            hex::encode(proof.unwrap().to_bytes())
        };
        let unnamed = Assertion::parse(&format!(".{proof}.{CHALLENGE}")).unwrap();
        assert_eq!(unnamed.challenge.to_string(), CHALLENGE);
        assert!(unnamed.credential.is_none());
        let named = Assertion::parse(&format!("{ID}.{proof}.{CHALLENGE}")).unwrap();
        assert_eq!(named.credential.unwrap().to_string(), ID);
        for bad in [
            String::new(),
            "..".into(),
            format!("{proof}.{CHALLENGE}"),
            format!("{ID}.{proof}"),
            format!("{}.{proof}.{CHALLENGE}", ID.to_uppercase()),
            format!("..{proof}.{CHALLENGE}"),
            format!(" .{proof}.{CHALLENGE}"),
            format!(".{proof}.{CHALLENGE} "),
            format!(".{}.{CHALLENGE}", &proof[2..]),
            format!(".{proof}.{}", &CHALLENGE[1..]),
        ] {
            assert!(Assertion::parse(&bad).is_none(), "{bad}");
        }
    }
}
