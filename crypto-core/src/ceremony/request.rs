//! What an attempt consists of, as bytes that nobody has looked at yet.

use crate::{ChallengeId, ClientId, CredentialId, Denied, Error};

use super::{Cause, Refused};

/// Which challenge of which client.
#[derive(Clone, Copy, Debug)]
pub enum Named<'a> {
    /// Each by itself, as in SQL and Redis. A bad client id is told as such.
    Apart {
        /// The client.
        client_id: &'a [u8],
        /// The challenge.
        challenge_id: &'a [u8],
    },
    /// `<challenge id>.<client id>`, as over HTTP. What no host gives is like what was never given.
    Joined(&'a [u8]),
}

impl<'a> Named<'a> {
    /// The client id, and the challenge id that is still to be decoded.
    pub(super) fn client(&self) -> Result<(Result<ClientId, Refused>, &'a [u8]), Error> {
        match *self {
            Self::Apart {
                client_id,
                challenge_id,
            } => Ok((Ok(ClientId::from_bytes(client_id)?), challenge_id)),
            Self::Joined(name) => {
                let dot = name.iter().position(|byte| *byte == b'.');
                let (challenge_id, client_id) = match dot {
                    Some(at) => (&name[..at], name.get(at + 1..).unwrap_or_default()),
                    None => (name, &[][..]),
                };
                let client_id =
                    ClientId::from_bytes(client_id).map_err(|_| Refused::Denied(Cause::Challenge));
                Ok((client_id, challenge_id))
            }
        }
    }
}

/// An attempt to authenticate.
#[derive(Clone, Copy, Debug)]
pub struct AuthenticationRequest<'a> {
    /// Which challenge of which client.
    pub of: Named<'a>,
    /// The credential that proves, by its id in text; the first one where none is named.
    pub credential: Option<&'a [u8]>,
    /// The proof: 96 bytes.
    pub proof: &'a [u8],
    /// The channel binding that the caller names, where a host lets it: with an audience the host's own,
    /// or that and LP(exporter); without, the caller's affair.
    pub binding: Option<&'a [u8]>,
}

/// An attempt to replace a commitment.
#[derive(Clone, Copy, Debug)]
pub struct RotationRequest<'a> {
    /// Which challenge of which client.
    pub of: Named<'a>,
    /// The credential that is replaced, by its id in text; the first one where none is named.
    pub credential: Option<&'a [u8]>,
    /// The proof of the rotation, by the credential that is enrolled: 96 bytes.
    pub proof_old: &'a [u8],
    /// The new commitment: 32 bytes.
    pub commitment_new: &'a [u8],
    /// The enrolment proof, by the new credential: 96 bytes.
    pub proof_new: &'a [u8],
}

/// An attempt to add a credential to a client.
#[derive(Clone, Copy, Debug)]
pub struct LinkRequest<'a> {
    /// Which challenge of which client.
    pub of: Named<'a>,
    /// The credential that proves, by its id in text; the first one where none is named.
    pub credential: Option<&'a [u8]>,
    /// The proof of the link, by a credential that is enrolled: 96 bytes.
    pub proof: &'a [u8],
    /// The commitment that is to be added: 32 bytes.
    pub commitment_new: &'a [u8],
    /// What the new credential says, where it is at the same device; otherwise it has joined before.
    pub joining: Option<JoiningPart<'a>>,
}

/// What a credential says that is to be added.
#[derive(Clone, Copy, Debug)]
pub struct JoiningPart<'a> {
    /// The joining proof, by the new credential: 96 bytes.
    pub proof: &'a [u8],
    /// What it is to be called.
    pub name: &'a [u8],
}

/// An attempt of a second device to be added, about the challenge of an offer.
#[derive(Clone, Copy, Debug)]
pub struct JoinRequest<'a> {
    /// Which challenge of which client.
    pub of: Named<'a>,
    /// The commitment that is to be added: 32 bytes.
    pub commitment: &'a [u8],
    /// What its credential says.
    pub joining: JoiningPart<'a>,
}

/// An attempt to take a credential of a client away.
#[derive(Clone, Copy, Debug)]
pub struct UnlinkRequest<'a> {
    /// Which challenge of which client.
    pub of: Named<'a>,
    /// The credential that proves, by its id in text; the first one where none is named.
    pub credential: Option<&'a [u8]>,
    /// The proof of the unlinking, by a credential that is enrolled, be it the one that goes: 96 bytes.
    pub proof: &'a [u8],
    /// The commitment that is to go: 32 bytes.
    pub commitment_old: &'a [u8],
}

/// An attempt to enrol.
#[derive(Clone, Copy, Debug)]
pub struct EnrolmentRequest<'a> {
    /// The client.
    pub client_id: &'a [u8],
    /// Its commitment: 32 bytes.
    pub commitment: &'a [u8],
    /// The enrolment proof: 96 bytes.
    pub proof: &'a [u8],
}

/// Decodes a challenge id; no other text was ever issued.
pub(super) fn challenge_id(bytes: &[u8]) -> Result<ChallengeId, Refused> {
    ChallengeId::from_text_bytes(bytes).map_err(|Denied| Refused::Denied(Cause::Challenge))
}

/// Decodes the name of a credential, where there is one.
pub(super) fn credential_id(text: Option<&[u8]>) -> Result<Option<CredentialId>, Error> {
    text.map(CredentialId::parse).transpose()
}
