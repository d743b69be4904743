//! Scripts for spent sets. What each step answers is written by hand, from protocol.md, section 9.

use crate::cases::{SpentFile, SpentScript, SpentStep};

const NOW: u64 = 1_795_000_000;
const AHEAD: u32 = 1_795_000_100;
const FIRST: &str = "00000000000000000000000000000001";
const SECOND: &str = "00000000000000000000000000000002";

fn at(now: u64, clock: u64) -> SpentStep {
    SpentStep::At {
        now,
        draws: None,
        epoch: FIRST.into(),
        clock,
    }
}

/// The challenge of which `key` is the first byte of the spent key.
fn accept(now: u64, key: u8, expires_at: u32, epoch: &str, answer: &str) -> SpentStep {
    of_client(now, key, "alice", expires_at, epoch, answer, None)
}

fn of_client(
    now: u64,
    key: u8,
    client: &str,
    expires_at: u32,
    epoch: &str,
    answer: &str,
    retry_after: Option<u32>,
) -> SpentStep {
    let mut bytes = [0x5a; 16];
    bytes[0] = key;
    SpentStep::Accept {
        now,
        key: hex::encode(bytes),
        client: client.into(),
        expires_at,
        epoch: epoch.into(),
        answer: answer.into(),
        retry_after,
    }
}

fn fill(client: &str, first: u64, count: u32, expires_at: u32) -> SpentStep {
    SpentStep::Fill {
        now: NOW,
        client: client.into(),
        first,
        count,
        expires_at,
        epoch: FIRST.into(),
    }
}

fn full(now: u64, client: &str, retry_after: u32) -> SpentStep {
    let key = client.as_bytes()[0];
    of_client(now, key, client, AHEAD, FIRST, "full", Some(retry_after))
}

pub(super) fn file() -> SpentFile {
    let script = |name: &str, capacity, steps: Vec<SpentStep>| SpentScript {
        name: name.into(),
        capacity,
        epoch: FIRST.into(),
        steps,
    };
    let last = u64::from(AHEAD) - 1;
    SpentFile {
        suite: SpentFile::SUITE.into(),
        scripts: vec![
            script(
                "a-challenge-is-accepted-once",
                100,
                vec![
                    accept(NOW, 1, AHEAD, FIRST, "done"),
                    accept(NOW, 1, AHEAD, FIRST, "spent"),
                    accept(NOW, 2, AHEAD, FIRST, "done"),
                    accept(last, 1, AHEAD, FIRST, "spent"),
                    accept(last + 1, 1, AHEAD, FIRST, "expired"),
                    accept(last + 1, 3, AHEAD, FIRST, "expired"),
                    accept(last + 1, 3, AHEAD + 1, FIRST, "done"),
                ],
            ),
            script(
                "of-another-epoch-nothing-is-accepted",
                100,
                vec![
                    accept(NOW, 1, AHEAD, SECOND, "stale_epoch"),
                    accept(NOW, 1, AHEAD, FIRST, "done"),
                    // Expired or spent, it is of another epoch first of all.
                    accept(NOW, 1, AHEAD, SECOND, "stale_epoch"),
                    accept(last + 1, 2, AHEAD, SECOND, "stale_epoch"),
                ],
            ),
            script(
                "the-mark-counts-while-the-clock-is-behind-it",
                100,
                vec![
                    at(NOW, NOW),
                    at(NOW - 1, NOW),
                    at(NOW - 60, NOW),
                    accept(NOW - 60, 1, NOW as u32, FIRST, "expired"),
                    accept(NOW - 60, 1, NOW as u32 + 1, FIRST, "done"),
                    accept(NOW + 50, 2, AHEAD, FIRST, "done"),
                    accept(NOW, 3, NOW as u32 + 50, FIRST, "expired"),
                    at(NOW, NOW + 50),
                ],
            ),
            script(
                "a-clock-that-was-set-back-begins-another-epoch",
                100,
                vec![
                    accept(NOW, 1, AHEAD, FIRST, "done"),
                    // Until the set has been asked for its epoch, nothing of the old one is accepted.
                    accept(NOW - 61, 2, AHEAD, FIRST, "stale_epoch"),
                    SpentStep::At {
                        now: NOW - 61,
                        draws: Some(SECOND.into()),
                        epoch: SECOND.into(),
                        clock: NOW - 61,
                    },
                    accept(NOW - 61, 1, AHEAD, FIRST, "stale_epoch"),
                    accept(NOW - 61, 1, NOW as u32, SECOND, "done"),
                    accept(NOW - 61, 1, NOW as u32, SECOND, "spent"),
                ],
            ),
            script(
                "a-clock-beyond-2106-and-back",
                100,
                vec![
                    accept(u64::from(u32::MAX) - 1, 1, u32::MAX, FIRST, "done"),
                    accept(u64::from(u32::MAX), 2, u32::MAX, FIRST, "expired"),
                    accept(1 << 32, 2, u32::MAX, FIRST, "expired"),
                    at(1 << 32, 1 << 32),
                    SpentStep::At {
                        now: NOW,
                        draws: Some(SECOND.into()),
                        epoch: SECOND.into(),
                        clock: NOW,
                    },
                    accept(NOW, 1, AHEAD, SECOND, "done"),
                ],
            ),
            script(
                "a-full-set-forgets-nothing-and-recovers",
                40,
                vec![
                    // A client's share counts once half of the places are taken: 64 into 40 goes less
                    // than 16 times, so that it is 16.
                    fill("a", 0, 20, AHEAD - 40),
                    full(NOW, "a", 60),
                    fill("b", 100, 16, AHEAD),
                    full(NOW, "b", 60),
                    fill("c", 200, 4, AHEAD),
                    full(NOW, "d", 60),
                    full(NOW + 59, "d", 1),
                    of_client(NOW + 60, b'd', "d", AHEAD, FIRST, "done", None),
                    of_client(NOW + 60, b'b', "b", AHEAD, FIRST, "full", Some(40)),
                    of_client(NOW + 60, b'a', "a", AHEAD, FIRST, "done", None),
                    of_client(NOW + 60, b'd', "d", AHEAD, FIRST, "spent", None),
                ],
            ),
            script(
                "a-client-has-a-64th",
                2048,
                vec![
                    fill("a", 0, 1024, AHEAD),
                    full(NOW, "a", 100),
                    fill("b", 10_000, 32, AHEAD),
                    full(NOW, "b", 100),
                    fill("c", 20_000, 31, AHEAD),
                    of_client(NOW, b'c', "c", AHEAD, FIRST, "done", None),
                    full_again(NOW, "c", 100),
                ],
            ),
        ],
    }
}

/// Of a client one of whose challenges is spent under the key that [`full`] takes.
fn full_again(now: u64, client: &str, retry_after: u32) -> SpentStep {
    of_client(now, b'?', client, AHEAD, FIRST, "full", Some(retry_after))
}
