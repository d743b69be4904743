//! The HTTP service of 2FApi: a router that other services can mount, and what stands behind it.

#[cfg(feature = "cli")]
pub mod cli;
