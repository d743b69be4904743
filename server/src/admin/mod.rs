//! What an operator does to a store: invite, list, show, and change what is kept of clients.
//!
//! A server holds its store alone, so a running one takes these requests over a Unix socket beside
//! the store file, one line of JSON each way; where none runs, the command opens the store itself.
//! The socket is for the user that runs the server and for root: its mode says so, and either end
//! checks the other's credentials. (Not HTTP: both ends are this program, one exchange a connection needs
//! neither an HTTP client in the command nor its limits set once more for a second server.)

mod execute;
mod request;
mod response;
mod socket;

pub use execute::{execute, look};
pub use request::{Request, Said};
pub use response::{
    AttributesView, ClientDetails, ClientView, CredentialView, Response, SessionView,
    SigningKeyView,
};
pub use socket::{AdminSocket, ask};
