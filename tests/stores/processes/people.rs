//! Clients over HTTP.

use std::time::Duration;

use serde_json::{Value, json};
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Credential, Enrolment, Nonce, prove,
};
use ureq::Agent;

use super::service::{AUDIENCE, Store};

/// So long an answer is waited for.
const WITHIN: Duration = Duration::from_secs(20);

/// Somebody with a credential.
pub struct Person {
    id: ClientId,
    credential: Credential,
    binding: AuthenticationBinding,
    agent: Agent,
}

/// A challenge and the proof that answers it.
#[derive(Clone)]
pub struct Proven(Value);

/// What became of a login.
pub enum Login {
    /// There was a token, for this.
    Accepted(Proven),
    /// The proof was refused.
    Denied,
    /// Nobody knows: the connection was lost, or the server could not answer.
    Failed(String),
}

impl Person {
    /// Somebody of this name, whom the store's operator has invited.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn enrolled(name: &str, store: &Store, url: &str) -> Self {
        let rng = &mut getrandom::SysRng;
        let audience = AUDIENCE.parse().expect("an audience");
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(WITHIN))
            .build();
        let person = Self {
            id: name.parse().expect("a client id"),
            credential: Credential::generate(rng).expect("randomness"),
            binding: AuthenticationBinding::for_audience(&audience),
            agent: config.into(),
        };
        let said = store.command(&["--json", "invite", name]);
        let invited: Value = serde_json::from_str(&said).expect("JSON");
        let possession = Enrolment {
            client_id: &person.id,
        };
        let proof = prove(&person.credential, &possession, rng).expect("a proof");
        let body = json!({
            "client_id": name,
            "commitment": hex::encode(person.credential.commitment().as_bytes()),
            "proof": hex::encode(proof.to_bytes()),
        });
        let token = invited["token"].as_str().expect("a token");
        let enrolled = person
            .agent
            .post(format!("{url}/auth/zkp/enroll"))
            .header("authorization", format!("Bearer {token}"))
            .send_json(&body);
        assert_eq!(enrolled.expect("an answer").status(), 201);
        person
    }

    fn post(&self, url: &str, body: &Value) -> Result<(u16, Value), String> {
        let mut answer = self
            .agent
            .post(url)
            .send_json(body)
            .map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().read_json().unwrap_or_default();
        Ok((status, body))
    }

    /// Challenge, proof, token.
    ///
    /// # Panics
    /// When the answer is no challenge.
    #[must_use]
    pub fn log_in(&self, url: &str) -> Login {
        let asked = json!({"client_id": self.id.as_str()});
        let issued = match self.post(&format!("{url}/auth/zkp/challenge"), &asked) {
            Ok((200, issued)) => issued,
            Ok((status, _)) => return Login::Failed(format!("a challenge: {status}")),
            Err(error) => return Login::Failed(error),
        };
        let nonce = hex::decode(issued["nonce"].as_str().expect("a nonce")).expect("hex");
        let nonce = Nonce::from_bytes(&nonce).expect("a nonce");
        let statement = Authentication {
            client_id: &self.id,
            nonce: &nonce,
            binding: &self.binding,
        };
        let proof = prove(&self.credential, &statement, &mut getrandom::SysRng).expect("a proof");
        let proven = Proven(json!({
            "challenge_id": issued["challenge_id"],
            "proof": hex::encode(proof.to_bytes()),
        }));
        match self.show(url, &proven) {
            Login::Accepted(_) => Login::Accepted(proven),
            other => other,
        }
    }

    /// Shows a proof, be it once more.
    #[must_use]
    pub fn show(&self, url: &str, proven: &Proven) -> Login {
        match self.post(&format!("{url}/auth/zkp/verify"), &proven.0) {
            Ok((200, _)) => Login::Accepted(Proven(Value::Null)),
            Ok((401, _)) => Login::Denied,
            Ok((status, body)) => Login::Failed(format!("{status} {body}")),
            Err(error) => Login::Failed(error),
        }
    }
}
