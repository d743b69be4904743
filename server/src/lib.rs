//! The HTTP service of 2FApi: a router that other services can mount, and what stands behind it.
//!
//! [`router`] serves a [`Service`] over a [`Store`]; [`AuthenticatedClient`] protects routes of the
//! application around it. The protocol is in `spec/protocol.md`, the HTTP surface in
//! `spec/openapi.yaml`.

pub mod admin;
mod clock;
mod dpop;
mod http;
mod methods;
#[cfg(feature = "metrics")]
mod metrics;
pub mod moving;
mod operator_keys;
mod service;
mod store;
mod tokens;
mod workload;

pub use clock::{Clock, SystemClock};
pub use http::{
    ClientAddress, EnrolmentAuthorised, Fields, ForwardedBy, Problem, Proxies, RateLimit, Sources,
    router, with_addresses, with_scopes,
};
pub use methods::{Acr, Answered, Begun, HeldLogin, Method, Methods};
pub use operator_keys::OperatorKeys;
pub use service::{
    AuthenticatedClient, ChallengeName, Config, Ending, EnrolmentPermission, EnrolmentToken,
    IssuedChallenge, LoggedIn, Login, LoginError, LoginStep, Revoked, Service, ShownToken,
    cancel_invitations, change_record, drop_signing_key, invite, invite_as, invite_to_reset,
    rotate_signing_key,
};
#[cfg(any(test, feature = "conformance"))]
pub use store::conformance;
pub use store::{
    AttributesChange, Clear, ClientsAtRest, Contents, Cursor, EmbeddedContents, EmbeddedStore,
    Invitation, InvitationKey, InvitationKind, Mark, RecordChange, Seed, Session, SessionId,
    SigningAlgorithm, SigningKeyRecord, Store, StoreError, StorePlace, User,
};
#[cfg(feature = "postgres")]
pub use store::{PostgresContents, PostgresStore};
#[cfg(feature = "redis")]
pub use store::{RedisContents, RedisStore};
pub use tokens::{AccessToken, JWKS_MAX_AGE};
pub use workload::{
    IssuerAlgorithm, IssuerRules, KeySetFile, KeySetSource, RuleError, WorkloadRule, WorkloadRules,
    Workloads,
};

#[cfg(feature = "standalone")]
pub use http::{Came, Connections, Limits, Patience, application};
#[cfg(feature = "tls")]
pub use http::{Life, Tls, TlsError};
#[cfg(feature = "metrics")]
pub use metrics::{Metrics, Serving};
