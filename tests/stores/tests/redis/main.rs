//! The store in Redis, on the server that `TWOFAPI_REDIS_SERVER` names: it passes the battery, and does what only it does.

mod access;
mod battery;
mod cluster;
mod losses;
mod opening;
mod place;
mod processes;
mod replicas;
mod sentinel;
