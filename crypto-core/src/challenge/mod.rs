//! Challenges: issued without being stored, and computed again when they are answered.

mod id;
mod key;
pub(crate) mod shares;
mod ttl;

pub use id::{ChallengeId, ShareTag, SpentKey};
pub(crate) use key::keyed;
pub use key::{Challenge, ChallengeKey};
pub use ttl::ChallengeTtl;
