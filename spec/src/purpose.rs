//! The statement of a case of a proof vector, for the purpose that the case names.

use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, CHANNEL_BINDING_MAX, ClientId, Commitment, Enrolment,
    Error, Joining, Linking, Nonce, Rotation, Statement, Unlinking,
};

use crate::cases::{PurposeName, Reason};

const ENROLMENT: &[u8] = b"enrollment";
const ROTATION: &[u8] = b"rotation:";
const LINKING: &[u8] = b"rotation:\x01";
const UNLINKING: &[u8] = b"rotation:\x03";
const JOINING: &[u8] = b"rotation:\x05";

/// Decodes a commitment.
pub(crate) fn commitment(bytes: &[u8]) -> Result<Commitment, Reason> {
    Commitment::from_bytes(bytes).map_err(|_| match bytes.len() {
        Commitment::LEN if bytes.iter().all(|byte| *byte == 0) => Reason::Identity,
        Commitment::LEN => Reason::PointEncoding,
        _ => Reason::Length,
    })
}

/// The purpose of a proof, with what the statement takes beside the client id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Nonce empty, channel binding `enrollment`.
    Enrolment,
    /// A channel binding that is of no other purpose.
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
    /// Channel binding `rotation:`, 01, 32 bytes of commitment, and an authentication binding.
    Linking {
        /// Of the challenge.
        nonce: Nonce,
        /// What is to be added.
        new_commitment: Box<Commitment>,
        /// What follows the commitment.
        binding: AuthenticationBinding,
    },
    /// Channel binding `rotation:`, 03, 32 bytes of commitment, and an authentication binding.
    Unlinking {
        /// Of the challenge.
        nonce: Nonce,
        /// What is to go.
        old_commitment: Box<Commitment>,
        /// What follows the commitment.
        binding: AuthenticationBinding,
    },
    /// Channel binding `rotation:`, 05, and an authentication binding.
    Joining {
        /// Of the challenge.
        nonce: Nonce,
        /// What follows.
        binding: AuthenticationBinding,
    },
}

impl Purpose {
    /// The purpose that is expected, with what the nonce and the channel binding of a case give it.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(
        expected: PurposeName,
        nonce: &[u8],
        channel_binding: &[u8],
    ) -> Result<Self, Reason> {
        if expected == PurposeName::Enrolment {
            return match (nonce, channel_binding) {
                ([], ENROLMENT) => Ok(Self::Enrolment),
                ([], _) => Err(Reason::Binding),
                _ => Err(Reason::NonceLength),
            };
        }
        let nonce = Nonce::from_bytes(nonce).map_err(|_| Reason::NonceLength)?;
        let authentication =
            |bytes| AuthenticationBinding::from_bytes(bytes).map_err(|_| Reason::Binding);
        if expected == PurposeName::Authentication {
            let binding = authentication(channel_binding)?;
            return Ok(Self::Authentication { nonce, binding });
        }
        if channel_binding.len() > CHANNEL_BINDING_MAX {
            return Err(Reason::Binding);
        }
        let after = |prefix| channel_binding.strip_prefix(prefix).ok_or(Reason::Binding);
        let about_one = |prefix| {
            let (one, binding) = after(prefix)?
                .split_at_checked(Commitment::LEN)
                .ok_or(Reason::Binding)?;
            Ok((Box::new(commitment(one)?), authentication(binding)?))
        };
        Ok(match expected {
            PurposeName::Linking => {
                let (new_commitment, binding) = about_one(LINKING)?;
                Self::Linking {
                    nonce,
                    new_commitment,
                    binding,
                }
            }
            PurposeName::Unlinking => {
                let (old_commitment, binding) = about_one(UNLINKING)?;
                Self::Unlinking {
                    nonce,
                    old_commitment,
                    binding,
                }
            }
            PurposeName::Joining => Self::Joining {
                nonce,
                binding: authentication(after(JOINING)?)?,
            },
            _ => {
                let (new_commitment, binding) = about_one(ROTATION)?;
                Self::Rotation {
                    nonce,
                    new_commitment,
                    binding,
                }
            }
        })
    }

    /// The statement of this purpose for a client.
    ///
    /// # Errors
    /// When the channel binding is too long.
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
            Self::Linking {
                nonce,
                new_commitment,
                binding,
            } => {
                let new = new_commitment.as_bytes();
                Box::new(Linking::new(client_id, nonce, new, binding)?)
            }
            Self::Unlinking {
                nonce,
                old_commitment,
                binding,
            } => {
                let old = old_commitment.as_bytes();
                Box::new(Unlinking::new(client_id, nonce, old, binding)?)
            }
            Self::Joining { nonce, binding } => Box::new(Joining::new(client_id, nonce, binding)?),
        })
    }
}
