//! Figures for `make bench-knowledge`: processor time of one thread, medians of contenders that take turns
//! in one run.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::{collections::BTreeMap, fs, hint::black_box, path::PathBuf, time::Duration};

use p256::ecdsa::{VerifyingKey, signature::hazmat::PrehashVerifier as _};
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Commitment, Credential, Nonce, Proof, prove,
    verify,
};

use super::{tests::*, *};
use crate::persona::Kind;

const ROUNDS: usize = 15;

/// Milliseconds of this thread's processor time.
fn cost(run: &mut dyn FnMut()) -> f64 {
    use rustix::time::{ClockId, clock_gettime};
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let before = now();
    run();
    (now() - before).as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Our own proof of knowledge of a commitment, as every client of the protocol makes it.
fn sigma() -> impl Fn() {
    let client_id = ClientId::parse("alice").unwrap();
    let nonce = Nonce::from_bytes(&[7; 16]).unwrap();
    let audience = "https://api.example.com".parse().unwrap();
    let binding = AuthenticationBinding::for_audience(&audience);
    let random = &mut getrandom::SysRng;
    let credential = Credential::generate(random).unwrap();
    let statement = Authentication {
        client_id: &client_id,
        nonce: &nonce,
        binding: &binding,
    };
    let proof = prove(&credential, &statement, random).unwrap().to_bytes();
    let commitment = credential.commitment().to_bytes();
    move || {
        let statement = Authentication {
            client_id: &client_id,
            nonce: &nonce,
            binding: &binding,
        };
        let commitment = Commitment::from_bytes(&commitment).unwrap();
        let proof = Proof::from_bytes(&proof).unwrap();
        verify(&commitment, black_box(&statement), &proof).unwrap();
    }
}

#[test]
#[ignore = "measures: make bench-knowledge"]
fn figures_of_a_login() {
    let client = Client::new(3);
    let made = client.signature(&HASH);
    let signature = client.read(&HASH, &made);
    let login = client.login(Kind::Human, HASH, &signature, &client.answers);
    let statement = login.statement();
    let public = statement.circuit_values();
    let (prover, verifier) = (prover(Kind::Human), verifier(Kind::Human));
    let proof = prover.prove(&login).unwrap();
    let key: &VerifyingKey = client.signing.verifying_key();
    let sigma = sigma();

    type Contender<'a> = (&'static str, Box<dyn FnMut() + 'a>);
    let mut contenders: [Contender<'_>; 6] = [
        (
            "prove",
            Box::new(|| drop(black_box(prover.prove(&login).unwrap()))),
        ),
        (
            "verify",
            Box::new(|| verifier.verify(&statement, black_box(&proof)).unwrap()),
        ),
        (
            "library",
            Box::new(|| {
                let verified = on_this_thread(|| verifier.verify_with_library(&public, &proof));
                assert_eq!(verified, Ok(Ok(())));
            }),
        ),
        (
            "own",
            Box::new(|| {
                let verified = on_this_thread(|| verifier.own.verify(&public, &proof));
                assert_eq!(verified, Ok(Ok(())));
            }),
        ),
        (
            "ecdsa",
            Box::new(|| key.verify_prehash(black_box(&HASH), &made).unwrap()),
        ),
        ("sigma", Box::new(sigma)),
    ];
    let mut costs: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (name, run) in &mut contenders {
            costs.entry(name).or_default().push(cost(run));
        }
    }
    let ms = |name: &str| median(costs[name].clone());
    let ratio = |one: &str, other: &str| {
        let pairs = costs[one].iter().zip(&costs[other]);
        median(pairs.map(|(one, other)| one / other).collect())
    };
    let figures = [
        ("knowledge.prove_native_ms", ms("prove")),
        ("knowledge.verify_ms", ms("verify")),
        ("knowledge.own_verifier_vs_crate", ratio("own", "library")),
        ("knowledge.verify_vs_ecdsa_p256", ratio("verify", "ecdsa")),
        ("knowledge.verify_vs_sigma", ratio("verify", "sigma")),
        ("knowledge.proof_bytes", proof.len() as f64),
    ];
    record(&figures);
}

/// Adds figures to those of the other benchmarks.
fn record(figures: &[(&str, f64)]) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root, PathBuf::from);
    let path = target.join("bench.json");
    let mut all: serde_json::Map<String, serde_json::Value> = fs::read_to_string(&path)
        .map(|text| serde_json::from_str(&text).unwrap())
        .unwrap_or_default();
    for (name, figure) in figures {
        println!("{name:36} {figure:10.3}");
        all.insert(
            (*name).to_owned(),
            ((figure * 1000.0).round() / 1000.0).into(),
        );
    }
    fs::write(path, serde_json::to_string_pretty(&all).unwrap() + "\n").unwrap();
}
