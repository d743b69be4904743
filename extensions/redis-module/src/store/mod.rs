//! What this host keeps: clients as keys of the server, challenges and pending links in memory of its own.

pub(crate) mod challenges;
pub(crate) mod clients;
pub(crate) mod pending;
pub(crate) mod step;
