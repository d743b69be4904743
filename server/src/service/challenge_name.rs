//! A challenge over HTTP: its name, and what its client is told.

use twofapi_crypto_core::{ChallengeId, ClientId, Error, Nonce};

/// A challenge as it is named over HTTP: the id, a dot, and the client id. A changed client id
/// changes the nonce, so that it needs no protection of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeName {
    /// Which challenge.
    pub id: ChallengeId,
    /// Whose.
    pub client_id: ClientId,
}

impl ChallengeName {
    /// Decodes `ch-<24 hex digits>.<client id>`.
    ///
    /// # Errors
    /// [`Error::Denied`]: a name that no server gives is like one that was never given.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (id, client_id) = text.split_once('.').ok_or(Error::Denied)?;
        Ok(Self {
            id: ChallengeId::parse(id)?,
            client_id: ClientId::parse(client_id).map_err(|_| Error::Denied)?,
        })
    }
}

impl std::fmt::Display for ChallengeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.id, self.client_id)
    }
}

/// A challenge as a client is given it.
#[derive(Clone, Debug)]
pub struct IssuedChallenge {
    /// Its name over HTTP.
    pub name: ChallengeName,
    /// What the proof must be about.
    pub nonce: Nonce,
    /// When it expires, in Unix seconds.
    pub expires_at: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_that_is_issued_names_a_challenge() {
        let good = "ch-6afd86c037009872e54f07c1.alice.b";
        assert_eq!(ChallengeName::parse(good).unwrap().to_string(), good);
        for bad in [
            "",
            ".",
            "ch-6afd86c037009872e54f07c1",
            "ch-6afd86c037009872e54f07c1.",
            "ch-6afd86c037009872e54f07c1.a b",
            "ch-6AFD86C037009872E54F07C1.alice",
            "6afd86c037009872e54f07c1.alice",
            "alice.ch-6afd86c037009872e54f07c1",
        ] {
            assert_eq!(ChallengeName::parse(bad), Err(Error::Denied), "{bad:?}");
        }
    }
}
