//! Verifies one proof so many times and prints the nanoseconds per time: what bindings of other
//! languages compare themselves with. `verify-loop TIMES CLIENT_ID COMMITMENT NONCE BINDING PROOF`,
//! bytes in hex.

use std::{env, hint::black_box, process::ExitCode, time::Instant};

use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Commitment, Nonce, Proof, verify,
};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match measured(&words) {
        Some(nanoseconds) => {
            println!("{nanoseconds}");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!(
                "verify-loop TIMES CLIENT_ID COMMITMENT NONCE BINDING PROOF, of an accepted proof"
            );
            ExitCode::from(2)
        }
    }
}

/// From bytes to answer, each time.
fn measured(words: &[String]) -> Option<f64> {
    let [times, client_id, rest @ ..] = words else {
        return None;
    };
    let times: u32 = times.parse().ok()?;
    let bytes: Vec<Vec<u8>> = rest
        .iter()
        .map(hex::decode)
        .collect::<Result<_, _>>()
        .ok()?;
    let [commitment, nonce, binding, proof] = &bytes[..] else {
        return None;
    };
    let once = || -> Option<bool> {
        let client_id = &ClientId::parse(black_box(client_id)).ok()?;
        let commitment = Commitment::from_bytes(black_box(commitment)).ok()?;
        let nonce = &Nonce::from_bytes(black_box(nonce)).ok()?;
        let binding = &AuthenticationBinding::from_bytes(black_box(binding)).ok()?;
        let proof = Proof::from_bytes(black_box(proof)).ok()?;
        let statement = Authentication {
            client_id,
            nonce,
            binding,
        };
        Some(verify(&commitment, &statement, &proof).is_ok())
    };
    for _ in 0..200 {
        once().filter(|accepted| *accepted)?;
    }
    let start = Instant::now();
    for _ in 0..times {
        once().filter(|accepted| *accepted)?;
    }
    Some(start.elapsed().as_nanos() as f64 / f64::from(times))
}
