//! Types that cannot hold a bad value: whatever they accept, they give back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twofapi_crypto_core::{
    Audience, AuthenticationBinding, ChallengeId, ClientId, Commitment, Credential, CredentialId,
    CredentialName, LinkProof, Nonce, Proof, ceremony::LinkCode,
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(id) = ClientId::from_bytes(bytes) {
        assert_eq!(id.as_bytes(), bytes);
    }
    if let Ok(commitment) = Commitment::from_bytes(bytes) {
        assert_eq!(commitment.as_bytes(), bytes);
    }
    if let Ok(proof) = Proof::from_bytes(bytes) {
        assert_eq!(proof.to_bytes(), bytes);
    }
    if let Ok(proof) = LinkProof::from_bytes(bytes) {
        assert_eq!(proof.to_bytes(), bytes);
    }
    if let Ok(id) = CredentialId::parse(bytes) {
        assert_eq!(id.to_string().as_bytes(), bytes);
    }
    if let Ok(name) = CredentialName::parse(bytes) {
        assert_eq!(name.as_str().as_bytes(), bytes);
    }
    if let Ok(nonce) = Nonce::from_bytes(bytes) {
        assert_eq!(nonce.as_bytes(), bytes);
    }
    if let Ok(binding) = AuthenticationBinding::from_bytes(bytes) {
        assert_eq!(binding.as_bytes(), bytes);
        let _ = binding.with_exporter(bytes);
    }
    if let Ok(id) = ChallengeId::from_text_bytes(bytes) {
        assert_eq!(id.to_string().as_bytes(), bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert_eq!(ClientId::parse(text).is_ok(), ClientId::from_bytes(bytes).is_ok());
        if let Ok(code) = LinkCode::parse(text) {
            assert_eq!(code.to_text(), text);
        }
        if let Ok(audience) = Audience::parse(text) {
            assert_eq!(audience.as_str(), text);
        }
    }
    if bytes.len() == 64 {
        let (secret, blinding) = bytes.split_at(32);
        if let Ok(credential) = Credential::from_bytes(secret, blinding) {
            assert_eq!(*credential.secret_bytes(), *secret);
            assert_eq!(*credential.blinding_bytes(), *blinding);
        }
    }
});
