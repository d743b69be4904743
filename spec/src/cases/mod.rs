//! The vector files as types. Fields that a file of another maker may leave out are optional, and
//! fields that we do not know are passed over.

mod linking;
mod scripts;
mod tokens;
mod vrf;

use serde::{Deserialize, Serialize};
#[cfg(feature = "knowledge")]
use twofapi_knowledge_core::vectors as knowledge;

pub use linking::{
    BlindingCase, BlindingFile, CredentialIdCase, LinkCodeCase, LinkNumberCase, LinkProofCase,
    LinkProofFile, LinkingFile, NoLinkCode, RecoveryOrder,
};
pub use scripts::{
    CeremonyFile, CeremonyScript, CeremonyStep, HostTerms, IssuedChallenge, ListedCredential,
    NumberedRoot, PendingCase, SpentFile, SpentScript, SpentStep,
};
pub use tokens::{SigningKeyCase, TokenCase, TokenFile};
pub use vrf::{VrfCase, VrfFile};

/// Every kind of file.
const SUITES: &[&str] = &[
    SigmaFile::SUITE,
    ChallengeFile::SUITE,
    ClientIdFile::SUITE,
    RecoveryFile::SUITE,
    BindingFile::SUITE,
    LinkingFile::SUITE,
    BlindingFile::SUITE,
    LinkProofFile::SUITE,
    SpentFile::SUITE,
    CeremonyFile::SUITE,
    TokenFile::SUITE,
    #[cfg(feature = "chain-vrf")]
    VrfFile::SUITE,
    #[cfg(feature = "knowledge")]
    knowledge::SUITE,
];

/// Why a file could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not JSON, or a field is missing or of another type.
    #[error("not a vector file: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Its `suite` is none that we know.
    #[error("unknown suite {0:?}; it must be one of {suites}", suites = SUITES.join(", "))]
    UnknownSuite(String),
    /// A part of us that knows its `suite` was left out of the build.
    #[error("{0} needs a build with the feature `chain`")]
    NeedsChain(String),
    /// Two cases have one name.
    #[error("not a vector file: two cases are named {0:?}")]
    NamedTwice(String),
    /// It was made for other constants than the suite's.
    #[error("{what} must be {expected} in this suite")]
    OtherConstants {
        /// Which constant.
        what: &'static str,
        /// What the suite says.
        expected: String,
    },
}

/// A vector file of any kind.
#[derive(Clone, Debug)]
pub enum VectorFile {
    /// Proofs.
    Sigma(SigmaFile),
    /// Challenges.
    Challenge(ChallengeFile),
    /// Client ids.
    ClientId(ClientIdFile),
    /// Recovery phrases.
    Recovery(RecoveryFile),
    /// Audiences and bindings.
    Binding(BindingFile),
    /// Links of credentials.
    Linking(LinkingFile),
    /// Blindings of one phrase at several hosts.
    Blinding(BlindingFile),
    /// Link proofs.
    LinkProof(LinkProofFile),
    /// Spent sets.
    Spent(SpentFile),
    /// Whole hosts.
    Ceremony(CeremonyFile),
    /// Access tokens.
    Token(TokenFile),
    /// Values of the knowledge factor.
    #[cfg(feature = "knowledge")]
    Knowledge(knowledge::VectorFile),
    /// Verifiable random outputs, of the on-chain factor.
    #[cfg(feature = "chain-vrf")]
    Vrf(VrfFile),
}

impl VectorFile {
    /// Reads a file of any kind.
    ///
    /// # Errors
    /// [`FileError`], saying what would be right.
    pub fn parse(json: &str) -> Result<Self, FileError> {
        #[derive(Deserialize)]
        struct Head {
            suite: String,
        }
        let Head { suite } = serde_json::from_str(json)?;
        Ok(match suite.as_str() {
            SigmaFile::SUITE => Self::Sigma(serde_json::from_str(json)?),
            ChallengeFile::SUITE => Self::Challenge(serde_json::from_str(json)?),
            ClientIdFile::SUITE => Self::ClientId(serde_json::from_str(json)?),
            RecoveryFile::SUITE => Self::Recovery(serde_json::from_str(json)?),
            BindingFile::SUITE => Self::Binding(serde_json::from_str(json)?),
            LinkingFile::SUITE => Self::Linking(serde_json::from_str(json)?),
            BlindingFile::SUITE => Self::Blinding(serde_json::from_str(json)?),
            LinkProofFile::SUITE => Self::LinkProof(serde_json::from_str(json)?),
            SpentFile::SUITE => Self::Spent(serde_json::from_str(json)?),
            CeremonyFile::SUITE => Self::Ceremony(serde_json::from_str(json)?),
            TokenFile::SUITE => Self::Token(serde_json::from_str(json)?),
            #[cfg(feature = "knowledge")]
            knowledge::SUITE => Self::Knowledge(serde_json::from_str(json)?),
            #[cfg(feature = "chain-vrf")]
            VrfFile::SUITE => Self::Vrf(serde_json::from_str(json)?),
            "2FApi-v1.0-Chain-Session" | "2FApi-v1.0-Chain-Sigma" => {
                return Err(FileError::NeedsChain(suite));
            }
            _ => return Err(FileError::UnknownSuite(suite)),
        })
    }
}

/// Proofs that must be accepted, and proofs that must be refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SigmaFile {
    /// [`SigmaFile::SUITE`].
    pub suite: String,
    /// The domain of the transcript hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript_dst: Option<String>,
    /// The domain of the derivation of H.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_h_dst: Option<String>,
    /// G and H, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generators: Option<Generators>,
    /// What must be accepted.
    pub accepted: Vec<SigmaCase>,
    /// What must be refused.
    pub rejected: Vec<SigmaCase>,
}

impl SigmaFile {
    /// The kind of file.
    pub const SUITE: &str = "2FApi-v1.0-Sigma";
}

/// The generators of a file, in hex.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(non_snake_case, reason = "the names of the file")]
pub struct Generators {
    /// The base point.
    pub G: String,
    /// The other one.
    pub H: String,
}

/// What a host expects a proof to be for. The peer does not choose it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PurposeName {
    /// Nonce empty, channel binding `enrollment`.
    Enrolment,
    /// Nonce and authentication binding.
    #[default]
    Authentication,
    /// Nonce, and a new commitment before the authentication binding.
    Rotation,
    /// Nonce, and 01 and the commitment to be added before the authentication binding.
    Linking,
    /// Nonce, and 03 and the commitment that is to go before the authentication binding.
    Unlinking,
    /// Nonce, and 05 before the authentication binding.
    Joining,
}

impl PurposeName {
    /// As the files write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enrolment => "enrolment",
            Self::Authentication => "authentication",
            Self::Rotation => "rotation",
            Self::Linking => "linking",
            Self::Unlinking => "unlinking",
            Self::Joining => "joining",
        }
    }
}

/// Why a proof is refused: the first of the steps of protocol.md, section 7, that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The client id breaks its syntax.
    ClientId,
    /// Of a link proof: an audience breaks its syntax.
    Audience,
    /// The nonce does not have the length that the purpose asks for.
    NonceLength,
    /// The channel binding is none of the purpose, or too long.
    Binding,
    /// The commitment or the proof has the wrong size.
    Length,
    /// A commitment or the announcement is not canonical.
    PointEncoding,
    /// A commitment or the announcement is the identity.
    Identity,
    /// A response is not canonical.
    ScalarEncoding,
    /// A response is zero.
    ZeroResponse,
    /// The equation does not hold.
    Equation,
    /// Whichever of these it is.
    Any,
}

impl Reason {
    /// Whether a case that gives this reason agrees with what was found.
    #[must_use]
    pub fn agrees_with(self, found: Self) -> bool {
        self == Self::Any || self == found
    }
}

/// One proof. All bytes are in hex.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SigmaCase {
    /// Unique within the file.
    pub name: String,
    /// What the host expects the proof to be for.
    pub purpose: PurposeName,
    /// Of a refused case: what is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Of a refused case: the accepted case that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// What the case is, where its name does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who proves.
    pub client_id: String,
    /// The nonce.
    pub nonce: String,
    /// The channel binding.
    pub channel_binding: String,
    /// The secret s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The blinding r.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blinding: Option<String>,
    /// The announcement nonce of the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k_s: Option<String>,
    /// The announcement nonce of the blinding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k_r: Option<String>,
    /// The 32 random bytes of hedging, from which the announcement nonces follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<String>,
    /// The commitment C.
    pub commitment: String,
    /// The whole transcript.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// The challenge scalar c.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    /// The proof A ‖ z_s ‖ z_r.
    pub proof: String,
}

/// Challenges that are live, and ids that must be refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChallengeFile {
    /// [`ChallengeFile::SUITE`].
    pub suite: String,
    /// How long a challenge lives, in seconds.
    pub ttl: u32,
    /// What must be live, with its nonce.
    pub live: Vec<ChallengeCase>,
    /// What must be refused.
    pub refused: Vec<ChallengeCase>,
}

impl ChallengeFile {
    /// The kind of file.
    pub const SUITE: &str = "2FApi-v1.0-Challenge";
}

/// One challenge.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChallengeCase {
    /// Unique within the file.
    pub name: String,
    /// The host's key, 32 bytes in hex.
    pub challenge_key: String,
    /// Whose challenge it is.
    pub client_id: String,
    /// Its id.
    pub challenge_id: String,
    /// The host's clock, in Unix seconds.
    pub now: u64,
    /// Of a live one: the nonce, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// Client ids that are well-formed, and texts that are none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientIdFile {
    /// [`ClientIdFile::SUITE`].
    pub suite: String,
    /// Well-formed ones.
    pub valid: Vec<String>,
    /// Texts that must be refused.
    pub invalid: Vec<String>,
}

impl ClientIdFile {
    /// The kind of file.
    pub const SUITE: &str = "2FApi-v1.0-ClientId";
}

/// Recovery phrases with the credentials that they restore, and texts that are none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecoveryFile {
    /// [`RecoveryFile::SUITE`].
    pub suite: String,
    /// The domain of the derivation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_dst: Option<String>,
    /// Phrases, each with its credential.
    pub valid: Vec<RecoveryCase>,
    /// Texts that must be refused.
    pub invalid: Vec<NoPhrase>,
}

impl RecoveryFile {
    /// The kind of file.
    pub const SUITE: &str = "2FApi-v1.0-RecoveryPhrase";
}

/// A phrase and what follows from it. All bytes are in hex.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecoveryCase {
    /// Unique within the file.
    pub name: String,
    /// As somebody typed it.
    pub phrase: String,
    /// The 32 bytes that it holds.
    pub entropy: String,
    /// The secret s.
    pub secret: String,
    /// The blinding r.
    pub blinding: String,
    /// The commitment C.
    pub commitment: String,
}

/// A text that is no recovery phrase.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoPhrase {
    /// Unique within the file.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
    /// The text.
    pub phrase: String,
}

/// What a host is called, and what its proofs are bound to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BindingFile {
    /// [`BindingFile::SUITE`].
    pub suite: String,
    /// What each host's authentication binding is.
    pub bindings: Vec<BindingCase>,
    /// Audiences and exporters that there are not.
    pub invalid: Vec<BindingCase>,
    /// Bindings that a caller names, of which a host permits some.
    pub named: Vec<NamedBinding>,
    /// Addresses of HTTP hosts, with the audience that each has.
    pub origins: Vec<OriginCase>,
    /// Addresses that name no HTTP host.
    pub no_origins: Vec<OriginCase>,
}

impl BindingFile {
    /// The kind of file.
    pub const SUITE: &str = "2FApi-v1.0-Binding";
}

/// A host's audience, an exporter that it agreed on, and the binding that follows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BindingCase {
    /// Unique within the file.
    pub name: String,
    /// Without one the host is bound to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// `tls-exporter`, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exporter: Option<String>,
    /// The public key, as a JWK, that the token of the login is to be bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk: Option<serde_json::Value>,
    /// Its thumbprint, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<String>,
    /// The authentication binding, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<String>,
    /// Of an invalid one: the code of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A binding that a caller names at a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NamedBinding {
    /// Unique within the file.
    pub name: String,
    /// The host's audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// What the caller names, in hex.
    pub binding: String,
    /// Whether a good proof that is bound to it is accepted.
    pub permitted: bool,
}

/// The address of an HTTP host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OriginCase {
    /// As a user or a configuration gives it.
    pub address: String,
    /// The audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}
