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
    BindingCase, BindingFile, BlindingCase, BlindingFile, CeremonyFile, CeremonyScript,
    CeremonyStep, ChallengeCase, ChallengeFile, ClientIdFile, CredentialIdCase, FileError,
    HostTerms, IssuedChallenge, LinkCodeCase, LinkNumberCase, LinkProofCase, LinkProofFile,
    LinkingFile, ListedCredential, NamedBinding, NoLinkCode, NoPhrase, NumberedRoot, OriginCase,
    PendingCase, PurposeName, Reason, RecoveryCase, RecoveryFile, RecoveryOrder, SigmaCase,
    SigmaFile, SigningKeyCase, SpentFile, SpentScript, SpentStep, TokenCase, TokenFile, VectorFile,
    VrfCase, VrfFile,
};
pub use check::{Disagreement, Report, check};
pub use constants::{TYPESCRIPT_FILES, typescript};
pub use purpose::Purpose;
