//! What others build on the service with: proxies that ask it before they pass a request on, run with the very files of
//! `docs/protect`, and libraries that find its keys by its discovery document. Needs what `bindings/server-js/scripts/test`
//! installs, and is run by it.

mod application;
mod libraries;
mod proxies;
mod raw;
mod scene;
