//! The vector files of the factor beside the VRF's, which `twofapi-spec` runs: whole sessions and Sigma proofs.
//! The generator is seeded; a test makes the files again and compares bytes.

mod session;
mod sigma;

use serde::Deserialize;

pub use session::{Session, SessionFile, sessions};
pub use sigma::{SigmaCase, SigmaFile, sigma_proofs};

/// How a file came out: cases that are as it says, and what is wrong with the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Accepted cases that were accepted, value by value.
    pub accepted: usize,
    /// Rejected cases that were refused.
    pub rejected: usize,
    /// The name of each other case, and what came of it.
    pub disagreements: Vec<(String, String)>,
}

/// Runs a file of either kind; `None` if its suite is neither.
///
/// # Errors
/// What is wrong with the file as a whole.
pub fn check(json: &str) -> Result<Option<Report>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Head {
        suite: String,
    }
    let Head { suite } = serde_json::from_str(json)?;
    Ok(match &*suite {
        SessionFile::SUITE => Some(serde_json::from_str::<SessionFile>(json)?.check()),
        SigmaFile::SUITE => Some(serde_json::from_str::<SigmaFile>(json)?.check()),
        _ => None,
    })
}

impl Report {
    fn must_hold(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.accepted += 1,
            Err(why) => self.disagreements.push((name.to_owned(), why)),
        }
    }

    fn must_be_refused(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Err(_) => self.rejected += 1,
            Ok(()) => self
                .disagreements
                .push((name.to_owned(), "must be refused, but was accepted".into())),
        }
    }
}

/// Reads digits of exactly so many bytes.
fn exactly<const N: usize>(what: &str, digits: &str) -> Result<[u8; N], String> {
    let bytes = hex::decode(digits).map_err(|error| format!("{what}: {error}"))?;
    bytes
        .try_into()
        .map_err(|bytes: Vec<u8>| format!("{what} must be {N} bytes, got {}", bytes.len()))
}

fn agree(what: &str, theirs: &str, ours: &[u8]) -> Result<(), String> {
    let ours = hex::encode(ours);
    if theirs.eq_ignore_ascii_case(&ours) {
        Ok(())
    } else {
        Err(format!("its {what} is another; ours is {ours}"))
    }
}
