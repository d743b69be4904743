//! From flat arguments to the core's types.

use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Commitment, Enrolment, Joining, Linking,
    Nonce, Rotation, Statement, Unlinking, transcript,
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

/// What is said of another commitment of the client, or by it.
#[derive(Clone, Copy)]
pub(crate) enum About {
    /// By a credential that is enrolled: this one is to be added.
    Linking([u8; Commitment::LEN]),
    /// By a credential that is enrolled: this one is to be taken away.
    Unlinking([u8; Commitment::LEN]),
    /// By the one that is to be added.
    Joining,
}

/// A statement of a link or an unlinking that owns its parts.
pub(crate) struct OwnedChange {
    authentication: OwnedAuthentication,
    about: About,
}

impl OwnedChange {
    pub(crate) fn parse(
        client_id: &str,
        nonce: &[u8],
        binding: &[u8],
        about: About,
    ) -> Result<Self, Fault> {
        let owned = Self {
            authentication: OwnedAuthentication::parse(client_id, nonce, binding)?,
            about,
        };
        owned.each(|_| ())?;
        Ok(owned)
    }

    /// Calls `with` with the statement.
    pub(crate) fn each<T>(&self, with: impl FnOnce(&dyn Statement) -> T) -> Result<T, Fault> {
        let OwnedAuthentication {
            client_id,
            nonce,
            binding,
        } = &self.authentication;
        Ok(match &self.about {
            About::Linking(new) => {
                with(&Linking::new(client_id, nonce, new, binding).map_err(fault)?)
            }
            About::Unlinking(old) => {
                with(&Unlinking::new(client_id, nonce, old, binding).map_err(fault)?)
            }
            About::Joining => with(&Joining::new(client_id, nonce, binding).map_err(fault)?),
        })
    }
}

const ENROLMENT_BINDING: &[u8] = b"enrollment";
const ROTATION_PREFIX: &[u8] = b"rotation:";

/// What a context part of a transcript says, whatever its purpose.
pub(crate) enum AnyStatement {
    Enrolment(ClientId),
    Authentication(OwnedAuthentication),
    Rotation(OwnedRotation),
    Change(OwnedChange),
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
        // No element is encoded with an odd first byte: these are of purposes of their own.
        if let [1 | 3 | 5, rest @ ..] = rest {
            return Self::change(client_id, nonce, binding, rest);
        }
        let (new_commitment, binding) = rest
            .split_at_checked(Commitment::LEN)
            .ok_or_else(|| invalid_encoding("a rotation's channel binding must be \"rotation:\", the new commitment of 32 bytes, and the authentication binding"))?;
        OwnedRotation::parse(client_id, nonce, binding, new_commitment).map(Self::Rotation)
    }

    fn change(client_id: &str, nonce: &[u8], binding: &[u8], rest: &[u8]) -> Result<Self, Fault> {
        let kind = binding[ROTATION_PREFIX.len()];
        let (about, binding) = if kind == 5 {
            (About::Joining, rest)
        } else {
            let (commitment, binding) = rest.split_first_chunk::<{ Commitment::LEN }>().ok_or_else(|| {
                invalid_encoding("the channel binding of a link or an unlinking must name a commitment of 32 bytes")
            })?;
            let commitment = *Commitment::from_bytes(commitment)
                .map_err(fault)?
                .as_bytes();
            match kind {
                1 => (About::Linking(commitment), binding),
                _ => (About::Unlinking(commitment), binding),
            }
        };
        OwnedChange::parse(client_id, nonce, binding, about).map(Self::Change)
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
            Self::Change(parts) => {
                parts.each(|statement| transcript(commitment, announcement, statement))?
            }
        })
    }

    /// Calls `with` with the statement.
    pub(crate) fn each<T>(&self, with: impl FnOnce(&dyn Statement) -> T) -> Result<T, Fault> {
        Ok(match self {
            Self::Enrolment(client_id) => with(&Enrolment { client_id }),
            Self::Authentication(parts) => with(&parts.statement()),
            Self::Rotation(parts) => with(&parts.statement()?),
            Self::Change(parts) => parts.each(with)?,
        })
    }
}

fn length_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}
