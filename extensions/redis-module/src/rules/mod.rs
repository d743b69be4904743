//! What this host decides without the host: pure functions and types, tested without a server.

pub(crate) mod acl_user;
pub(crate) mod arguments;
pub(crate) mod challenges;
pub(crate) mod client;
pub(crate) mod failure;
pub(crate) mod fair;
pub(crate) mod key_name;
pub(crate) mod mapping;
pub(crate) mod pending;
pub(crate) mod reply;
pub(crate) mod sessions;
