//! What the HTTP routes do, without HTTP: it drives the ceremonies of the core over a store.

mod attempts;
mod authenticated;
mod challenge_name;
mod invitations;
mod keys_by_epoch;
mod links;
mod login;
mod paces;
mod permission;
mod sessions;
mod shown;
mod signing_keys;
mod state;
mod steps;

pub use attempts::EnrolmentPermission;
pub use authenticated::AuthenticatedClient;
pub use challenge_name::{ChallengeName, IssuedChallenge};
pub use invitations::{
    EnrolmentToken, cancel_invitations, change_record, invite, invite_as, invite_to_reset,
};
pub use login::{Login, LoginError};
pub(crate) use sessions::good_sessions;
pub use sessions::{Ending, Revoked};
pub use shown::ShownToken;
pub use signing_keys::{drop_signing_key, rotate_signing_key};
pub use state::{Config, Service};
pub use steps::{LoggedIn, LoginStep};
