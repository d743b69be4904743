//! The protocol as a client speaks it over HTTP. The server is not trusted: what a proof is bound to
//! comes from the user, and what the server says is checked.

use std::sync::{Mutex, PoisonError};

use getrandom::SysRng;
use serde::{Deserialize, Serialize};
use twofapi_crypto_core::{
    Audience, Authentication, AuthenticationBinding, ChallengeId, ClientId, CredentialId,
    Enrolment, Nonce, Rotation, prove,
};
use zeroize::Zeroizing;

use crate::{
    Failure, FailureKind, credential::OpenedCredential, http_client::HttpClient,
    server_url::ServerUrl,
};

/// One server, and the audience that this client's user knows it as.
pub struct Exchange {
    http: HttpClient,
    audience: Audience,
    /// A challenge that came with the last token, and whose it is.
    kept: Mutex<Option<(ClientId, IssuedChallenge)>>,
}

/// A challenge that passed every check.
pub struct IssuedChallenge {
    /// `<challenge id>.<client id>`
    pub name: String,
    /// What the proof is to be fresh for.
    pub nonce: Nonce,
    /// What the proof is to be bound to.
    pub binding: AuthenticationBinding,
}

/// What a login gives.
#[derive(Debug)]
pub struct AccessToken {
    /// The token.
    pub token: Zeroizing<String>,
    /// How long it is good, in seconds.
    pub expires_in: u64,
}

/// What an enrolment gives.
#[derive(Debug, Deserialize)]
pub struct Enrolled {
    /// Who is enrolled.
    pub client_id: String,
    /// Where it is in its life.
    pub status: String,
    /// 1.
    pub commitment_version: u64,
}

/// Whose an access token is.
#[derive(Debug, Deserialize, Serialize)]
pub struct Identity {
    /// Whose.
    pub client_id: String,
    /// Until when it is good, in Unix seconds.
    pub expires_at: u64,
    /// Of which version the client's commitment was.
    pub commitment_version: u64,
}

#[derive(Serialize)]
struct EnrolRequest<'a> {
    client_id: &'a str,
    commitment: String,
    proof: String,
}

#[derive(Serialize)]
struct ChallengeRequest<'a> {
    client_id: &'a str,
}

/// What a server calls a challenge.
#[derive(Deserialize)]
pub struct ChallengeAnswer {
    challenge_id: String,
    nonce: String,
    channel_binding: String,
}

/// A proof on its way.
#[derive(Serialize)]
pub struct VerifyRequest<'a> {
    /// The challenge's name.
    pub challenge_id: &'a str,
    /// The credential that proves, where it is not the first one or that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<String>,
    /// In hex.
    pub proof: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Zeroizing<String>,
    token_type: String,
    expires_in: u64,
    client_id: String,
    next_challenge: Option<ChallengeAnswer>,
}

#[derive(Serialize)]
struct RotateRequest<'a> {
    challenge_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_id: Option<String>,
    proof_old: String,
    commitment_new: String,
    proof_new: String,
}

#[derive(Deserialize)]
struct RotateAnswer {
    client_id: String,
    commitment_version: u64,
}

impl Exchange {
    /// Proofs are bound to the audience and good there alone; it comes from the user, or is the origin of the
    /// URL, and never what a server says.
    #[must_use]
    pub const fn new(http: HttpClient, audience: Audience) -> Self {
        Self {
            http,
            audience,
            kept: Mutex::new(None),
        }
    }

    /// What this client's user knows the server as.
    #[must_use]
    pub const fn audience(&self) -> &Audience {
        &self.audience
    }

    /// The HTTP client.
    #[must_use]
    pub const fn http(&self) -> &HttpClient {
        &self.http
    }

    /// Asks for a challenge and checks that it is one for this client and this audience.
    ///
    /// # Errors
    /// As the server says, the way there fails, or the server does not keep to the protocol.
    pub fn challenge(&self, client_id: &ClientId) -> Result<IssuedChallenge, Failure> {
        let request = ChallengeRequest {
            client_id: client_id.as_str(),
        };
        let answer: ChallengeAnswer = self.http.post("/auth/zkp/challenge", None, &request)?;
        self.checked(client_id, answer)
    }

    /// Checks what a server calls a challenge.
    ///
    /// # Errors
    /// As the server says, the way there fails, or the server does not keep to the protocol.
    pub fn checked(
        &self,
        client_id: &ClientId,
        answer: ChallengeAnswer,
    ) -> Result<IssuedChallenge, Failure> {
        let bad = |problem| self.http.bad_answer(problem);
        let named = answer.challenge_id.split_once('.');
        if !named.is_some_and(|(id, client)| {
            ChallengeId::parse(id).is_ok() && client == client_id.as_str()
        }) {
            return Err(bad("the challenge id is not one for this client"));
        }
        let nonce = hex::decode(&answer.nonce)
            .ok()
            .and_then(|nonce| Nonce::from_bytes(&nonce).ok())
            .ok_or_else(|| bad("the nonce of the challenge is not 16 to 64 bytes in hex"))?;
        let theirs = hex::decode(&answer.channel_binding)
            .map_err(|_| bad("the channel binding of the challenge is not hex"))?;
        let binding = AuthenticationBinding::for_audience(&self.audience);
        // Were it taken from the server, a rogue one could hand on the challenge of another.
        if theirs != binding.as_bytes() {
            return Err(self.other_audience(&theirs));
        }
        Ok(IssuedChallenge {
            name: answer.challenge_id,
            nonce,
            binding,
        })
    }

    fn other_audience(&self, theirs: &[u8]) -> Failure {
        let theirs = theirs
            .strip_prefix(b"aud:")
            .and_then(|audience| std::str::from_utf8(audience).ok())
            .and_then(|audience| Audience::parse(audience).ok());
        let (they_say, instead) = match theirs {
            Some(audience) => {
                let by_url = ServerUrl::parse(audience.as_str())
                    .map(|url| format!("give --server {url} if that is the server you mean; or, "))
                    .unwrap_or_default();
                (format!("the audience {audience}"), by_url)
            }
            None => ("no audience that is known".into(), String::new()),
        };
        Failure::new(
            FailureKind::BadInput,
            "audience_mismatch",
            format!(
                "{} wants a proof for {they_say}, and you would prove to {}. Nothing was proven: a \
                 rogue server could pass such a proof on. What to do: {instead}if its operator \
                 tells you that the audience is right, name it with --audience",
                self.http.url(),
                self.audience
            ),
        )
    }

    /// Challenge, proof, token. The challenge is the one that came with the last token, where the server gives
    /// any: then it is one request.
    ///
    /// # Errors
    /// As the server says, the way there fails, or the server does not keep to the protocol.
    pub fn login(&self, credential: &OpenedCredential) -> Result<AccessToken, Failure> {
        if let Some(challenge) = self.take_kept(&credential.client_id) {
            match self.verify(credential, &challenge) {
                // It may have expired, or the server begun anew.
                Err(failure) if failure.kind() == FailureKind::Denied => {}
                answered => return answered,
            }
        }
        let challenge = self.challenge(&credential.client_id)?;
        self.verify(credential, &challenge)
    }

    fn take_kept(&self, client_id: &ClientId) -> Option<IssuedChallenge> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, challenge) = kept.take_if(|(whose, _)| whose == client_id)?;
        Some(challenge)
    }

    /// Keeps a challenge for the next login, if it passes every check.
    fn keep(&self, client_id: &ClientId, next: Option<ChallengeAnswer>) {
        let next = next.and_then(|next| self.checked(client_id, next).ok());
        let next = next.map(|challenge| (client_id.clone(), challenge));
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// Proves over a challenge.
    ///
    /// # Errors
    /// As the server says, the way there fails, or the server does not keep to the protocol.
    pub fn verify(
        &self,
        credential: &OpenedCredential,
        challenge: &IssuedChallenge,
    ) -> Result<AccessToken, Failure> {
        let client_id = &credential.client_id;
        let statement = Authentication {
            client_id,
            nonce: &challenge.nonce,
            binding: &challenge.binding,
        };
        let proof = prove(&credential.credential, &statement, &mut SysRng)?;
        let request = VerifyRequest {
            challenge_id: &challenge.name,
            credential_id: named(credential.credential_id()),
            proof: hex::encode(proof.to_bytes()),
        };
        let answer: TokenAnswer = self.http.post("/auth/zkp/verify", None, &request)?;
        check_client(&self.http, client_id, &answer.client_id)?;
        let token = &answer.access_token;
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(self.http.bad_answer("the access token is no bearer token"));
        }
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            return Err(self
                .http
                .bad_answer("the token is of a type other than Bearer"));
        }
        self.keep(client_id, answer.next_challenge);
        Ok(AccessToken {
            token: answer.access_token,
            expires_in: answer.expires_in,
        })
    }

    /// Asks for the commitment of `current` to be replaced by that of `next`. Gives the commitment's
    /// new version.
    ///
    /// # Errors
    /// As the server says, the way there fails, or the server does not keep to the protocol.
    pub fn rotate(
        &self,
        current: &OpenedCredential,
        next: &OpenedCredential,
    ) -> Result<u64, Failure> {
        let client_id = &current.client_id;
        let challenge = self.challenge(client_id)?;
        let rng = &mut SysRng;
        let statement = Rotation::new(
            client_id,
            &challenge.nonce,
            next.commitment(),
            &challenge.binding,
        )?;
        let proof_old = prove(&current.credential, &statement, rng)?;
        let proof_new = prove(&next.credential, &Enrolment { client_id }, rng)?;
        let request = RotateRequest {
            challenge_id: &challenge.name,
            credential_id: named(current.credential_id()),
            proof_old: hex::encode(proof_old.to_bytes()),
            commitment_new: hex::encode(next.commitment().as_bytes()),
            proof_new: hex::encode(proof_new.to_bytes()),
        };
        let answer: RotateAnswer = self.http.post("/auth/zkp/rotate", None, &request)?;
        check_client(&self.http, client_id, &answer.client_id)?;
        Ok(answer.commitment_version)
    }
}

/// Enrols the credential's commitment with a proof of possession.
///
/// # Errors
/// As the server says, the way there fails, or the server does not keep to the protocol.
pub fn enrol(
    http: &HttpClient,
    credential: &OpenedCredential,
    enrolment_token: &str,
) -> Result<Enrolled, Failure> {
    let client_id = &credential.client_id;
    let proof = prove(
        &credential.credential,
        &Enrolment { client_id },
        &mut SysRng,
    )?;
    let request = EnrolRequest {
        client_id: client_id.as_str(),
        commitment: hex::encode(credential.commitment().as_bytes()),
        proof: hex::encode(proof.to_bytes()),
    };
    let answer: Enrolled = http.post("/auth/zkp/enroll", Some(enrolment_token), &request)?;
    check_client(http, client_id, &answer.client_id)?;
    Ok(answer)
}

/// As requests carry it.
pub(crate) fn named(credential: Option<CredentialId>) -> Option<String> {
    credential.map(|id| id.to_string())
}

pub(crate) fn check_client(
    http: &HttpClient,
    asked: &ClientId,
    answered: &str,
) -> Result<(), Failure> {
    if answered == asked.as_str() {
        Ok(())
    } else {
        Err(http.bad_answer("it speaks of another client"))
    }
}

/// Whose access token this is, as the server says.
///
/// # Errors
/// As the server says, the way there fails, or the server does not keep to the protocol.
pub fn whoami(http: &HttpClient, token: &str) -> Result<Identity, Failure> {
    http.get("/auth/zkp/whoami", token)
}
