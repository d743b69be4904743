//! The configuration that is shipped.
