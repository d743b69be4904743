//! The contract every host obeys: vector files, their generator and their runner.
//!
//! A vector file names its kind in `suite`. [`check`] runs any of them against `crypto-core`;
//! [`VectorFile`] hands the cases to hosts that run them through their own surface.

mod cases;
mod check;
mod constants;
pub mod generate;
mod purpose;

pub use cases::{
    BindingCase, BindingFile, CeremonyFile, CeremonyScript, CeremonyStep, ChallengeCase,
    ChallengeFile, ClientIdFile, FileError, HostTerms, IssuedChallenge, NamedBinding, NoPhrase,
    NumberedRoot, OriginCase, PurposeName, Reason, RecoveryCase, RecoveryFile, SigmaCase,
    SigmaFile, SigningKeyCase, SpentFile, SpentScript, SpentStep, TokenCase, TokenFile, VectorFile,
    VrfCase, VrfFile,
};
pub use check::{Disagreement, Report, check};
pub use constants::{TYPESCRIPT_FILES, typescript};
pub use purpose::Purpose;
