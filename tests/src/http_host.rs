//! A host that is reached over HTTP, for the conformance battery. Its operator comes by another way, which
//! differs from host to host.

use std::sync::Arc;

use serde_json::{Value, json};
use twofapi_conformance::{Act, Answer, By, Devices, HostUnderTest, Issued};
use twofapi_crypto_core::AuthenticationBinding;

use crate::Api;

/// The operator of a host; keeps the host alive.
pub trait Operator: Send + Sync {
    /// The client id of somebody of this name.
    fn client_id(&self, name: &str) -> String {
        name.to_owned()
    }

    /// Whether its clients have several credentials.
    fn has_devices(&self) -> bool {
        true
    }

    /// A token with which this client id may be enrolled.
    ///
    /// # Errors
    /// The host's refusal.
    fn invite(&self, client_id: &str) -> Result<String, Answer>;

    /// Acts on a client.
    fn operate(&self, client_id: &str, act: Act) -> Answer;

    /// The version of the client's commitment, if it is enrolled.
    fn version(&self, client_id: &str) -> Option<u32>;
}

/// One client of a host, and its operator.
pub struct HttpHost {
    api: Api,
    operator: Arc<dyn Operator>,
    token: Option<String>,
}

impl HttpHost {
    /// Speaks to the host by `api`, and as `operator`.
    #[must_use]
    pub fn new(api: Api, operator: Arc<dyn Operator>) -> Self {
        Self {
            api,
            operator,
            token: None,
        }
    }

    /// With the token of this connection.
    fn get(&self, path: &str) -> Value {
        let answer = self.api.get(path, self.token.as_deref());
        answer.expect("an answer").body
    }

    fn post(&self, path: &str, token: Option<&str>, body: &Value) -> (Answer, Value) {
        let answer = self.api.post(path, token, body).expect("an answer");
        if answer.status < 300 {
            return (Answer::Accepted, answer.body);
        }
        (Answer::refused(answer.code()), answer.body)
    }
}

impl HostUnderTest for HttpHost {
    fn binding(&self) -> AuthenticationBinding {
        self.api.binding().clone()
    }

    fn client_id(&self, name: &str) -> String {
        self.operator.client_id(name)
    }

    fn enroll(&mut self, client_id: &str, commitment: &[u8], proof: &[u8]) -> Answer {
        let token = match self.operator.invite(client_id) {
            Ok(token) => token,
            // A host may tell the operator already that the id is enrolled.
            Err(refused) => return refused,
        };
        let body = json!({
            "client_id": client_id,
            "commitment": hex::encode(commitment),
            "proof": hex::encode(proof),
        });
        self.post("/auth/zkp/enroll", Some(&token), &body).0
    }

    fn challenge(&mut self, client_id: &str) -> Result<Issued, Answer> {
        let body = json!({ "client_id": client_id });
        match self.post("/auth/zkp/challenge", None, &body) {
            (Answer::Accepted, body) => Ok(Issued {
                id: body["challenge_id"].as_str().expect("an id").to_owned(),
                nonce: hex::decode(body["nonce"].as_str().expect("a nonce")).expect("hex"),
            }),
            (refused, _) => Err(refused),
        }
    }

    fn authenticate(&mut self, _: &str, challenge_id: &str, proof: &[u8]) -> Answer {
        let body = json!({ "challenge_id": challenge_id, "proof": hex::encode(proof) });
        let (answer, body) = self.post("/auth/zkp/verify", None, &body);
        self.token = body["access_token"].as_str().map(str::to_owned);
        answer
    }

    fn rotate(
        &mut self,
        _: &str,
        challenge_id: &str,
        proof_old: &[u8],
        commitment_new: &[u8],
        proof_new: &[u8],
    ) -> Answer {
        let body = json!({
            "challenge_id": challenge_id,
            "proof_old": hex::encode(proof_old),
            "commitment_new": hex::encode(commitment_new),
            "proof_new": hex::encode(proof_new),
        });
        self.post("/auth/zkp/rotate", None, &body).0
    }

    fn operate(&mut self, client_id: &str, act: Act) -> Answer {
        self.operator.operate(client_id, act)
    }

    fn version(&mut self, client_id: &str) -> Option<u32> {
        self.operator.version(client_id)
    }

    fn whoami(&mut self) -> Option<String> {
        let token = self.token.as_deref()?;
        let answer = self.api.get("/auth/zkp/whoami", Some(token));
        let body = answer.expect("an answer").body;
        body["client_id"].as_str().map(str::to_owned)
    }

    fn devices(&mut self) -> Option<&mut dyn Devices> {
        self.operator.has_devices().then_some(self as _)
    }

    fn another(&self) -> Box<dyn HostUnderTest + Send> {
        Box::new(Self::new(self.api.clone(), Arc::clone(&self.operator)))
    }
}

/// The body of an attempt, without what it is about.
fn attempt(by: By<'_>, proof: &[u8]) -> Value {
    let mut body = json!({ "challenge_id": by.challenge_id, "proof": hex::encode(proof) });
    if let Some(credential) = by.credential_id {
        body["credential_id"] = credential.into();
    }
    body
}

impl Devices for HttpHost {
    fn authenticate_by(&mut self, by: By<'_>, proof: &[u8]) -> Answer {
        let (answer, body) = self.post("/auth/zkp/verify", None, &attempt(by, proof));
        self.token = body["access_token"].as_str().map(str::to_owned);
        answer
    }

    fn link(
        &mut self,
        by: By<'_>,
        proof: &[u8],
        commitment_new: &[u8],
        joining: Option<(&[u8], &str)>,
    ) -> Answer {
        let mut body = attempt(by, proof);
        body["commitment_new"] = hex::encode(commitment_new).into();
        if let Some((proof, name)) = joining {
            body["proof_new"] = hex::encode(proof).into();
            body["name"] = name.into();
        }
        self.post("/auth/zkp/link", None, &body).0
    }

    fn unlink(&mut self, by: By<'_>, proof: &[u8], commitment_old: &[u8]) -> Answer {
        let mut body = attempt(by, proof);
        body["commitment_old"] = hex::encode(commitment_old).into();
        self.post("/auth/zkp/unlink", None, &body).0
    }

    fn offer(&mut self, challenge_id: &str) -> Answer {
        let body = json!({ "challenge_id": challenge_id });
        let token = self.token.as_deref();
        self.post("/auth/zkp/link/offer", token, &body).0
    }

    fn pending(&mut self) -> String {
        let body = self.get("/auth/zkp/link/offer");
        body["state"].as_str().expect("a state").to_owned()
    }

    fn join(
        &mut self,
        _: &str,
        challenge_id: &str,
        commitment: &[u8],
        proof: &[u8],
        name: &str,
    ) -> Answer {
        let body = json!({
            "challenge_id": challenge_id,
            "commitment": hex::encode(commitment),
            "proof": hex::encode(proof),
            "name": name,
        });
        self.post("/auth/zkp/link/join", None, &body).0
    }

    fn credentials(&mut self) -> Vec<String> {
        let body = self.get("/auth/zkp/credentials");
        let credentials = body["credentials"].as_array().expect("credentials");
        let id = |one: &Value| one["credential_id"].as_str().expect("an id").to_owned();
        credentials.iter().map(id).collect()
    }
}

/// The word that operators have for an act.
#[must_use]
pub const fn word(act: Act) -> &'static str {
    match act {
        Act::Suspend => "suspend",
        Act::Resume => "resume",
        Act::Revoke => "revoke",
    }
}
