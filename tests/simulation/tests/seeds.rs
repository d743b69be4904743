//! With no fault every seed passes; each fault that is put back is found; a seed gives the same run again.

use std::time::{Duration, Instant};

use twofapi_tests_simulation::{FAILURES, Fault, Summary, run};

/// How many seeds pass, and within how many a fault is found. Both are fixed, so that a run of the tests is the
/// same everywhere.
const PASS: u64 = 60;
const FOUND_WITHIN: u64 = 100;

fn asked_for(what: &str) -> Option<u64> {
    let text = std::env::var(what).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn every_seed_passes() {
    let asked_for = asked_for("SEED");
    let seeds = match asked_for {
        Some(seed) => seed..seed + 1,
        None => 0..PASS,
    };
    let mut all = Summary::default();
    for seed in seeds {
        match run(seed, None) {
            Ok(summary) => {
                all.events += summary.events;
                all.logins_in_the_storm += summary.logins_in_the_storm;
                all.logins += summary.logins;
                all.changes += summary.changes;
                all.honoured += summary.honoured;
                all.ends += summary.ends;
                for (kind, times) in summary.failures {
                    *all.failures.entry(kind).or_default() += times;
                }
            }
            Err(broken) => panic!("{broken}"),
        }
    }
    // A world in which nothing happens shows nothing.
    assert!(
        all.logins > 0 && all.changes > 0 && all.honoured > 0 && all.ends > 0,
        "{all:?}"
    );
    for kind in FAILURES {
        let has_come = all.failures.contains_key(kind) || asked_for.is_some();
        assert!(has_come, "this never came: {kind}");
    }
    println!("{all:#?}");
}

/// Sees that a fault is found, as something that says one of these.
fn is_found(fault: Fault, as_: &[&str]) {
    let broken = (0..FOUND_WITHIN).find_map(|seed| run(seed, Some(fault)).err());
    let broken = broken.expect("the fault is found");
    println!("{fault:?}: SEED={}: {}", broken.seed, broken.what);
    assert!(as_.iter().any(|as_| broken.what.contains(as_)), "{broken}");
}

#[test]
fn a_key_that_outlives_its_spent_set_is_found() {
    is_found(
        Fault::KeyOutlivesItsSet,
        &["accepted twice", "is listed again"],
    );
}

#[test]
fn a_set_without_a_mark_is_found() {
    is_found(Fault::NoMark, &["accepted twice"]);
}

#[test]
fn liveness_that_is_decided_before_the_step_is_found() {
    is_found(Fault::LivenessBeforeTheStep, &["accepted twice"]);
}

#[test]
fn a_step_that_does_not_look_at_the_record_is_found() {
    is_found(
        Fault::StepIgnoresTheRecord,
        &[
            "accepted although it",
            "for a record that is gone",
            "by a credential that is gone",
        ],
    );
}

#[test]
fn a_revocation_that_a_cache_hides_is_found() {
    is_found(Fault::CacheHidesARevocation, &["was honoured"]);
}

#[test]
fn a_change_that_is_acknowledged_too_early_is_found() {
    is_found(
        Fault::AcknowledgedTooEarly,
        &["has lost an acknowledged change"],
    );
}

#[test]
fn a_replica_that_keeps_a_stale_epoch_is_found() {
    is_found(Fault::StaleEpochIsKept, &["is locked out"]);
}

#[test]
fn a_session_that_outlives_its_set_is_found() {
    is_found(Fault::SessionsOutliveTheirSet, &["is listed again"]);
}

#[test]
fn a_token_that_ignores_its_session_is_found() {
    is_found(Fault::TokenIgnoresItsSession, &["whose session was ended"]);
}

#[test]
fn a_seed_gives_the_same_run_again() {
    for seed in [3, 4] {
        assert_eq!(run(seed, None).unwrap(), run(seed, None).unwrap());
    }
    let once = run(1, Some(Fault::StepIgnoresTheRecord));
    let again = run(1, Some(Fault::StepIgnoresTheRecord));
    assert_eq!(format!("{once:?}"), format!("{again:?}"));
}

/// Seeds for as many seconds as `SOAK_SECONDS` says, from `SOAK_FROM` on.
#[test]
#[ignore = "it takes as long as it is told; see `make soak-simulation`"]
fn soak() {
    let seconds = asked_for("SOAK_SECONDS").unwrap_or(60);
    let first = asked_for("SOAK_FROM").unwrap_or(1_000_000);
    let begun = Instant::now();
    let mut seeds = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        if let Err(broken) = run(first + seeds, None) {
            panic!("{broken}");
        }
        seeds += 1;
    }
    let per_hour = seeds as f64 * 3600.0 / begun.elapsed().as_secs_f64();
    println!("{seeds} seeds from {first} on passed, {per_hour:.0} an hour");
}
