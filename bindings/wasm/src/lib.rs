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
    Audience, Authentication, AuthenticationBinding, ChallengeId, ClientId, Commitment, Credential,
    CredentialId, Denied, Enrolment, Error, Joining, Linking, Nonce, Proof, Rotation, Statement,
    Unlinking, ceremony::link_number, prove, verify,
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

#[inline(never)]
fn failure(error: Error) -> JsValue {
    let failure = JsFailure::new(&error.to_string());
    failure.set_code(error.code().as_str());
    failure.into()
}

#[inline(never)]
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

// The compiler is told to inline much, for the arithmetic. What is called from everywhere is there once: a page has to
// load it.

#[inline(never)]
fn client(id: &str) -> Result<ClientId, Error> {
    ClientId::parse(id)
}

#[inline(never)]
fn nonce_of(bytes: &[u8]) -> Result<Nonce, Error> {
    Nonce::from_bytes(bytes)
}

#[inline(never)]
fn binding_of(bytes: &[u8]) -> Result<AuthenticationBinding, Error> {
    AuthenticationBinding::from_bytes(bytes)
}

#[inline(never)]
fn decoded(commitment: &[u8]) -> Result<Commitment, Error> {
    Commitment::from_bytes(commitment)
}

#[inline(never)]
fn shown(proof: &[u8]) -> Result<Proof, Error> {
    Proof::from_bytes(proof)
}

#[inline(never)]
fn proven(credential: Vec<u8>, statement: &dyn Statement) -> Result<Proof, Error> {
    prove(&open(credential)?, statement, &mut SysRng)
}

#[inline(never)]
fn holds(commitment: &Commitment, statement: &dyn Statement, proof: &Proof) -> bool {
    verify(commitment, statement, proof).is_ok()
}

#[inline(never)]
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
        let client_id = client(client_id)?;
        let statement = Enrolment {
            client_id: &client_id,
        };
        proven(credential, &statement)
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
            client_id: &client(client_id)?,
            nonce: &nonce_of(nonce)?,
            binding: &binding_of(binding)?,
        };
        proven(credential, &statement)
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
        let client_id = client(client_id)?;
        let nonce = nonce_of(nonce)?;
        let new_commitment = decoded(new_commitment)?;
        let binding = binding_of(binding)?;
        let statement = Rotation::new(&client_id, &nonce, &new_commitment, &binding)?;
        proven(credential, &statement)
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
        let client_id = client(client_id)?;
        let commitment = decoded(commitment)?;
        let proof = shown(proof)?;
        let statement = Enrolment {
            client_id: &client_id,
        };
        Ok(holds(&commitment, &statement, &proof))
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
            client_id: &client(client_id)?,
            nonce: &nonce_of(nonce)?,
            binding: &binding_of(binding)?,
        };
        let commitment = decoded(commitment)?;
        let proof = shown(proof)?;
        Ok(holds(&commitment, &statement, &proof))
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
        let client_id = client(client_id)?;
        let nonce = nonce_of(nonce)?;
        let new_commitment = decoded(new_commitment)?;
        let binding = binding_of(binding)?;
        let statement = Rotation::new(&client_id, &nonce, &new_commitment, &binding)?;
        let commitment = decoded(commitment)?;
        let proof = shown(proof)?;
        Ok(holds(&commitment, &statement, &proof))
    };
    check().map_err(failure)
}

/// See that a client id is well-formed.
///
/// # Errors
/// `invalid_client_id`, saying what would be right.
#[wasm_bindgen]
pub fn check_client_id(client_id: &str) -> Result<(), JsValue> {
    client(client_id).map(drop).map_err(failure)
}

/// The credential of a recovery phrase's 32 bytes of entropy at one audience, secret ‖ blinding, 64 bytes; of the
/// generation 0 at enrolment, of one more with each rotation.
///
/// # Errors
/// `invalid_length`, `invalid_encoding`.
#[wasm_bindgen]
pub fn recover_at(entropy: Vec<u8>, audience: &str, generation: u32) -> Result<Vec<u8>, JsValue> {
    let entropy = Zeroizing::new(entropy);
    let derive = || {
        let audience = Audience::parse(audience)?;
        Credential::from_recovery_entropy_at(&entropy, &audience, generation)
    };
    derive()
        .map(|credential| exposed(&credential))
        .map_err(failure)
}

/// What is said of another commitment of the client, or by it.
enum Change {
    /// It is to be added.
    Link([u8; Commitment::LEN]),
    /// It is to go.
    Unlink([u8; Commitment::LEN]),
    /// The one who proves is to be added.
    Join,
}

/// Calls `with` with the statement.
fn stated<T>(
    client_id: &str,
    nonce: &[u8],
    binding: &[u8],
    change: &Change,
    with: impl FnOnce(&dyn Statement) -> Result<T, Error>,
) -> Result<T, Error> {
    let client_id = &client(client_id)?;
    let nonce = &nonce_of(nonce)?;
    let binding = &binding_of(binding)?;
    match change {
        Change::Link(new) => with(&Linking::new(client_id, nonce, new, binding)?),
        Change::Unlink(old) => with(&Unlinking::new(client_id, nonce, old, binding)?),
        Change::Join => with(&Joining::new(client_id, nonce, binding)?),
    }
}

#[inline(never)]
fn of(commitment: &[u8]) -> Result<[u8; Commitment::LEN], Error> {
    Ok(decoded(commitment)?.to_bytes())
}

#[inline(never)]
fn prove_change(
    credential: Vec<u8>,
    client_id: &str,
    nonce: &[u8],
    binding: &[u8],
    change: Result<Change, Error>,
) -> Result<Vec<u8>, JsValue> {
    // Overwritten whatever happens.
    let credential = Zeroizing::new(credential);
    let proof = change.and_then(|change| {
        stated(client_id, nonce, binding, &change, |statement| {
            proven(credential.to_vec(), statement)
        })
    });
    Ok(proof.map_err(failure)?.to_bytes().to_vec())
}

#[inline(never)]
fn verify_change(
    commitment: &[u8],
    client_id: &str,
    nonce: &[u8],
    binding: &[u8],
    proof: &[u8],
    change: Result<Change, Error>,
) -> Result<bool, JsValue> {
    let check = || {
        stated(client_id, nonce, binding, &change?, |statement| {
            let commitment = decoded(commitment)?;
            Ok(holds(&commitment, statement, &shown(proof)?))
        })
    };
    check().map_err(failure)
}

/// A proof by an enrolled credential that the new commitment is to be added, 96 bytes.
///
/// # Errors
/// `invalid_client_id`, `invalid_length`, `invalid_encoding`, `unavailable`.
#[wasm_bindgen]
pub fn prove_linking(
    credential: Vec<u8>,
    client_id: &str,
    nonce: &[u8],
    new_commitment: &[u8],
    binding: &[u8],
) -> Result<Vec<u8>, JsValue> {
    let change = of(new_commitment).map(Change::Link);
    prove_change(credential, client_id, nonce, binding, change)
}

/// A proof by an enrolled credential that the old commitment is to go, 96 bytes.
///
/// # Errors
/// `invalid_client_id`, `invalid_length`, `invalid_encoding`, `unavailable`.
#[wasm_bindgen]
pub fn prove_unlinking(
    credential: Vec<u8>,
    client_id: &str,
    nonce: &[u8],
    old_commitment: &[u8],
    binding: &[u8],
) -> Result<Vec<u8>, JsValue> {
    let change = of(old_commitment).map(Change::Unlink);
    prove_change(credential, client_id, nonce, binding, change)
}

/// A proof by a credential that is to be added, 96 bytes.
///
/// # Errors
/// `invalid_client_id`, `invalid_length`, `invalid_encoding`, `unavailable`.
#[wasm_bindgen]
pub fn prove_joining(
    credential: Vec<u8>,
    client_id: &str,
    nonce: &[u8],
    binding: &[u8],
) -> Result<Vec<u8>, JsValue> {
    prove_change(credential, client_id, nonce, binding, Ok(Change::Join))
}

/// Whether a proof of linking stands; what is malformed is an error.
///
/// # Errors
/// `invalid_client_id`, `invalid_length`, `invalid_encoding`.
#[wasm_bindgen]
pub fn verify_linking(
    commitment: &[u8],
    client_id: &str,
    nonce: &[u8],
    new_commitment: &[u8],
    binding: &[u8],
    proof: &[u8],
) -> Result<bool, JsValue> {
    let change = of(new_commitment).map(Change::Link);
    verify_change(commitment, client_id, nonce, binding, proof, change)
}

/// Whether a proof of unlinking stands; what is malformed is an error.
///
/// # Errors
/// `invalid_client_id`, `invalid_length`, `invalid_encoding`.
#[wasm_bindgen]
pub fn verify_unlinking(
    commitment: &[u8],
    client_id: &str,
    nonce: &[u8],
    old_commitment: &[u8],
    binding: &[u8],
    proof: &[u8],
) -> Result<bool, JsValue> {
    let change = of(old_commitment).map(Change::Unlink);
    verify_change(commitment, client_id, nonce, binding, proof, change)
}

/// Whether a proof of joining stands; what is malformed is an error.
///
/// # Errors
/// `invalid_client_id`, `invalid_length`, `invalid_encoding`.
#[wasm_bindgen]
pub fn verify_joining(
    commitment: &[u8],
    client_id: &str,
    nonce: &[u8],
    binding: &[u8],
    proof: &[u8],
) -> Result<bool, JsValue> {
    verify_change(
        commitment,
        client_id,
        nonce,
        binding,
        proof,
        Ok(Change::Join),
    )
}

/// The id of the credential with this commitment, 16 bytes.
///
/// # Errors
/// `invalid_length`, `invalid_encoding`.
#[wasm_bindgen]
pub fn credential_id(commitment: &[u8]) -> Result<Vec<u8>, JsValue> {
    let commitment = of(commitment).map_err(failure)?;
    Ok(CredentialId::of(&commitment).as_bytes().to_vec())
}

/// The number that the second device shows and the user of the first one types.
///
/// # Errors
/// `invalid_length`, `invalid_encoding`; `denied` for what is no challenge id.
#[wasm_bindgen]
pub fn number_of_link(challenge_id: &str, commitment: &[u8]) -> Result<u32, JsValue> {
    let number = || {
        let offer = ChallengeId::parse(challenge_id).map_err(|Denied| Error::Denied)?;
        Ok(link_number(offer, &of(commitment)?))
    };
    number().map_err(failure)
}
