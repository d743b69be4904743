//! Links of credentials: their proofs, ids, numbers, codes and names; and blindings and link proofs of one
//! recovery phrase at several hosts. All bytes are in hex.

use serde::{Deserialize, Serialize};

use super::{Reason, SigmaCase};

/// What two devices and a host have to agree on to link and unlink credentials.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkingFile {
    /// [`LinkingFile::SUITE`].
    pub suite: String,
    /// Proofs that must be accepted, of every purpose.
    pub accepted: Vec<SigmaCase>,
    /// Proofs that must be refused.
    pub rejected: Vec<SigmaCase>,
    /// What credentials are called in requests and tokens.
    pub credential_ids: Vec<CredentialIdCase>,
    /// Texts that are no credential id.
    pub no_credential_ids: Vec<String>,
    /// What the second device shows and the user of the first one types.
    pub link_numbers: Vec<LinkNumberCase>,
    /// What the first device shows.
    pub link_codes: Vec<LinkCodeCase>,
    /// Texts that are no link code.
    pub no_link_codes: Vec<NoLinkCode>,
    /// What credentials may be called by their owners.
    pub credential_names: Vec<String>,
    /// Texts that are no name of a credential.
    pub no_credential_names: Vec<String>,
}

impl LinkingFile {
    /// The kind of file.
    pub const SUITE: &str = "2FApi-v1.0-Linking";
}

/// A commitment with the id of its credential.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CredentialIdCase {
    /// Unique within the file.
    pub name: String,
    /// The commitment C.
    pub commitment: String,
    /// 32 lower-case digits.
    pub credential_id: String,
}

/// A challenge that was offered and a commitment that joins, with the number that both devices compute.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkNumberCase {
    /// Unique within the file.
    pub name: String,
    /// As text.
    pub challenge_id: String,
    /// The commitment C.
    pub commitment: String,
    /// Six digits.
    pub number: String,
}

/// A link code with what it says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkCodeCase {
    /// Unique within the file.
    pub name: String,
    /// As it is shown.
    pub code: String,
    /// The challenge that was offered, as text.
    pub challenge_id: String,
    /// Whose it is.
    pub client_id: String,
    /// Its nonce.
    pub nonce: String,
    /// The host.
    pub audience: String,
}

/// A text that is no link code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoLinkCode {
    /// Unique within the file.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
    /// The text.
    pub code: String,
}

/// Credentials of one recovery phrase at several hosts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BlindingFile {
    /// [`BlindingFile::SUITE`].
    pub suite: String,
    /// Phrases at hosts, each with its credential.
    pub valid: Vec<BlindingCase>,
    /// Entropies and audiences that there are not.
    pub invalid: Vec<BlindingCase>,
    /// What a client that recovers tries.
    pub recoveries: Vec<RecoveryOrder>,
    /// What it does not come to.
    pub not_recovered: Vec<BlindingCase>,
}

impl BlindingFile {
    /// The kind of file, which is the domain of the blinding as well.
    pub const SUITE: &str = "2FApi-v1.0-AudienceBlinding";
}

/// A phrase at a host.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BlindingCase {
    /// Unique within the file.
    pub name: String,
    /// Of one that is refused: what is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The 32 bytes of the phrase.
    pub entropy: String,
    /// The host.
    pub audience: String,
    /// 0 at enrolment, one more with each rotation under the phrase; missing where the blinding is of no
    /// audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// The secret s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The blinding r.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blinding: Option<String>,
    /// The commitment C.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<String>,
}

/// The commitments that a client which recovers tries at a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecoveryOrder {
    /// Unique within the file.
    pub name: String,
    /// The 32 bytes of the phrase.
    pub entropy: String,
    /// The host.
    pub audience: String,
    /// First that of no audience, then the generations from 0 on.
    pub commitments: Vec<String>,
}

/// Proofs that two commitments hide one secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkProofFile {
    /// [`LinkProofFile::SUITE`].
    pub suite: String,
    /// What must be accepted.
    pub accepted: Vec<LinkProofCase>,
    /// What must be refused.
    pub rejected: Vec<LinkProofCase>,
}

impl LinkProofFile {
    /// The kind of file.
    pub const SUITE: &str = "2FApi-v1.0-LinkProof";
}

/// One link proof.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LinkProofCase {
    /// Unique within the file.
    pub name: String,
    /// Of a refused case: what is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Of a refused case: the accepted case that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// What the case is, where its name does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The first host.
    pub audience_1: String,
    /// The client there.
    pub client_id_1: String,
    /// The second host.
    pub audience_2: String,
    /// The client there.
    pub client_id_2: String,
    /// Of the one who asked.
    pub nonce: String,
    /// The secret s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The blinding r_1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blinding_1: Option<String>,
    /// The blinding r_2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blinding_2: Option<String>,
    /// The announcement nonce of the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k_s: Option<String>,
    /// The announcement nonce of r_1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k_1: Option<String>,
    /// The announcement nonce of r_2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k_2: Option<String>,
    /// The 32 random bytes of hedging, from which the announcement nonces follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<String>,
    /// The commitment C_1.
    pub commitment_1: String,
    /// The commitment C_2.
    pub commitment_2: String,
    /// The whole transcript.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// The challenge scalar c.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    /// The proof A_1 ‖ A_2 ‖ z_s ‖ z_1 ‖ z_2.
    pub proof: String,
}
