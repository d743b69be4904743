//! `crypto-core` as WebAssembly: the few calls that the client SDK needs, bytes in and bytes out.
//!
//! Credentials come as secret ‖ blinding (64 bytes, canonical little-endian scalars), commitments as
//! 32 and proofs as 96 bytes. An error is a JavaScript `Error` with a member `code`, one of those of
//! `spec/protocol.md`, section 13; it never carries a secret.
//!
//! Memory that is freed is overwritten first. What JavaScript was handed is JavaScript's, and that
//! cannot be overwritten for certain.
#![forbid(unsafe_code)]

use getrandom::SysRng;
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Commitment, Credential, Enrolment, Error,
    Nonce, Proof, Rotation, prove, verify,
};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;
use zeroizing_alloc::ZeroAlloc;

#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = Error)]
    type JsFailure;

    #[wasm_bindgen(constructor, js_class = "Error")]
    fn new(message: &str) -> JsFailure;

    #[wasm_bindgen(method, setter)]
    fn set_code(this: &JsFailure, code: &str);
}

fn failure(error: Error) -> JsValue {
    let failure = JsFailure::new(&error.to_string());
    failure.set_code(error.code().as_str());
    failure.into()
}

fn open(credential: Vec<u8>) -> Result<Credential, Error> {
    let credential = Zeroizing::new(credential);
    if credential.len() != Credential::LEN {
        return Err(Error::InvalidLength {
            what: "credential",
            expected: "64 bytes (secret, then blinding)",
            actual: credential.len(),
        });
    }
    let (secret, blinding) = credential.split_at(Credential::LEN / 2);
    Credential::from_bytes(secret, blinding)
}

fn exposed(credential: &Credential) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(Credential::LEN);
    bytes.extend_from_slice(credential.secret_bytes().as_ref());
    bytes.extend_from_slice(credential.blinding_bytes().as_ref());
    bytes
}

/// A fresh credential: secret ‖ blinding, 64 bytes.
///
/// # Errors
/// `unavailable` without a random source.
#[wasm_bindgen]
pub fn generate() -> Result<Vec<u8>, JsValue> {
    let credential = Credential::generate(&mut SysRng).map_err(failure)?;
    Ok(exposed(&credential))
}

/// The credential of a recovery phrase's 32 bytes of entropy: secret ‖ blinding, 64 bytes.
///
/// # Errors
/// `invalid_length`.
#[wasm_bindgen]
pub fn recover(entropy: Vec<u8>) -> Result<Vec<u8>, JsValue> {
    let entropy = Zeroizing::new(entropy);
    let credential = Credential::from_recovery_entropy(&entropy).map_err(failure)?;
    Ok(exposed(&credential))
}

/// The commitment of a credential, 32 bytes.
///
/// # Errors
/// `invalid_length`, `invalid_encoding`.
#[wasm_bindgen]
pub fn commitment(credential: Vec<u8>) -> Result<Vec<u8>, JsValue> {
    let credential = open(credential).map_err(failure)?;
    Ok(credential.commitment().as_bytes().to_vec())
}

/// A proof of possession for enrolment, 96 bytes.
///
/// # Errors
/// `invalid_client_id`, `invalid_length`, `invalid_encoding`, `unavailable`.
#[wasm_bindgen]
pub fn prove_enrollment(credential: Vec<u8>, client_id: &str) -> Result<Vec<u8>, JsValue> {
    let possession = |credential: Vec<u8>| {
        let client_id = ClientId::parse(client_id)?;
        let statement = Enrolment {
            client_id: &client_id,
        };
        prove(&open(credential)?, &statement, &mut SysRng)
    };
    let proof = possession(credential).map_err(failure)?;
    Ok(proof.to_bytes().to_vec())
}

/// A proof of authentication, 96 bytes.
///
/// # Errors
/// `invalid_client_id`, `invalid_length`, `invalid_encoding`, `unavailable`.
#[wasm_bindgen]
pub fn prove_authentication(
    credential: Vec<u8>,
    client_id: &str,
    nonce: &[u8],
    binding: &[u8],
) -> Result<Vec<u8>, JsValue> {
    let authentication = |credential: Vec<u8>| {
        let statement = Authentication {
            client_id: &ClientId::parse(client_id)?,
            nonce: &Nonce::from_bytes(nonce)?,
            binding: &AuthenticationBinding::from_bytes(binding)?,
        };
        prove(&open(credential)?, &statement, &mut SysRng)
    };
    let proof = authentication(credential).map_err(failure)?;
    Ok(proof.to_bytes().to_vec())
}

/// A proof by the old credential that the new commitment shall follow it, 96 bytes.
///
/// # Errors
/// `invalid_client_id`, `invalid_length`, `invalid_encoding`, `unavailable`.
#[wasm_bindgen]
pub fn prove_rotation(
    credential: Vec<u8>,
    client_id: &str,
    nonce: &[u8],
    new_commitment: &[u8],
    binding: &[u8],
) -> Result<Vec<u8>, JsValue> {
    let rotation = |credential: Vec<u8>| {
        let client_id = ClientId::parse(client_id)?;
        let nonce = Nonce::from_bytes(nonce)?;
        let new_commitment = Commitment::from_bytes(new_commitment)?;
        let binding = AuthenticationBinding::from_bytes(binding)?;
        let statement = Rotation::new(&client_id, &nonce, &new_commitment, &binding)?;
        prove(&open(credential)?, &statement, &mut SysRng)
    };
    let proof = rotation(credential).map_err(failure)?;
    Ok(proof.to_bytes().to_vec())
}

/// Whether a proof of enrolment stands; what is malformed is an error.
///
/// # Errors
/// `invalid_client_id`, `invalid_length`, `invalid_encoding`.
#[wasm_bindgen]
pub fn verify_enrollment(
    commitment: &[u8],
    client_id: &str,
    proof: &[u8],
) -> Result<bool, JsValue> {
    let check = || {
        let client_id = ClientId::parse(client_id)?;
        let commitment = Commitment::from_bytes(commitment)?;
        let proof = Proof::from_bytes(proof)?;
        let statement = Enrolment {
            client_id: &client_id,
        };
        Ok(verify(&commitment, &statement, &proof).is_ok())
    };
    check().map_err(failure)
}

/// Whether a proof of authentication stands; what is malformed is an error.
///
/// # Errors
/// `invalid_client_id`, `invalid_length`, `invalid_encoding`.
#[wasm_bindgen]
pub fn verify_authentication(
    commitment: &[u8],
    client_id: &str,
    nonce: &[u8],
    binding: &[u8],
    proof: &[u8],
) -> Result<bool, JsValue> {
    let check = || {
        let statement = Authentication {
            client_id: &ClientId::parse(client_id)?,
            nonce: &Nonce::from_bytes(nonce)?,
            binding: &AuthenticationBinding::from_bytes(binding)?,
        };
        let commitment = Commitment::from_bytes(commitment)?;
        let proof = Proof::from_bytes(proof)?;
        Ok(verify(&commitment, &statement, &proof).is_ok())
    };
    check().map_err(failure)
}

/// Whether a proof of rotation by the old credential stands; what is malformed is an error.
///
/// # Errors
/// `invalid_client_id`, `invalid_length`, `invalid_encoding`.
#[wasm_bindgen]
pub fn verify_rotation(
    commitment: &[u8],
    client_id: &str,
    nonce: &[u8],
    new_commitment: &[u8],
    binding: &[u8],
    proof: &[u8],
) -> Result<bool, JsValue> {
    let check = || {
        let client_id = ClientId::parse(client_id)?;
        let nonce = Nonce::from_bytes(nonce)?;
        let new_commitment = Commitment::from_bytes(new_commitment)?;
        let binding = AuthenticationBinding::from_bytes(binding)?;
        let statement = Rotation::new(&client_id, &nonce, &new_commitment, &binding)?;
        let commitment = Commitment::from_bytes(commitment)?;
        let proof = Proof::from_bytes(proof)?;
        Ok(verify(&commitment, &statement, &proof).is_ok())
    };
    check().map_err(failure)
}

/// See that a client id is well-formed.
///
/// # Errors
/// `invalid_client_id`, saying what would be right.
#[wasm_bindgen]
pub fn check_client_id(client_id: &str) -> Result<(), JsValue> {
    ClientId::parse(client_id).map(drop).map_err(failure)
}
