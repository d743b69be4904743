//! Link proofs: that two commitments, at two hosts, are of one owner (protocol.md 3).

use napi::{
    Env,
    bindgen_prelude::{AsyncTask, Uint8ArraySlice},
};
use napi_derive::napi;
use twofapi_crypto_core::{
    Audience, ClientId, Commitment, Credential, LinkProof, LinkStatement, LinkedClient, Nonce,
    verify_link,
};

use crate::{
    error::{Fault, fault},
    low_level::bytes,
    task::Verdict,
};

/// A statement that owns its parts, so that it can travel to another thread.
struct OwnedLink {
    audiences: [Audience; 2],
    client_ids: [ClientId; 2],
    nonce: Nonce,
}

impl OwnedLink {
    fn parse(audiences: [&str; 2], client_ids: [&str; 2], nonce: &[u8]) -> Result<Self, Fault> {
        let audience = |text| Audience::parse(text).map_err(fault);
        let client_id = |text| ClientId::parse(text).map_err(fault);
        Ok(Self {
            audiences: [audience(audiences[0])?, audience(audiences[1])?],
            client_ids: [client_id(client_ids[0])?, client_id(client_ids[1])?],
            nonce: Nonce::from_bytes(nonce).map_err(fault)?,
        })
    }

    fn statement(&self) -> LinkStatement<'_> {
        let of = |at: usize| LinkedClient {
            audience: &self.audiences[at],
            client_id: &self.client_ids[at],
        };
        LinkStatement {
            first: of(0),
            second: of(1),
            nonce: &self.nonce,
        }
    }
}

/// A proof that two credentials have one secret, 160 bytes.
#[napi(catch_unwind)]
#[allow(clippy::too_many_arguments)]
pub fn prove_link<'env>(
    env: &'env Env,
    audience_1: String,
    client_id_1: String,
    secret_1: &[u8],
    blinding_1: &[u8],
    audience_2: String,
    client_id_2: String,
    secret_2: &[u8],
    blinding_2: &[u8],
    nonce: &[u8],
) -> Result<Uint8ArraySlice<'env>, Fault> {
    let link = OwnedLink::parse(
        [&audience_1, &audience_2],
        [&client_id_1, &client_id_2],
        nonce,
    )?;
    let first = Credential::from_bytes(secret_1, blinding_1).map_err(fault)?;
    let second = Credential::from_bytes(secret_2, blinding_2).map_err(fault)?;
    let proof =
        twofapi_crypto_core::prove_link(&first, &second, &link.statement(), &mut getrandom::SysRng);
    bytes(env, &proof.map_err(fault)?.to_bytes())
}

/// Whether a link proof is accepted, on the thread pool.
#[napi(catch_unwind, ts_return_type = "Promise<boolean>")]
#[allow(clippy::too_many_arguments)]
pub fn check_link_proof(
    audience_1: String,
    client_id_1: String,
    commitment_1: &[u8],
    audience_2: String,
    client_id_2: String,
    commitment_2: &[u8],
    nonce: &[u8],
    proof: &[u8],
) -> Result<AsyncTask<Verdict>, Fault> {
    let link = OwnedLink::parse(
        [&audience_1, &audience_2],
        [&client_id_1, &client_id_2],
        nonce,
    )?;
    let first = Commitment::from_bytes(commitment_1).map_err(fault)?;
    let second = Commitment::from_bytes(commitment_2).map_err(fault)?;
    let proof = LinkProof::from_bytes(proof).map_err(fault)?;
    Ok(AsyncTask::new(Verdict::of(move || {
        verify_link(&first, &second, &link.statement(), &proof).is_ok()
    })))
}
