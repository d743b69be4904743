//! The sessions of a client, as its server lists them, and how they are ended.

use serde::{Deserialize, Serialize};
use twofapi_crypto_core::{ClientId, CredentialId};

use crate::{Failure, exchange::Exchange};

/// The sessions of a client that are good, the oldest first.
#[derive(Debug, Deserialize, Serialize)]
pub struct Sessions {
    /// Whose.
    pub client_id: String,
    /// Each is an access token.
    pub sessions: Vec<Listed>,
}

/// One session.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Listed {
    /// What ends it names it by.
    pub session_id: String,
    /// The credential that was proven.
    pub credential_id: String,
    /// How the client authenticated.
    #[serde(default)]
    pub amr: Vec<String>,
    /// From where, as far as the server knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<std::net::IpAddr>,
    /// Since when, in Unix seconds.
    pub issued_at: u64,
    /// Until when.
    pub expires_at: u64,
    /// Whether it is that of the token that asked.
    pub current: bool,
}

/// Which sessions to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending<'a> {
    /// The one of this id.
    One(&'a str),
    /// All but that of the token that asks.
    Others,
    /// All.
    All,
}

#[derive(Serialize)]
struct EndRequest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    which: Option<&'a str>,
}

#[derive(Deserialize)]
struct Ended {
    client_id: String,
    ended: u64,
}

impl Exchange {
    /// The sessions of the client whose token this is. What is not as it can be is a fault of the server's: it goes
    /// to a terminal.
    ///
    /// # Errors
    /// As the server says, the way there fails, or the server does not keep to the protocol.
    pub fn sessions(&self, client_id: &ClientId, token: &str) -> Result<Sessions, Failure> {
        let answer: Sessions = self.http().get("/auth/zkp/sessions", token)?;
        let is_method = |method: &String| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
            (1..=64).contains(&method.len()) && method.bytes().all(is_plain)
        };
        let is_session = |one: &Listed| {
            is_session_id(&one.session_id)
                && CredentialId::parse(one.credential_id.as_bytes()).is_ok()
                && one.amr.iter().all(is_method)
        };
        match answer.client_id == client_id.as_str() && answer.sessions.iter().all(is_session) {
            true => Ok(answer),
            false => Err(self.http().bad_answer("it lists what is no session")),
        }
    }

    /// Ends sessions of the client whose token this is, and says how many there were.
    ///
    /// # Errors
    /// As [`Exchange::sessions`].
    pub fn end_sessions(
        &self,
        client_id: &ClientId,
        token: &str,
        which: Ending<'_>,
    ) -> Result<u64, Failure> {
        let (session_id, which) = match which {
            Ending::One(id) => (Some(id), None),
            Ending::Others => (None, Some("others")),
            Ending::All => (None, Some("all")),
        };
        let request = EndRequest { session_id, which };
        let answer: Ended = self
            .http()
            .post("/auth/zkp/sessions/end", Some(token), &request)?;
        match answer.client_id == client_id.as_str() {
            true => Ok(answer.ended),
            false => Err(self.http().bad_answer("it speaks of another client")),
        }
    }
}

/// Whether this can be the id of a session.
#[must_use]
pub fn is_session_id(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
