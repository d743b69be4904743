//! Stores of each kind are moved to each other, restored and put in order, on the servers that `TWOFAPI_PG_CONFIG` and
//! `TWOFAPI_REDIS_SERVER` name.

mod pairs;
mod place;
#[allow(dead_code, reason = "not all of it is for these tests")]
#[path = "../postgres/place.rs"]
mod postgres_place;
#[allow(dead_code, reason = "not all of it is for these tests")]
#[path = "../redis/place.rs"]
mod redis_place;
mod restored;
mod under_load;
