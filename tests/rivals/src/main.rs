//! One login, by ways that are honest and at their best: what it costs the server in CPU time beside ours, in turns of one
//! run.
//!
//! All are measured alike: what is decoded from a request is there, HTTP and JSON of requests are left out on both
//! sides, clients are a thousand in memory, and a login ends with the same access token under the same key. What clients
//! do is done before. Ours is the service on its embedded store in memory, challenge and verification.

mod chart;
mod host;
mod ways;

use std::{fs, time::Duration};

use rustix::time::{ClockId, clock_gettime};

use twofapi_tests::figures::{Contender, record, take_turns_by, target_directory};

/// An odd number, so that there is a middle one.
const ROUNDS: usize = 51;
const TURN: Duration = Duration::from_millis(8);

const OURS: &str = "2fapi";
const RIVALS: [(&str, &str); 6] = [
    ("argon2", "password, Argon2id"),
    ("opaque", "OPAQUE"),
    ("webauthn", "WebAuthn, ES256"),
    ("scram", "SCRAM-SHA-256"),
    ("pkjwt_ed25519", "private_key_jwt, Ed25519"),
    ("pkjwt_es256", "private_key_jwt, ES256"),
];

/// CPU time of this thread, which does all the work.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

fn main() {
    let host = host::Host::new();
    let mut ours = ways::ours();
    let mut argon2 = ways::argon2();
    let mut opaque = ways::opaque();
    let mut webauthn = ways::webauthn();
    let mut scram = ways::scram();
    let mut ed25519 = ways::private_key_jwt(ways::Signed::Ed25519);
    let mut es256 = ways::private_key_jwt(ways::Signed::Es256);
    let mut contenders = [
        Contender::new(OURS, || ours.log_in()),
        Contender::new(RIVALS[0].1, || argon2(&host)),
        Contender::new(RIVALS[1].1, || opaque(&host)),
        Contender::new(RIVALS[2].1, || webauthn(&host)),
        Contender::new(RIVALS[3].1, || scram(&host)),
        Contender::new(RIVALS[4].1, || ed25519(&host)),
        Contender::new(RIVALS[5].1, || es256(&host)),
    ];
    let rounds = take_turns_by(&spent, &mut contenders, ROUNDS, TURN);
    println!(
        "CPU time of a login at the server, without HTTP\n{}",
        rounds.table(OURS)
    );
    let figures: Vec<_> = RIVALS
        .iter()
        .map(|(name, words)| {
            let figure = format!("server.cpu_{name}_login_vs_ours");
            (figure, rounds.ratio(words, OURS))
        })
        .collect();
    let figures: Vec<_> = figures
        .iter()
        .map(|(name, figure)| (name.as_str(), *figure))
        .collect();
    record(&figures).expect("target/bench.json");
    let mut bars: Vec<_> = RIVALS
        .iter()
        .map(|(_, words)| (*words, rounds.nanoseconds(words) / 1000.0))
        .collect();
    bars.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    bars.insert(0, (OURS, rounds.nanoseconds(OURS) / 1000.0));
    let below = format!(
        "One run on {}; medians of {ROUNDS} turns. HTTP is left out.",
        chart::processor()
    );
    let svg = chart::chart("CPU time of one login at the server", &below, &bars);
    let path = target_directory().join("login-cpu.svg");
    fs::write(&path, svg).expect("the chart");
    println!("{}", path.display());
}
