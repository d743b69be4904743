//! Sigma proofs on secp256k1.

use rand_core::{CryptoRng, Rng};
use serde::{Deserialize, Serialize};

use super::{Report, agree, exactly};
use crate::{
    sigma::{Credential, Proof, verify},
    vrf::Point,
};

/// Proofs that must be accepted, and proofs that must be refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SigmaFile {
    /// [`SigmaFile::SUITE`].
    pub suite: String,
    /// What must be accepted.
    pub accepted: Vec<SigmaCase>,
    /// What must be refused.
    pub rejected: Vec<SigmaCase>,
}

/// One proof. All bytes are in hex.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SigmaCase {
    /// Unique within the file.
    pub name: String,
    /// The secret, of an accepted case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The blinding, of an accepted case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blinding: Option<String>,
    /// The commitment.
    pub key: String,
    /// What is signed.
    pub digest: String,
    /// The proof.
    pub proof: String,
}

impl SigmaFile {
    /// The kind of file.
    pub const SUITE: &str = "2FApi-v1.0-Chain-Sigma";

    pub(super) fn check(&self) -> Report {
        let mut report = Report::default();
        for case in &self.accepted {
            report.must_hold(&case.name, case.check().and_then(|()| case.credential()));
        }
        for case in &self.rejected {
            report.must_be_refused(&case.name, case.check());
        }
        report
    }
}

impl SigmaCase {
    fn check(&self) -> Result<(), String> {
        let key =
            Point::from_bytes(&exactly("key", &self.key)?).map_err(|e| format!("key: {e}"))?;
        let proof = hex::decode(&self.proof).map_err(|error| format!("proof: {error}"))?;
        let proof = Proof::from_bytes(&proof).map_err(|error| error.to_string())?;
        verify(&key, &exactly("digest", &self.digest)?, &proof).map_err(|error| error.to_string())
    }

    fn credential(&self) -> Result<(), String> {
        let (Some(secret), Some(blinding)) = (&self.secret, &self.blinding) else {
            return Ok(());
        };
        let credential = Credential::from_bytes(
            &exactly::<32>("secret", secret)?,
            &exactly::<32>("blinding", blinding)?,
        )
        .map_err(|error| error.to_string())?;
        agree("key", &self.key, credential.commitment().as_bytes())
    }
}

fn bytes<R: Rng + ?Sized>(random: &mut R) -> [u8; 32] {
    let mut bytes = [0; 32];
    random.fill_bytes(&mut bytes);
    bytes
}

/// The file, made from a seeded source.
#[must_use]
pub fn sigma_proofs<R: CryptoRng + ?Sized>(random: &mut R) -> SigmaFile {
    let mut accepted = Vec::new();
    for n in 0..6 {
        let [secret, blinding, digest] = std::array::from_fn(|_| bytes(random));
        let Ok(credential) = Credential::from_bytes(&secret, &blinding) else {
            continue;
        };
        let Ok(proof) = credential.prove(&digest, random) else {
            continue;
        };
        accepted.push(SigmaCase {
            name: format!("sigma-{n}"),
            secret: Some(hex::encode(secret)),
            blinding: Some(hex::encode(blinding)),
            key: hex::encode(credential.commitment().as_bytes()),
            digest: hex::encode(digest),
            proof: hex::encode(proof.as_bytes()),
        });
    }
    let words = ["ax", "ay", "zs", "zr", "bx", "by", "inverse"];
    let mut rejected = Vec::new();
    for (n, word) in words.iter().enumerate() {
        let of = &accepted[n % accepted.len()];
        for change in ["bit", "zero", "ones"] {
            let mut proof = hex::decode(&of.proof).unwrap_or_default();
            let part = &mut proof[32 * n..32 * (n + 1)];
            match change {
                "bit" => part[31] ^= 1,
                "zero" => part.fill(0),
                _ => part.fill(0xff),
            }
            rejected.push(changed(of, &format!("{word}-{change}"), |case| {
                case.proof = hex::encode(&proof);
            }));
        }
    }
    let of = &accepted[0];
    rejected.push(changed(of, "digest", |case| {
        case.digest = accepted[1].digest.clone()
    }));
    rejected.push(changed(of, "key", |case| {
        case.key = accepted[1].key.clone()
    }));
    rejected.push(changed(of, "short", |case| case.proof.truncate(446)));
    rejected.push(changed(of, "long", |case| case.proof.push_str("00")));
    rejected.push(changed(of, "key-negated", |case| {
        let prefix = if case.key.starts_with("02") {
            "03"
        } else {
            "02"
        };
        case.key.replace_range(..2, prefix);
    }));
    SigmaFile {
        suite: SigmaFile::SUITE.into(),
        accepted,
        rejected,
    }
}

fn changed(of: &SigmaCase, what: &str, change: impl FnOnce(&mut SigmaCase)) -> SigmaCase {
    let mut case = of.clone();
    case.name = format!("{}-{what}", of.name);
    (case.secret, case.blinding) = (None, None);
    change(&mut case);
    case
}
