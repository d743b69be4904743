//! Values of the knowledge factor, whose crate compares them itself.

use twofapi_knowledge_core::vectors::{Must, VectorFile};

use super::{Report, names_are_unique};
use crate::FileError;

pub(super) fn run(file: &VectorFile, report: &mut Report) -> Result<(), FileError> {
    names_are_unique(file.cases.iter().map(|case| &case.name))?;
    for case in &file.cases {
        match (case.check(), case.must()) {
            (Ok(()), Must::Agree) => report.accepted += 1,
            (Ok(()), Must::BeRefused) => report.rejected += 1,
            (Err(why), _) => report.disagree(&case.name, why),
        }
    }
    Ok(())
}
