//! The ceremonies: the rules of enrolling, authenticating, rotating, linking, unlinking and resetting
//! (protocol.md 8 to 12) as state machines without clock, store, thread or random source, so that every
//! host drives the same ones.
//!
//! A host feeds an attempt and does what it asks: it looks one client up, and it carries out one
//! [`Step`] in one atomic, durable action of its store. Nothing is spent before that action, and
//! nothing but its [`Committed::Done`] makes an [`Accepted`]:
//!
//! ```
//! use std::sync::Arc;
//! use twofapi_crypto_core::{ceremony::*, *};
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let mut rng = ChaCha20Rng::seed_from_u64(1);
//! # let now = 1_795_000_000;
//! # let alice = Credential::generate(&mut rng)?;
//! # let id: ClientId = "alice".parse()?;
//! # let record = Record::enrolled(alice.commitment(), "phone".parse()?, now);
//! // Once: what the host is bound to, and the set of spent challenges with its epoch.
//! let audience: Audience = "https://api.example.com".parse()?;
//! let terms = Terms::new(AuthenticationBinding::for_audience(&audience), Decoys::new([7; 16]));
//! let roots = [Root::generate(0, &mut rng)?];
//! let mut spent = OwnedSpentSet::new(1000, Epoch::generate(&mut rng)?);
//!
//! // A challenge, which is stored nowhere.
//! let at = spent.set().at(now, || Epoch::generate(&mut rng))?;
//! let keys = Arc::new(Keys::derive(&roots, at.epoch)?);
//! let challenge = terms.challenge(&keys, &id, at.now, &mut rng)?;
//! # let statement = Authentication { client_id: &id, nonce: &challenge.nonce, binding: terms.binding() };
//! # let proof = prove(&alice, &statement, &mut rng)?.to_bytes();
//!
//! // An attempt. What it needs, in this order, or it does not compile:
//! let wanted = terms.authenticate(&keys, at.now, &AuthenticationRequest {
//!     of: Named::Apart { client_id: b"alice", challenge_id: &challenge.id.to_text() },
//!     credential: None,
//!     proof: &proof,
//!     binding: None,
//! })?;
//! assert_eq!(wanted.client_id().as_str(), "alice"); // whose record the host looks up
//! let check = wanted.found(Some(record), |decoy| Commitment::from_bytes(decoy))?;
//! let commit = check.verify().settle()?; // an owned check may also join a batch on another thread
//! let committed = match &commit.step().spend {
//!     Some(spend) => spent.set().accept(spend, now), // together with the look at the record
//!     None => Committed::Done,
//! };
//! let accepted: Accepted = commit.done(committed)?;
//! assert_eq!(accepted.client_id().as_str(), "alice");
//! # Ok::<(), Error>(())
//! ```
//!
//! What types cannot say, a host has to keep: the step is one atomic and durable action; the record is
//! that client's; `now` is honest; an unknown client costs the store the same reads; [`Commit::done`] is
//! told the truth; and no answer is given before it was.
//!
//! Steps that are left out do not compile. Without looking the client up there is nothing to verify:
//!
//! ```compile_fail,E0599
//! # use twofapi_crypto_core::ceremony::*;
//! fn host(wanted: Wanted) { let _ = wanted.verify(); }
//! ```
//!
//! without verifying nothing to settle:
//!
//! ```compile_fail,E0599
//! # use twofapi_crypto_core::ceremony::*;
//! fn host(check: Check) { let _ = check.settle(); }
//! ```
//!
//! without carrying the step out nothing is accepted:
//!
//! ```compile_fail,E0308
//! # use twofapi_crypto_core::ceremony::*;
//! fn open_session(accepted: Accepted) {}
//! fn host(commit: Commit) { open_session(commit); }
//! ```
//!
//! an acceptance cannot be made up:
//!
//! ```compile_fail,E0451
//! # use twofapi_crypto_core::{ceremony::*, ClientId, CredentialId, Record};
//! fn host(client_id: ClientId, record: Record, credential: CredentialId, since: u32) -> Accepted {
//!     Accepted { client_id, record, credential, since }
//! }
//! ```
//!
//! nor used for two sessions:
//!
//! ```compile_fail,E0382
//! # use twofapi_crypto_core::ceremony::*;
//! fn open_session(accepted: Accepted) {}
//! fn host(accepted: Accepted) { open_session(accepted); open_session(accepted); }
//! ```
//!
//! a verdict cannot be moved to another attempt:
//!
//! ```compile_fail,E0451
//! # use twofapi_crypto_core::ceremony::*;
//! fn host(good: Checked, other: Check) -> Checked { Checked { of: other, ..good } }
//! ```
//!
//! one step is not two answers:
//!
//! ```compile_fail,E0382
//! # use twofapi_crypto_core::ceremony::*;
//! fn host(commit: Commit) { let _ = commit.done(Committed::Done); let _ = commit.done(Committed::Done); }
//! ```
//!
//! and an answer is not dropped unseen:
//!
//! ```compile_fail
//! # #![deny(unused_must_use)]
//! # use twofapi_crypto_core::ceremony::*;
//! fn host(commit: Commit) { commit.done(Committed::Done); }
//! ```

mod attempt;
#[cfg(test)]
mod authority;
#[cfg(test)]
mod cases;
mod code;
mod decoy;
mod enrol;
mod held;
mod join;
#[cfg(test)]
mod joins;
mod keys;
#[cfg(test)]
mod links;
#[cfg(test)]
mod model;
mod purpose;
mod request;
#[cfg(test)]
mod scene;
mod spent;
mod step;
mod terms;

pub use attempt::{Accepted, Check, Checked, Commit, Wanted, verify_batch};
pub use code::LinkCode;
pub use decoy::Decoys;
pub use enrol::Asked;
pub use held::{Held, Holder};
pub use join::{Join, Joiner, LinkState, PendingLink, link_number};
pub use keys::{Epoch, Keys, Root};
pub use request::{
    AuthenticationRequest, EnrolmentRequest, JoinRequest, JoiningPart, LinkRequest, Named,
    RotationRequest, UnlinkRequest,
};
pub use spent::{At, OwnedSpentSet, SpentHeader, SpentSet, SpentSlot, SpentStats};
pub use step::{Cause, Change, Committed, Expect, Permission, Refused, Spend, Step};
pub use terms::Terms;
