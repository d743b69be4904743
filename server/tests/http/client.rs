//! A client of the service that sends what a test wants it to send.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Credential, CredentialId, Enrolment, Joining,
    Linking, Nonce, Rotation, Statement, Unlinking, prove,
};
use ureq::http::HeaderMap;

pub(crate) const ENROLL: &str = "/auth/zkp/enroll";
pub(crate) const CHALLENGE: &str = "/auth/zkp/challenge";
pub(crate) const VERIFY: &str = "/auth/zkp/verify";
pub(crate) const ROTATE: &str = "/auth/zkp/rotate";
pub(crate) const LINK: &str = "/auth/zkp/link";
pub(crate) const OFFER: &str = "/auth/zkp/link/offer";
pub(crate) const JOIN: &str = "/auth/zkp/link/join";
pub(crate) const UNLINK: &str = "/auth/zkp/unlink";
pub(crate) const CREDENTIALS: &str = "/auth/zkp/credentials";
pub(crate) const SESSIONS: &str = "/auth/zkp/sessions";
pub(crate) const END_SESSIONS: &str = "/auth/zkp/sessions/end";
pub(crate) const WHOAMI: &str = "/auth/zkp/whoami";
pub(crate) const TOKEN: &str = "/oauth/token";
pub(crate) const INTROSPECT: &str = "/oauth/introspect";
pub(crate) const REVOKE: &str = "/oauth/revoke";
pub(crate) const OAUTH_CHALLENGE: &str = "/oauth/challenge";
pub(crate) const JWKS: &str = "/.well-known/jwks.json";
pub(crate) const CHECK: &str = "/auth/zkp/check";
pub(crate) const METADATA: &str = "/.well-known/oauth-authorization-server";
pub(crate) const OPENID: &str = "/.well-known/openid-configuration";

/// What the server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    /// Sees to it that this is a problem as RFC 9457 and our contract have it, and gives its code.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, &str) {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let mut fields: Vec<_> = self.body.as_object().unwrap().keys().collect();
        fields.sort();
        assert_eq!(fields, ["code", "detail", "status", "title", "type"]);
        assert_eq!(self.body["status"], self.status);
        let code = self.text("code");
        assert_eq!(self.text("type"), format!("urn:2fapi:error:{code}"));
        assert!(self.text("detail").len() >= 10, "{self:?}");
        (self.status, code)
    }
}

/// An enrolled client.
pub(crate) struct Client {
    pub(crate) id: ClientId,
    pub(crate) credential: Credential,
}

impl Client {
    /// As the server names its credential.
    pub(crate) fn credential_id(&self) -> String {
        CredentialId::of(self.credential.commitment().as_bytes()).to_string()
    }

    pub(crate) fn commitment(&self) -> String {
        hex::encode(self.credential.commitment().as_bytes())
    }

    /// Another device of the same person, not linked yet.
    pub(crate) fn device(&self) -> Self {
        Self {
            id: self.id.clone(),
            credential: credential(),
        }
    }

    fn proof(&self, statement: &impl Statement) -> Value {
        let proof = prove(&self.credential, statement, &mut getrandom::SysRng).unwrap();
        hex::encode(proof.to_bytes()).into()
    }

    /// This credential's joining proof over a challenge.
    pub(crate) fn joining(&self, challenge: &Answer, binding: &AuthenticationBinding) -> Value {
        self.proof(&Joining::new(&self.id, &nonce(challenge), binding).unwrap())
    }

    /// This credential's proof that it links the other one.
    pub(crate) fn linking(
        &self,
        new: &Self,
        challenge: &Answer,
        binding: &AuthenticationBinding,
    ) -> Value {
        let new = new.credential.commitment().as_bytes();
        self.proof(&Linking::new(&self.id, &nonce(challenge), new, binding).unwrap())
    }

    /// This credential's proof that it unlinks the other one.
    pub(crate) fn unlinking(
        &self,
        old: &Self,
        challenge: &Answer,
        binding: &AuthenticationBinding,
    ) -> Value {
        let old = old.credential.commitment().as_bytes();
        self.proof(&Unlinking::new(&self.id, &nonce(challenge), old, binding).unwrap())
    }
}

pub(crate) fn credential() -> Credential {
    Credential::generate(&mut getrandom::SysRng).unwrap()
}

/// A request with any body and any header fields.
pub(crate) fn send(
    base_url: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .new_agent();
    let mut request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{base_url}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = if body.is_empty() && method != "POST" {
        agent.run(request.body(()).unwrap()).unwrap()
    } else {
        agent.run(request.body(body).unwrap()).unwrap()
    };
    let text = response.body_mut().read_to_vec().unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: serde_json::from_slice(&text).unwrap_or(Value::Null),
    }
}

/// Bytes on a connection of their own, and all that comes back until the server closes it.
pub(crate) fn raw(base_url: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(base_url.strip_prefix("http://").unwrap()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn post(base_url: &str, path: &str, token: Option<&str>, body: &Value) -> Answer {
    let mut headers = vec![("content-type", "application/json")];
    let bearer = token.map(|token| format!("Bearer {token}"));
    if let Some(bearer) = &bearer {
        headers.push(("authorization", bearer));
    }
    send(
        base_url,
        "POST",
        path,
        &headers,
        body.to_string().as_bytes(),
    )
}

pub(crate) fn get(base_url: &str, path: &str, token: Option<&str>) -> Answer {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer
        .iter()
        .map(|bearer| ("authorization", bearer.as_str()))
        .collect();
    send(base_url, "GET", path, &headers, b"")
}

/// The body of an enrolment.
pub(crate) fn possession(client_id: &str, credential: &Credential) -> Value {
    let client_id = ClientId::parse(client_id).unwrap();
    let statement = Enrolment {
        client_id: &client_id,
    };
    let proof = prove(credential, &statement, &mut getrandom::SysRng).unwrap();
    json!({
        "client_id": client_id.as_str(),
        "commitment": hex::encode(credential.commitment().as_bytes()),
        "proof": hex::encode(proof.to_bytes()),
    })
}

/// The body of a verification: this credential's proof over a challenge that was answered.
pub(crate) fn proven(
    client: &Client,
    challenge: &Answer,
    binding: &AuthenticationBinding,
) -> Value {
    let nonce = nonce(challenge);
    let statement = Authentication {
        client_id: &client.id,
        nonce: &nonce,
        binding,
    };
    let proof = prove(&client.credential, &statement, &mut getrandom::SysRng).unwrap();
    json!({
        "challenge_id": challenge.body["challenge_id"],
        "proof": hex::encode(proof.to_bytes()),
    })
}

/// The body of a rotation to another credential.
pub(crate) fn rotation(
    client: &Client,
    new: &Credential,
    challenge: &Answer,
    binding: &AuthenticationBinding,
) -> Value {
    let nonce = nonce(challenge);
    let statement = Rotation::new(&client.id, &nonce, new.commitment(), binding).unwrap();
    let proof = prove(&client.credential, &statement, &mut getrandom::SysRng).unwrap();
    let new = possession(client.id.as_str(), new);
    json!({
        "challenge_id": challenge.body["challenge_id"],
        "proof_old": hex::encode(proof.to_bytes()),
        "commitment_new": new["commitment"],
        "proof_new": new["proof"],
    })
}

fn nonce(challenge: &Answer) -> Nonce {
    Nonce::from_bytes(&hex::decode(challenge.text("nonce")).unwrap()).unwrap()
}
