//! Makes the vector files that are ours: seeded, so that every run gives the same bytes.
//!
//! Each refused case is made from an accepted one, which it names, by one change. Where a check other
//! than the equation has to refuse it, the equation is made to hold, so that the case cannot pass for
//! the wrong reason.

mod binding;
mod blinding;
mod ceremony;
mod challenge;
mod client_ids;
mod link_proof;
mod linking;
mod recovery;
mod sigma;
mod spent;
#[cfg(test)]
mod tests;
mod token;

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use serde::Serialize;
use sha2::{Digest, Sha512};
use twofapi_crypto_core::curve25519_dalek::Scalar;

/// The generated files, by name.
#[must_use]
pub fn files() -> Vec<(&'static str, String)> {
    vec![
        ("sigma-generated-v1.json", pretty(&sigma::file())),
        ("challenge-generated-v1.json", pretty(&challenge::file())),
        ("challenge-ttl-1-v1.json", pretty(&challenge::of_ttl(1))),
        ("challenge-ttl-900-v1.json", pretty(&challenge::of_ttl(900))),
        ("client-id-v1.json", pretty(&client_ids::file())),
        ("recovery-phrase-v1.json", pretty(&recovery::file())),
        ("binding-v1.json", pretty(&binding::file())),
        ("binding-dpop-v1.json", pretty(&binding::of_keys())),
        ("linking-v1.json", pretty(&linking::file())),
        ("audience-blinding-v1.json", pretty(&blinding::file())),
        ("link-proof-v1.json", pretty(&link_proof::file())),
        ("spent-set-v1.json", pretty(&spent::file())),
        ("ceremony-v1.json", pretty(&ceremony::file())),
        ("ceremony-link-v1.json", pretty(&ceremony::of_links())),
        ("ceremony-skew-v1.json", pretty(&ceremony::of_skew())),
        ("access-token-v1.json", pretty(&token::file())),
        (
            "access-token-credential-v1.json",
            pretty(&token::of_credentials()),
        ),
    ]
}

/// A client id of 128 characters.
const LONGEST: &str = "zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+\
                       zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+";

fn pretty(file: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(file).unwrap_or_default();
    text.push('\n');
    text
}

fn rng(domain: &str) -> ChaCha20Rng {
    let digest: [u8; 64] = Sha512::digest(["2FApi vectors v1: ", domain].concat()).into();
    let mut seed = [0; 32];
    seed.copy_from_slice(&digest[..32]);
    ChaCha20Rng::from_seed(seed)
}

fn scalar(rng: &mut ChaCha20Rng) -> Scalar {
    let mut wide = [0; 64];
    rng.fill_bytes(&mut wide);
    Scalar::from_bytes_mod_order_wide(&wide)
}

fn random<const N: usize>(rng: &mut ChaCha20Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn lp(field: &[u8]) -> Vec<u8> {
    [&(field.len() as u32).to_be_bytes()[..], field].concat()
}
