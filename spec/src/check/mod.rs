//! Runs a vector file against `crypto-core`: one file for each kind of vector file.

mod binding;
mod blinding;
mod ceremony;
mod challenge;
mod given;
#[cfg(feature = "knowledge")]
mod knowledge;
mod link_proof;
mod linking;
mod recovery;
mod sigma;
mod spent;
#[cfg(test)]
mod tests;
mod token;
#[cfg(feature = "chain-vrf")]
mod vrf;

use std::{collections::HashSet, fmt};

use twofapi_crypto_core::ClientId;

use crate::cases::{ClientIdFile, FileError, Reason, VectorFile};

/// A case that did not come out as the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The case.
    pub name: String,
    /// What the file says and what came out.
    pub what: String,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.what)
    }
}

/// How a file came out. Displays as `accepted N, rejected N, disagree N`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Cases that must be accepted, and were.
    pub accepted: usize,
    /// Cases that must be refused, and were, for the reason that the file gives.
    pub rejected: usize,
    /// All others.
    pub disagreements: Vec<Disagreement>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted {}, rejected {}, disagree {}",
            self.accepted,
            self.rejected,
            self.disagreements.len()
        )
    }
}

/// Runs a vector file of any kind. A case that must be accepted has to agree in every value that
/// the file gives; one that must be refused has to be refused for the reason that the file gives.
///
/// # Errors
/// [`FileError`] for what is no vector file of ours.
pub fn check(json: &str) -> Result<Report, FileError> {
    #[cfg(feature = "chain")]
    if let Some(report) = twofapi_chain::vectors::check(json)? {
        let named = report.disagreements.into_iter();
        return Ok(Report {
            accepted: report.accepted,
            rejected: report.rejected,
            disagreements: named
                .map(|(name, what)| Disagreement { name, what })
                .collect(),
        });
    }
    let mut report = Report::default();
    match VectorFile::parse(json)? {
        VectorFile::Sigma(file) => sigma::run(&file, &mut report)?,
        VectorFile::Challenge(file) => challenge::run(&file, &mut report)?,
        VectorFile::ClientId(ClientIdFile { valid, invalid, .. }) => {
            let parse = |text: &str| ClientId::parse(text).map(drop).map_err(refusal);
            for text in &valid {
                report.must_be_accepted(&shortened(text), parse(text));
            }
            for text in &invalid {
                report.must_be_refused(&shortened(text), parse(text));
            }
        }
        VectorFile::Recovery(file) => recovery::run(&file, &mut report)?,
        VectorFile::Binding(file) => binding::run(&file, &mut report)?,
        VectorFile::Linking(file) => linking::run(&file, &mut report)?,
        VectorFile::Blinding(file) => blinding::run(&file, &mut report)?,
        VectorFile::LinkProof(file) => link_proof::run(&file, &mut report)?,
        VectorFile::Spent(file) => spent::run(&file, &mut report)?,
        VectorFile::Ceremony(file) => ceremony::run(&file, &mut report)?,
        VectorFile::Token(file) => token::run(&file, &mut report)?,
        #[cfg(feature = "knowledge")]
        VectorFile::Knowledge(file) => knowledge::run(&file, &mut report)?,
        #[cfg(feature = "chain-vrf")]
        VectorFile::Vrf(file) => vrf::run(&file, &mut report)?,
    }
    Ok(report)
}

impl Report {
    fn must_be_accepted(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.accepted += 1,
            Err(why) => self.disagree(name, format!("must be accepted, but {why}")),
        }
    }

    fn must_be_refused(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Err(_) => self.rejected += 1,
            Ok(()) => self.disagree(name, "must be refused, but was accepted".into()),
        }
    }

    /// For the reason that the file gives. What cannot be judged at all disagrees.
    fn must_be_refused_for(
        &mut self,
        name: &str,
        expected: Option<Reason>,
        outcome: Result<Result<(), Reason>, String>,
    ) {
        let refused = || {
            let expected = expected.ok_or("it gives no reason")?;
            match outcome? {
                Ok(()) => Err("must be refused, but was accepted".into()),
                Err(found) if expected.agrees_with(found) => Ok(()),
                Err(found) => Err(format!(
                    "must be refused for {}, but is for {}",
                    in_the_file(expected),
                    in_the_file(found)
                )),
            }
        };
        match refused() {
            Ok(()) => self.rejected += 1,
            Err(what) => self.disagree(name, what),
        }
    }

    fn disagree(&mut self, name: &str, what: String) {
        self.disagreements.push(Disagreement {
            name: name.to_owned(),
            what,
        });
    }
}

/// Two cases of one name could not be told apart in a report.
fn names_are_unique<'a>(names: impl IntoIterator<Item = &'a String>) -> Result<(), FileError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(FileError::NamedTwice(shortened(name)));
        }
    }
    Ok(())
}

/// Such a case has no name but itself, which may be long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(140) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

fn in_the_file(reason: Reason) -> String {
    serde_json::to_string(&reason).unwrap_or_default()
}

fn refusal(error: impl fmt::Display) -> String {
    format!("it is refused: {error}")
}

fn bytes(what: &str, digits: &str) -> Result<Vec<u8>, String> {
    hex::decode(digits).map_err(|error| format!("{what} is not hex: {error}"))
}

fn array<const N: usize>(what: &str, digits: &str) -> Result<[u8; N], String> {
    <[u8; N]>::try_from(bytes(what, digits)?)
        .map_err(|bytes| format!("{what} must be {N} bytes, got {}", bytes.len()))
}

fn agree(what: &str, theirs: Option<&str>, ours: &[u8]) -> Result<(), String> {
    match theirs {
        Some(theirs) if bytes(what, theirs)? != ours => Err(format!(
            "its {what} is another; ours is {}",
            hex::encode(ours)
        )),
        _ => Ok(()),
    }
}
