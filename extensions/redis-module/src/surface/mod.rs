//! The commands `2FAPI.*`: parse, call, answer.

pub(crate) mod auth;
mod authenticate;
pub(crate) mod common;
mod enrol;
mod lifecycle;
mod link;
mod operate;
mod record;
mod replay;
mod session;
pub(crate) mod status;
pub(crate) mod table;
