//! The vector files as types. Fields that a file of another maker may leave out are optional, and
//! fields that we do not know are passed over.

use serde::{Deserialize, Serialize};

/// Why a file could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not JSON, or a field is missing or of another type.
    #[error("not a vector file: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Its `suite` is none that we know.
    #[error(
        "unknown suite {0:?}; it must be {sigma}, {challenge}, {client_id} or {recovery}",
        sigma = SigmaFile::SUITE,
        challenge = ChallengeFile::SUITE,
        client_id = ClientIdFile::SUITE,
        recovery = RecoveryFile::SUITE
    )]
    UnknownSuite(String),
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

/// One proof. All bytes are in hex.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SigmaCase {
    /// Unique within the file.
    pub name: String,
    /// Of a refused case: what is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of a refused case: the accepted case that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
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
