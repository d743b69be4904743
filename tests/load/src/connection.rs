//! One connection that stays open, and a login over it: challenge, proof, token.

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use twofapi_crypto_core::{Authentication, AuthenticationBinding, Nonce, prove};

use crate::people::{People, id};

/// A connection to one address.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    binding: AuthenticationBinding,
}

/// Why there was no answer, or none of these.
#[derive(Debug)]
pub struct Failure(pub String);

/// What became of a login that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was a token, for this.
    LetIn(Proven),
    /// The proof was refused.
    Denied,
    /// Something else, such as 503.
    Other(u16),
}

/// The body of a request that was, or may have been, accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven(Bytes);

fn failure(error: impl std::fmt::Display) -> Failure {
    Failure(error.to_string())
}

impl Connection {
    /// Connects to an address, and proves to `audience`.
    ///
    /// # Errors
    /// What the connection says.
    pub async fn to(address: &str, audience: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.map_err(failure)?;
        stream.set_nodelay(true).map_err(failure)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(failure)?;
        tokio::spawn(connection);
        let audience = audience.parse().map_err(failure)?;
        Ok(Self {
            sender,
            host: address.into(),
            binding: AuthenticationBinding::for_audience(&audience),
        })
    }

    async fn post(&mut self, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), Failure> {
        let request = Request::post(path)
            .header("host", &self.host)
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(failure)?;
        self.sender.ready().await.map_err(failure)?;
        let answer = self.sender.send_request(request).await.map_err(failure)?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(failure)?;
        Ok((status, body.to_bytes()))
    }

    /// Logs a client in.
    ///
    /// # Errors
    /// What the connection says, or that the answer is no challenge.
    pub async fn log_in(&mut self, people: &People, number: usize) -> Result<Outcome, Failure> {
        let client_id = id(number);
        let asked = format!("{{\"client_id\":\"{client_id}\"}}");
        let (status, issued) = self.post("/auth/zkp/challenge", asked.into()).await?;
        if status != StatusCode::OK {
            return Ok(Outcome::Other(status.as_u16()));
        }
        let issued: Value = serde_json::from_slice(&issued).map_err(failure)?;
        let nonce = issued["nonce"].as_str().unwrap_or_default();
        let nonce = Nonce::from_bytes(&hex::decode(nonce).map_err(failure)?).map_err(failure)?;
        let statement = Authentication {
            client_id: &client_id,
            nonce: &nonce,
            binding: &self.binding,
        };
        let credential = people.credential(number);
        let proof = prove(credential, &statement, &mut getrandom::SysRng).map_err(failure)?;
        let shown = json!({
            "challenge_id": issued["challenge_id"],
            "proof": hex::encode(proof.to_bytes()),
        });
        self.show(&Proven(shown.to_string().into())).await
    }

    /// Shows a proof, be it once more.
    ///
    /// # Errors
    /// What the connection says.
    pub async fn show(&mut self, proven: &Proven) -> Result<Outcome, Failure> {
        self.shown(proven.0.clone()).await
    }

    /// Shows what may be no proof at all.
    ///
    /// # Errors
    /// What the connection says.
    pub async fn show_bytes(&mut self, body: &'static [u8]) -> Result<Outcome, Failure> {
        self.shown(Bytes::from_static(body)).await
    }

    async fn shown(&mut self, body: Bytes) -> Result<Outcome, Failure> {
        let (status, _) = self.post("/auth/zkp/verify", body.clone()).await?;
        Ok(match status {
            StatusCode::OK => Outcome::LetIn(Proven(body)),
            StatusCode::UNAUTHORIZED => Outcome::Denied,
            other => Outcome::Other(other.as_u16()),
        })
    }
}
