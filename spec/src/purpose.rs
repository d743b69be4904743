//! Which purpose a case of a proof vector has: its nonce and channel binding say so.

use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Commitment, Enrolment, Error, Nonce, Rotation,
    Statement,
};

const ENROLMENT: &[u8] = b"enrollment";
const ROTATION: &[u8] = b"rotation:";

/// The purpose of a proof, with what the statement takes beside the client id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Nonce empty, channel binding `enrollment`.
    Enrolment,
    /// Any other channel binding that does not begin with `rotation:`.
    Authentication {
        /// Of the challenge.
        nonce: Nonce,
        /// The whole channel binding.
        binding: AuthenticationBinding,
    },
    /// Channel binding `rotation:`, 32 bytes of commitment, and an authentication binding.
    Rotation {
        /// Of the challenge.
        nonce: Nonce,
        /// What the commitment is to be replaced by.
        new_commitment: Box<Commitment>,
        /// What follows the new commitment.
        binding: AuthenticationBinding,
    },
}

impl Purpose {
    /// Reads the purpose off a nonce and a channel binding.
    ///
    /// # Errors
    /// What the types of the core refuse.
    pub fn of(nonce: &[u8], channel_binding: &[u8]) -> Result<Self, Error> {
        if nonce.is_empty() && channel_binding == ENROLMENT {
            return Ok(Self::Enrolment);
        }
        let nonce = Nonce::from_bytes(nonce)?;
        let Some(rest) = channel_binding.strip_prefix(ROTATION) else {
            let binding = AuthenticationBinding::from_bytes(channel_binding)?;
            return Ok(Self::Authentication { nonce, binding });
        };
        let (commitment, binding) = rest
            .split_at_checked(Commitment::LEN)
            .unwrap_or((rest, &[]));
        Ok(Self::Rotation {
            nonce,
            new_commitment: Box::new(Commitment::from_bytes(commitment)?),
            binding: AuthenticationBinding::from_bytes(binding)?,
        })
    }

    /// The statement of this purpose for a client.
    ///
    /// # Errors
    /// When a rotation's channel binding is too long.
    pub fn statement<'a>(
        &'a self,
        client_id: &'a ClientId,
    ) -> Result<Box<dyn Statement + 'a>, Error> {
        Ok(match self {
            Self::Enrolment => Box::new(Enrolment { client_id }),
            Self::Authentication { nonce, binding } => Box::new(Authentication {
                client_id,
                nonce,
                binding,
            }),
            Self::Rotation {
                nonce,
                new_commitment,
                binding,
            } => Box::new(Rotation::new(client_id, nonce, new_commitment, binding)?),
        })
    }
}
