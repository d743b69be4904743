//! A client of the HTTP service: the ceremony through `crypto-core`, and raw posts for everything
//! that a well-behaved client would not send.

use serde_json::{Value, json};
use twofapi_crypto_core::{
    Audience, Authentication, AuthenticationBinding, ClientId, Credential, Enrolment, Nonce, prove,
};

/// What the server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, JSON or `Null`.
    pub body: Value,
}

impl Answer {
    /// The code of a problem (RFC 9457), or nothing.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// A connection to one server.
#[derive(Clone)]
pub struct Api {
    agent: ureq::Agent,
    base_url: String,
    binding: AuthenticationBinding,
}

/// A client that has been enrolled.
pub struct Enrolled {
    /// Its id.
    pub client_id: ClientId,
    /// Its credential.
    pub credential: Credential,
}

impl Api {
    /// Speaks to the server at `base_url`, whose audience is its origin.
    #[must_use]
    pub fn new(base_url: &str) -> Self {
        Self::with_audience(base_url, base_url)
    }

    /// Speaks to the server at `base_url`, and proves to `audience`.
    ///
    /// # Panics
    /// When it is no audience.
    #[must_use]
    pub fn with_audience(base_url: &str, audience: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_idle_connections(256)
            .max_idle_connections_per_host(256)
            .build()
            .new_agent();
        let audience = Audience::parse(audience).expect("a test's audience is well-formed");
        Self {
            agent,
            base_url: base_url.to_owned(),
            binding: AuthenticationBinding::for_audience(&audience),
        }
    }

    /// What this client's proofs are bound to.
    #[must_use]
    pub const fn binding(&self) -> &AuthenticationBinding {
        &self.binding
    }

    /// Posts a JSON body; an error means that there was no answer at all.
    ///
    /// # Errors
    /// What the connection says.
    pub fn post(
        &self,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.post(format!("{}{path}", self.base_url));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        answer(request.send_json(body)?)
    }

    /// Gets a path.
    ///
    /// # Errors
    /// What the connection says.
    pub fn get(&self, path: &str, token: Option<&str>) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.get(format!("{}{path}", self.base_url));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        answer(request.call()?)
    }

    /// Makes a credential and enrols it with an enrolment token.
    ///
    /// # Errors
    /// What the connection says; a refusal is an [`Answer`].
    ///
    /// # Panics
    /// When the random source fails.
    pub fn enrol(&self, client_id: &str, token: &str) -> Result<(Enrolled, Answer), ureq::Error> {
        let client_id = ClientId::parse(client_id).expect("a test's client id is well-formed");
        let credential = Credential::generate(&mut getrandom::SysRng).expect("randomness");
        let statement = Enrolment {
            client_id: &client_id,
        };
        let proof = prove(&credential, &statement, &mut getrandom::SysRng).expect("randomness");
        let body = json!({
            "client_id": client_id.as_str(),
            "commitment": hex::encode(credential.commitment().as_bytes()),
            "proof": hex::encode(proof.to_bytes()),
        });
        let answer = self.post("/auth/zkp/enroll", Some(token), &body)?;
        Ok((
            Enrolled {
                client_id,
                credential,
            },
            answer,
        ))
    }

    /// Asks for a challenge.
    ///
    /// # Errors
    /// What the connection says.
    pub fn challenge(&self, client_id: &ClientId) -> Result<Answer, ureq::Error> {
        let body = json!({ "client_id": client_id.as_str() });
        self.post("/auth/zkp/challenge", None, &body)
    }

    /// The body of a verify request for a challenge that was answered.
    ///
    /// # Panics
    /// When the answer is no challenge, or the random source fails.
    #[must_use]
    pub fn proven(&self, client: &Enrolled, challenge: &Answer) -> Value {
        let nonce = hex::decode(challenge.body["nonce"].as_str().expect("a nonce")).expect("hex");
        let nonce = Nonce::from_bytes(&nonce).expect("a nonce of a permitted length");
        let statement = Authentication {
            client_id: &client.client_id,
            nonce: &nonce,
            binding: &self.binding,
        };
        let proof =
            prove(&client.credential, &statement, &mut getrandom::SysRng).expect("randomness");
        json!({
            "challenge_id": challenge.body["challenge_id"],
            "proof": hex::encode(proof.to_bytes()),
        })
    }

    /// Challenge, proof, token.
    ///
    /// # Errors
    /// What the connection says.
    pub fn log_in(&self, client: &Enrolled) -> Result<Answer, ureq::Error> {
        let challenge = self.challenge(&client.client_id)?;
        self.post("/auth/zkp/verify", None, &self.proven(client, &challenge))
    }
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let text = response.body_mut().read_to_string()?;
    Ok(Answer {
        status: response.status().as_u16(),
        headers,
        body: serde_json::from_str(&text).unwrap_or(Value::Null),
    })
}
