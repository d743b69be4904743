//! redis-2fapi beside Redis itself, in one run: what issuing and verifying cost, what verifying does to others,
//! and what a client, a spent challenge and a session take of memory.

fn main() {}
