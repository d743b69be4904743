//! From flat arguments to the core's types.

use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Commitment, Enrolment, Nonce, Rotation,
    Statement, transcript,
};

use crate::error::{Fault, fault, invalid_encoding};

/// An authentication that owns its parts, so that it can travel to another thread.
pub(crate) struct OwnedAuthentication {
    client_id: ClientId,
    nonce: Nonce,
    binding: AuthenticationBinding,
}

impl OwnedAuthentication {
    pub(crate) fn parse(client_id: &str, nonce: &[u8], binding: &[u8]) -> Result<Self, Fault> {
        Ok(Self {
            client_id: ClientId::parse(client_id).map_err(fault)?,
            nonce: Nonce::from_bytes(nonce).map_err(fault)?,
            binding: AuthenticationBinding::from_bytes(binding).map_err(fault)?,
        })
    }

    pub(crate) const fn statement(&self) -> Authentication<'_> {
        Authentication {
            client_id: &self.client_id,
            nonce: &self.nonce,
            binding: &self.binding,
        }
    }
}

/// A rotation that owns its parts.
pub(crate) struct OwnedRotation {
    authentication: OwnedAuthentication,
    new_commitment: Commitment,
}

impl OwnedRotation {
    pub(crate) fn parse(
        client_id: &str,
        nonce: &[u8],
        binding: &[u8],
        new_commitment: &[u8],
    ) -> Result<Self, Fault> {
        let owned = Self {
            authentication: OwnedAuthentication::parse(client_id, nonce, binding)?,
            new_commitment: Commitment::from_bytes(new_commitment).map_err(fault)?,
        };
        owned.statement()?;
        Ok(owned)
    }

    pub(crate) fn statement(&self) -> Result<Rotation<'_>, Fault> {
        let parts = &self.authentication;
        Rotation::new(
            &parts.client_id,
            &parts.nonce,
            &self.new_commitment,
            &parts.binding,
        )
        .map_err(fault)
    }
}

const ENROLMENT_BINDING: &[u8] = b"enrollment";
const ROTATION_PREFIX: &[u8] = b"rotation:";

/// What a context part of a transcript says, whatever its purpose.
pub(crate) enum AnyStatement {
    Enrolment(ClientId),
    Authentication(OwnedAuthentication),
    Rotation(OwnedRotation),
}

impl AnyStatement {
    /// Recognizes the purpose by what only that purpose may have.
    pub(crate) fn from_parts(client_id: &str, nonce: &[u8], binding: &[u8]) -> Result<Self, Fault> {
        if nonce.is_empty() && binding == ENROLMENT_BINDING {
            return Ok(Self::Enrolment(ClientId::parse(client_id).map_err(fault)?));
        }
        let Some(rest) = binding.strip_prefix(ROTATION_PREFIX) else {
            return Ok(Self::Authentication(OwnedAuthentication::parse(
                client_id, nonce, binding,
            )?));
        };
        let (new_commitment, binding) = rest
            .split_at_checked(Commitment::LEN)
            .ok_or_else(|| invalid_encoding("a rotation's channel binding must be \"rotation:\", the new commitment of 32 bytes, and the authentication binding"))?;
        OwnedRotation::parse(client_id, nonce, binding, new_commitment).map(Self::Rotation)
    }

    /// Decodes LP(clientId) ‖ LP(nonce) ‖ LP(channelBinding).
    pub(crate) fn from_context(bytes: &[u8]) -> Result<Self, Fault> {
        let malformed = || {
            invalid_encoding(
                "transcriptData must be what buildTranscript gives: client id, nonce and channel \
                 binding, each after its length in 4 bytes",
            )
        };
        let (client_id, rest) = length_prefixed(bytes).ok_or_else(malformed)?;
        let (nonce, rest) = length_prefixed(rest).ok_or_else(malformed)?;
        let (binding, rest) = length_prefixed(rest).ok_or_else(malformed)?;
        if !rest.is_empty() {
            return Err(malformed());
        }
        let client_id = ClientId::from_bytes(client_id).map_err(fault)?;
        Self::from_parts(client_id.as_str(), nonce, binding)
    }

    pub(crate) fn transcript(
        &self,
        commitment: &[u8; 32],
        announcement: &[u8; 32],
    ) -> Result<Vec<u8>, Fault> {
        Ok(match self {
            Self::Enrolment(client_id) => {
                transcript(commitment, announcement, &Enrolment { client_id })
            }
            Self::Authentication(parts) => transcript(commitment, announcement, &parts.statement()),
            Self::Rotation(parts) => transcript(commitment, announcement, &parts.statement()?),
        })
    }

    /// Calls `with` with the statement.
    pub(crate) fn each<T>(&self, with: impl FnOnce(&dyn Statement) -> T) -> Result<T, Fault> {
        Ok(match self {
            Self::Enrolment(client_id) => with(&Enrolment { client_id }),
            Self::Authentication(parts) => with(&parts.statement()),
            Self::Rotation(parts) => with(&parts.statement()?),
        })
    }
}

fn length_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}
