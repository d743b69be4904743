//! What this host keeps: clients as keys of the server, challenges in memory of its own.

pub(crate) mod challenges;
pub(crate) mod clients;
pub(crate) mod step;
