//! Servers of one store on machines whose network is cut and mended under load: a server from the store, what keeps the
//! store from its replica, and from everybody.
//!
//! Each machine is a network namespace with two legs: clients come in on one, and the store is behind the other.
//! `tests/stores/cuts` gives these tests a network of their own, which ends with them.

mod net;
mod postgres;
mod redis;
mod scene;
