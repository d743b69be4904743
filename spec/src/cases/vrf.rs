//! Files of the verifiable random function that session ids of the on-chain factor come from.

use serde::{Deserialize, Serialize};

/// Proofs that must be accepted, and proofs that must be refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VrfFile {
    /// [`VrfFile::SUITE`].
    pub suite: String,
    /// What must be accepted.
    pub accepted: Vec<VrfCase>,
    /// What must be refused.
    pub rejected: Vec<VrfCase>,
}

impl VrfFile {
    /// The kind of file.
    pub const SUITE: &str = "2FApi-v1.0-Chain-VRF";
}

/// One proof. All bytes are in hex.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VrfCase {
    /// Unique within the file.
    pub name: String,
    /// Of a refused case: what is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The secret key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The public key.
    pub public: String,
    /// The input.
    pub alpha: String,
    /// The proof.
    pub proof: String,
    /// The output, of an accepted case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}
