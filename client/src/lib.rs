//! What a Rust program needs that logs in at a 2FApi host: the exchange over HTTP, credential files
//! that are never lost, rotation, links of several credentials, recovery from a phrase, and sessions that are
//! kept.
//!
//! A program that has a credential (made with `2fapi keygen`, enrolled with `2fapi enroll`, or by
//! itself) logs in so; `examples/login.rs` is this as a program:
//!
//! ```no_run
//! use twofapi_client::{
//!     HttpClient, ServerUrl, credential::CredentialSource, exchange::Exchange, rotation,
//! };
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url = ServerUrl::parse("https://api.example.com")?;
//! let audience = url.origin().parse()?;
//! let exchange = Exchange::new(HttpClient::new(url, false)?, audience);
//!
//! let no_passphrase = |_: &std::path::Path| Err(twofapi_client::Failure::bad_input("sealed"));
//! let credential = CredentialSource::at("/etc/myapp/2fapi.json".into(), &no_passphrase);
//! // Also completes a rotation that was cut off.
//! let (_, access) = rotation::login(&exchange, &credential, &|note| eprintln!("{note}"))?;
//! println!("a token for {} s", access.expires_in);
//! # Ok(())
//! # }
//! ```

pub mod credential;
pub mod environment;
pub mod exchange;
mod failure;
mod http_client;
pub mod links;
pub mod private_file;
mod proxy;
pub mod recovery;
pub mod rotation;
mod server_url;
pub mod session;
pub mod sessions;
mod text;

pub use failure::{Failure, FailureKind};
pub use http_client::HttpClient;
pub use server_url::{Origin, ServerUrl};
pub use text::printable;
