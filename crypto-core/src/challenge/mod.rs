//! Challenges: issued without being stored, and good once.

mod id;
mod key;
pub(crate) mod shares;
mod spent;
mod ttl;

pub use id::{ChallengeId, ShareTag, SpentKey};
pub(crate) use key::keyed;
pub use key::{Challenge, ChallengeKey};
pub use spent::{OwnedSpentSet, Spend, SpentHeader, SpentSet, SpentSlot, SpentStats};
pub use ttl::ChallengeTtl;
