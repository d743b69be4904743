//! Link proofs: that two commitments hide one secret.

use sha2::{Digest, Sha512};
use twofapi_crypto_core::{
    Audience, ClientId, Commitment, Credential, LinkProof, LinkStatement, LinkedClient, Nonce,
    commit, curve25519_dalek::Scalar, link_transcript, prove_link, verify_link,
};

use super::{
    Report, agree, array, bytes,
    given::Given,
    in_the_file, names_are_unique, refusal,
    sigma::{malformed, scalar},
};
use crate::{
    cases::{FileError, LinkProofCase, LinkProofFile, Reason},
    purpose,
};

const TRANSCRIPT_DST: &str = "2FApi-LinkProof-Transcript-v1";

pub(super) fn run(file: &LinkProofFile, report: &mut Report) -> Result<(), FileError> {
    let cases = file.accepted.iter().chain(&file.rejected);
    names_are_unique(cases.map(|case| &case.name))?;
    for case in &file.accepted {
        report.must_be_accepted(&case.name, accept(case));
    }
    for case in &file.rejected {
        report.must_be_refused_for(&case.name, case.reason, decide(case).map(|it| it.map(drop)));
    }
    Ok(())
}

/// A case whose values are all of their types.
struct Decoded {
    audiences: [Audience; 2],
    client_ids: [ClientId; 2],
    nonce: Nonce,
    commitments: [Commitment; 2],
    proof: LinkProof,
}

impl Decoded {
    fn statement(&self) -> LinkStatement<'_> {
        let client = |at: usize| LinkedClient {
            audience: &self.audiences[at],
            client_id: &self.client_ids[at],
        };
        LinkStatement {
            first: client(0),
            second: client(1),
            nonce: &self.nonce,
        }
    }
}

/// What a verifier has itself comes first, then the proof. What is not even hex is no case.
fn decide(case: &LinkProofCase) -> Result<Result<Decoded, Reason>, String> {
    let nonce = bytes("nonce", &case.nonce)?;
    let c1 = bytes("commitment_1", &case.commitment_1)?;
    let c2 = bytes("commitment_2", &case.commitment_2)?;
    let proof = bytes("proof", &case.proof)?;
    let audience = |text: &str| Audience::parse(text).map_err(|_| Reason::Audience);
    let client_id = |text: &str| ClientId::parse(text).map_err(|_| Reason::ClientId);
    let decide = || {
        let decoded = Decoded {
            audiences: [audience(&case.audience_1)?, audience(&case.audience_2)?],
            client_ids: [client_id(&case.client_id_1)?, client_id(&case.client_id_2)?],
            nonce: Nonce::from_bytes(&nonce).map_err(|_| Reason::NonceLength)?,
            commitments: [purpose::commitment(&c1)?, purpose::commitment(&c2)?],
            proof: LinkProof::from_bytes(&proof)
                .map_err(|_| malformed(&proof, 2, LinkProof::LEN))?,
        };
        let [first, second] = &decoded.commitments;
        match verify_link(first, second, &decoded.statement(), &decoded.proof) {
            Ok(()) => Ok(decoded),
            Err(_) => Err(Reason::Equation),
        }
    };
    Ok(decide())
}

/// Verifies, and compares every value that the file gives with our own.
fn accept(case: &LinkProofCase) -> Result<(), String> {
    let decoded =
        decide(case)?.map_err(|reason| format!("it is refused for {}", in_the_file(reason)))?;
    let statement = decoded.statement();
    let proof = decoded.proof.to_bytes();
    let announcement = |at: usize| -> [u8; 32] {
        let mut announcement = [0; 32];
        announcement.copy_from_slice(&proof[32 * at..32 * at + 32]);
        announcement
    };
    let ours = link_transcript(
        decoded.commitments.each_ref().map(Commitment::as_bytes),
        [announcement(0), announcement(1)].each_ref(),
        &statement,
    );
    agree("transcript", case.transcript.as_deref(), &ours)?;
    let digest = Sha512::new_with_prefix(TRANSCRIPT_DST).chain_update(&ours);
    let c = Scalar::from_bytes_mod_order_wide(&digest.finalize().into());
    agree("challenge", case.challenge.as_deref(), c.as_bytes())?;

    let (Some(secret), Some(one), Some(two)) = (&case.secret, &case.blinding_1, &case.blinding_2)
    else {
        return match (&case.secret, &case.blinding_1, &case.blinding_2) {
            (None, None, None) => Ok(()),
            _ => Err("it gives some of secret and blindings without the others".into()),
        };
    };
    let credential = |blinding: &str| {
        Credential::from_bytes(&bytes("secret", secret)?, &bytes("blinding", blinding)?)
            .map_err(refusal)
    };
    let credentials = [credential(one)?, credential(two)?];
    for (theirs, ours) in [&case.commitment_1, &case.commitment_2]
        .into_iter()
        .zip(&credentials)
    {
        agree("commitment", Some(theirs), ours.commitment().as_bytes())?;
    }
    match (&case.k_s, &case.k_1, &case.k_2) {
        (Some(k_s), Some(k_1), Some(k_2)) => {
            let k_s = scalar(k_s)?;
            let k = [scalar(k_1)?, scalar(k_2)?];
            let mut again = Vec::with_capacity(LinkProof::LEN);
            for k in &k {
                again.extend(commit(&k_s, k).compress().to_bytes());
            }
            again.extend((k_s + c * scalar(secret)?).as_bytes());
            for (k, r) in k.iter().zip([one, two]) {
                again.extend((k + c * scalar(r)?).as_bytes());
            }
            agree("proof", Some(&case.proof), &again)?;
        }
        (None, None, None) => {}
        _ => return Err("it gives some announcement nonces without the others".into()),
    }
    let [first, second] = &credentials;
    if let Some(random) = &case.random {
        let mut given = Given::<32>(array("random", random)?);
        let hedged = prove_link(first, second, &statement, &mut given).map_err(refusal)?;
        agree("proof", Some(&case.proof), &hedged.to_bytes())?;
    }
    let fresh = prove_link(first, second, &statement, &mut getrandom::SysRng).map_err(refusal)?;
    let [first, second] = &decoded.commitments;
    verify_link(first, second, &statement, &fresh)
        .map_err(|error| format!("a fresh proof of ours is refused: {error}"))
}
