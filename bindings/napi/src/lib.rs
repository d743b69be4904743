//! The native part of `@2fapi/crypto-napi`: the core's functions with flat arguments. The TypeScript
//! in `ts/` checks what JavaScript programs hand over and gives the functions their public shape.
//!
//! Bytes come in as views of JavaScript's memory and are parsed before any JavaScript can run again.
//! What is parsed of a secret lives in a [`Credential`](twofapi_crypto_core::Credential), which is
//! zeroized on drop, also when it travels to the thread pool.

#![allow(
    unreachable_pub,
    reason = "the macro exports what is public to JavaScript"
)]
#![cfg_attr(
    test,
    allow(
        dead_code,
        reason = "the macro exports nothing in tests, which are without Node"
    )
)]

mod attempt;
mod challenge;
mod error;
mod join;
mod link_proof;
mod low_level;
mod prove;
mod record;
mod spent;
mod statement;
mod task;
mod terms;
mod verify;
