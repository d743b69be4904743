//! What an adapter tells the battery of its host.

use twofapi_crypto_core::AuthenticationBinding;

/// How a host answered an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was accepted. After an authentication, this connection has a session.
    Accepted,
    /// It was refused with this code of protocol.md, section 13.
    Refused(String),
}

impl Answer {
    /// The refusal with this code.
    #[must_use]
    pub fn refused(code: &str) -> Self {
        Self::Refused(code.to_owned())
    }
}

/// A challenge as the host gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Its id, as the host wants it back.
    pub id: String,
    /// Its nonce.
    pub nonce: Vec<u8>,
}

/// What an operator does to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Keeps it out.
    Suspend,
    /// Lets it in again.
    Resume,
    /// Keeps it out for ever.
    Revoke,
}

/// A connection to a host, with an operator's beside it. Bytes are as in the protocol; how they are written
/// down is the adapter's affair.
pub trait HostUnderTest {
    /// What proofs must be bound to.
    fn binding(&self) -> AuthenticationBinding;

    /// The client id of somebody of this name: the name, unless the host's ids are of another kind.
    fn client_id(&self, name: &str) -> String {
        name.to_owned()
    }

    /// Enrols with the host's permission.
    fn enroll(&mut self, client_id: &str, commitment: &[u8], proof: &[u8]) -> Answer;

    /// Asks for a challenge.
    ///
    /// # Errors
    /// The host's refusal.
    fn challenge(&mut self, client_id: &str) -> Result<Issued, Answer>;

    /// Answers a challenge.
    fn authenticate(&mut self, client_id: &str, challenge_id: &str, proof: &[u8]) -> Answer;

    /// Asks for another commitment.
    fn rotate(
        &mut self,
        client_id: &str,
        challenge_id: &str,
        proof_old: &[u8],
        commitment_new: &[u8],
        proof_new: &[u8],
    ) -> Answer;

    /// Acts as the operator.
    fn operate(&mut self, client_id: &str, act: Act) -> Answer;

    /// The version of the client's commitment, if it is enrolled.
    fn version(&mut self, client_id: &str) -> Option<u32>;

    /// Whose session this connection has, if it has one that is good.
    fn whoami(&mut self) -> Option<String>;

    /// What it offers to clients with several credentials, if it does: the behaviours of those are run then.
    fn devices(&mut self) -> Option<&mut dyn Devices> {
        None
    }

    /// Another connection to the same host, without a session.
    fn another(&self) -> Box<dyn HostUnderTest + Send>;
}

/// Which challenge of which client is answered, and by which credential.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// The client.
    pub client_id: &'a str,
    /// The id of the challenge, as the host gave it.
    pub challenge_id: &'a str,
    /// The id of the credential in text; the first is meant where none is named.
    pub credential_id: Option<&'a str>,
}

/// What a host offers to clients with several credentials.
pub trait Devices {
    /// Answers a challenge by the credential that is named.
    fn authenticate_by(&mut self, by: By<'_>, proof: &[u8]) -> Answer;

    /// Asks for another credential: with its joining proof and name, or of a second device that has joined.
    fn link(
        &mut self,
        by: By<'_>,
        proof: &[u8],
        commitment_new: &[u8],
        joining: Option<(&[u8], &str)>,
    ) -> Answer;

    /// Asks for a credential to be taken away.
    fn unlink(&mut self, by: By<'_>, proof: &[u8], commitment_old: &[u8]) -> Answer;

    /// Offers a challenge to a second device, as the client whose session this connection has.
    fn offer(&mut self, challenge_id: &str) -> Answer;

    /// How far the link of a second device is, as that client: `none`, `open`, `joined` or `clashed`.
    fn pending(&mut self) -> String;

    /// Joins an offer, as a second device.
    fn join(
        &mut self,
        client_id: &str,
        challenge_id: &str,
        commitment: &[u8],
        proof: &[u8],
        name: &str,
    ) -> Answer;

    /// The ids of the credentials of that client, in their order.
    fn credentials(&mut self) -> Vec<String>;
}
