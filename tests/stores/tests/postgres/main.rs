//! The store in PostgreSQL, on the server that `TWOFAPI_PG_CONFIG` names: it passes the battery, and does what only it
//! does. `scripts/with-postgres` lends a server.

mod battery;
mod opening;
mod place;
mod pool;
mod processes;
mod replicas;
mod standby;
