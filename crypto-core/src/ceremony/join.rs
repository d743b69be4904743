//! Linking from a second device (protocol.md 12): what a client has on offer, what a second device leaves
//! with it, and the number by which two people see that both mean the same credential.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use sha2::{Digest, Sha512};

use super::step::{Cause, Refused};
use crate::{
    AuthenticationBinding, ChallengeId, ClientId, Commitment, CredentialName, Error, Joining,
    Nonce, Proof, client::codec::Rest, verify,
};

const LINK_NUMBER_DST: &[u8] = b"2FApi-v1.0-LinkNumber";

/// The number that the second device shows and the user of the first one types: the first 4 bytes of
/// SHA-512("2FApi-v1.0-LinkNumber" ‖ LP(challenge id) ‖ C), big-endian, modulo 10^6. It is written with six
/// digits.
#[must_use]
pub fn link_number(offer: ChallengeId, commitment: &[u8; Commitment::LEN]) -> u32 {
    let hash: [u8; 64] = Sha512::new_with_prefix(LINK_NUMBER_DST)
        .chain_update((ChallengeId::TEXT_LEN as u32).to_be_bytes())
        .chain_update(offer.to_text())
        .chain_update(commitment)
        .finalize()
        .into();
    let [a, b, c, d, ..] = hash;
    u32::from_be_bytes([a, b, c, d]) % 1_000_000
}

/// What a store keeps of a link from a second device, at most one for a client: an offer, then what was
/// left with it. It goes from one to the next as a whole: a store compares and replaces it in one action.
#[derive(Clone, PartialEq, Eq)]
pub struct PendingLink {
    offer: ChallengeId,
    nonce: [u8; Nonce::ISSUED_LEN],
    /// When it is gone, in Unix seconds.
    until: u64,
    state: LinkState,
}

/// How far a link from a second device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Nobody has joined.
    Open,
    /// A device has, and waits for the first one.
    Joined {
        /// The commitment that it asks to be added.
        commitment: [u8; Commitment::LEN],
        /// Its joining proof, for the first device to look at.
        proof: Proof,
        /// What it is to be called.
        name: CredentialName,
    },
    /// Two have: neither is linked, and the first device makes another offer.
    Clashed,
}

/// What a second device left.
pub(super) struct Left<'a> {
    pub(super) commitment: &'a [u8; Commitment::LEN],
    pub(super) proof: &'a Proof,
    /// That the proof is about.
    pub(super) nonce: Nonce,
    pub(super) name: &'a CredentialName,
}

impl PendingLink {
    /// How long what a second device left is kept, in seconds.
    pub const KEPT_SECONDS: u64 = 600;
    /// None has more bytes.
    pub const MAX_LEN: usize = 256;

    const LAYOUT: u8 = 1;

    pub(super) fn open(offer: ChallengeId, nonce: &Nonce) -> Option<Self> {
        Some(Self {
            offer,
            // Of a challenge that a host issued.
            nonce: nonce.as_bytes().try_into().ok()?,
            until: offer.expires_at().into(),
            state: LinkState::Open,
        })
    }

    /// The challenge that was offered.
    #[must_use]
    pub const fn offer(&self) -> ChallengeId {
        self.offer
    }

    /// When it is gone, in Unix seconds.
    #[must_use]
    pub const fn until(&self) -> u64 {
        self.until
    }

    /// How far it is; nothing is left of it when its time is over.
    #[must_use]
    pub fn state(&self, now: u64) -> Option<&LinkState> {
        (now < self.until).then_some(&self.state)
    }

    /// What a second device left, as long as it is kept.
    pub(super) fn joined(&self, now: u64) -> Option<Left<'_>> {
        match &self.state {
            LinkState::Joined {
                commitment,
                proof,
                name,
            } if now < self.until => Some(Left {
                commitment,
                proof,
                nonce: Nonce::issued(self.nonce),
                name,
            }),
            _ => None,
        }
    }

    /// The bytes that a store keeps: 1 ‖ offer ‖ nonce ‖ until (8) ‖ state, and of a device that joined its
    /// commitment, proof and name.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::MAX_LEN);
        out.push(Self::LAYOUT);
        out.extend(self.offer.as_bytes());
        out.extend(self.nonce);
        out.extend(self.until.to_be_bytes());
        match &self.state {
            LinkState::Open => out.push(0),
            LinkState::Joined {
                commitment,
                proof,
                name,
            } => {
                out.push(1);
                out.extend(commitment);
                out.extend(proof.to_bytes());
                out.push(name.as_str().len() as u8);
                out.extend(name.as_str().as_bytes());
            }
            LinkState::Clashed => out.push(2),
        }
        out
    }

    /// Reads what [`PendingLink::to_bytes`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`] or [`Error::InvalidLength`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let unreadable = || Error::InvalidEncoding {
            what: "stored link from a second device",
            expected: "as this version of 2FApi wrote it",
        };
        let mut rest = Rest(bytes);
        if rest.u8()? != Self::LAYOUT {
            return Err(unreadable());
        }
        let read = Self {
            offer: ChallengeId::from_bytes(rest.array()?),
            nonce: rest.array()?,
            until: rest.u64()?,
            state: match rest.u8()? {
                0 => LinkState::Open,
                1 => LinkState::Joined {
                    commitment: rest.array()?,
                    proof: Proof::from_bytes(rest.take(Proof::LEN)?)?,
                    name: CredentialName::parse(rest.short()?)?,
                },
                2 => LinkState::Clashed,
                _ => return Err(unreadable()),
            },
        };
        match rest.0 {
            [] => Ok(read),
            _ => Err(unreadable()),
        }
    }
}

impl fmt::Debug for PendingLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An offer is a capability to ask.
        f.write_str(match self.state {
            LinkState::Open => "PendingLink(open)",
            LinkState::Joined { .. } => "PendingLink(joined)",
            LinkState::Clashed => "PendingLink(clashed)",
        })
    }
}

/// A second device that asks to be added: the host looks up what the client has on offer.
#[must_use]
pub struct Joiner {
    pub(super) client_id: ClientId,
    pub(super) offer: ChallengeId,
    pub(super) nonce: Nonce,
    pub(super) binding: Arc<AuthenticationBinding>,
    pub(super) commitment: Commitment,
    pub(super) proof: Proof,
    pub(super) name: CredentialName,
    pub(super) now: u64,
}

impl Joiner {
    /// Whose pending link is looked up.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// Verifies the joining proof, whatever was found, and says what the store has to do.
    ///
    /// # Errors
    /// [`Refused::Denied`] when the proof is not good, or the client has no such offer.
    pub fn found(self, pending: Option<PendingLink>) -> Result<Join, Refused> {
        let joining = Joining::permitted(&self.client_id, &self.nonce, &self.binding);
        if verify(&self.commitment, &joining, &self.proof).is_err() {
            return Err(Refused::Denied(Cause::Proof));
        }
        let before = pending.filter(|found| found.offer == self.offer && self.now < found.until);
        let before = before.ok_or(Refused::Denied(Cause::Offer))?;
        let state = match &before.state {
            LinkState::Open => LinkState::Joined {
                commitment: self.commitment.to_bytes(),
                proof: self.proof,
                name: self.name,
            },
            // An answer may be lost: whoever asks again is told again.
            LinkState::Joined { commitment, .. } if commitment == self.commitment.as_bytes() => {
                before.state.clone()
            }
            LinkState::Joined { .. } | LinkState::Clashed => LinkState::Clashed,
        };
        let after = PendingLink {
            until: match (&before.state, &state) {
                (LinkState::Open, _) => self.now.saturating_add(PendingLink::KEPT_SECONDS),
                _ => before.until,
            },
            state,
            ..before
        };
        Ok(Join {
            client_id: self.client_id,
            number: link_number(self.offer, self.commitment.as_bytes()),
            before,
            after,
        })
    }
}

/// What the store has to do in one atomic action, or not at all: see that this is what the client has
/// pending still, and put the other in its place.
#[must_use]
#[derive(Debug)]
pub struct Join {
    client_id: ClientId,
    number: u32,
    before: PendingLink,
    after: PendingLink,
}

impl Join {
    /// Whose pending link it is.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// What has to be there.
    #[must_use]
    pub const fn before(&self) -> &PendingLink {
        &self.before
    }

    /// What takes its place.
    #[must_use]
    pub const fn after(&self) -> &PendingLink {
        &self.after
    }

    /// Tells whether the store did it. Gives the number that the second device shows.
    ///
    /// # Errors
    /// [`Refused::Denied`] when something else was there, or another device has joined as well.
    pub fn done(self, replaced: bool) -> Result<u32, Refused> {
        match self.after.state {
            LinkState::Joined { .. } if replaced => Ok(self.number),
            _ => Err(Refused::Denied(Cause::Offer)),
        }
    }
}

impl fmt::Debug for Joiner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Joiner({})", self.client_id)
    }
}
