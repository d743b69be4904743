//! The HTTP surface: routes that parse, call the [`Service`] and answer.

mod authorise;
mod body;
mod caller;
mod check;
#[cfg(feature = "standalone")]
mod connection;
mod discovery;
mod flight;
mod form;
mod guarded;
mod introspection;
mod links;
mod oauth;
mod oauth_problem;
mod problem;
mod proxies;
mod routes;
mod sessions;
mod shown;
mod source;
mod steps;

pub use authorise::with_scopes;
pub use body::Fields;
pub use caller::{ClientAddress, with_addresses};
#[cfg(feature = "standalone")]
pub use connection::{Came, Connections, Limits, Patience};
#[cfg(feature = "tls")]
pub use connection::{Life, Tls, TlsError};
pub use problem::Problem;
pub use proxies::{ForwardedBy, Proxies};
#[cfg(feature = "standalone")]
pub use routes::application;
pub use routes::{EnrolmentAuthorised, router};
pub use source::{RateLimit, Sources};
