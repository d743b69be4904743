//! What a server keeps: the promises ([`Store`]), a battery that checks them of any store, and the
//! stores.

mod api;
mod changes;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod contents;
mod embedded;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod known;
mod mark;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod sealed;
mod session;
mod signing_key;

#[cfg(feature = "metrics")]
pub(crate) use api::failures;
pub use api::{Invitation, InvitationKey, InvitationKind, Store, StoreError};
pub use changes::{AttributesChange, RecordChange};
pub use contents::{Clear, Contents, Cursor};
pub use embedded::{ClientsAtRest, EmbeddedContents, EmbeddedStore, StorePlace, User};
pub use mark::Mark;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresContents, PostgresStore};
#[cfg(feature = "redis")]
pub use redis::{RedisContents, RedisStore};
pub use session::{Session, SessionId};
pub(crate) use signing_key::overwrite_stack;
pub use signing_key::{Seed, SigningAlgorithm, SigningKeyRecord};
