//! The tag: that the user could unseal the session id.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use twofapi_chain_vrf::Point;
use zeroize::Zeroizing;

/// HMAC-SHA-256 with the session id as its key, over the request, the key that it was sealed to, and the
/// Keccak hash of the signature. The session id is secret until the validator opens it.
#[must_use]
pub fn tag(
    session_id: &[u8; 32],
    id: &[u8; 32],
    seal_key: &Point,
    signature_hash: &[u8; 32],
) -> [u8; 32] {
    let mut mac = keyed(session_id);
    mac.update(b"2FApi-v1.0-Chain-Tag");
    mac.update(id);
    mac.update(seal_key.as_bytes());
    mac.update(signature_hash);
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA-256 with a key of 32 bytes, which it pads to a block itself.
pub(crate) fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key);
    <Hmac<Sha256> as KeyInit>::new(&(*block).into())
}
