//! A client as hosts know it: its id, and the record that they keep under it.

mod attributes;
pub(crate) mod codec;
pub(crate) mod credentials;
mod id;
mod pace;
pub(crate) mod record;
mod single;
mod status;

pub use attributes::{Attributes, Claims, Scopes, Source, Sources, Tenant};
pub use credentials::{CredentialId, CredentialName, EnrolledCredential, SuiteId};
pub use id::{CLIENT_ID_MAX, ClientId};
pub use pace::Pace;
pub use record::Record;
pub use single::ClientRecord;
pub use status::{ClientStatus, Transition};
