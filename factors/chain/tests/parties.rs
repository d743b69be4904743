//! What each party makes of what the others made.

use proptest::prelude::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use twofapi_chain::{
    alpha, ephemeral,
    seal::{self, EphemeralKey},
    sigma::{Credential, Proof, verify},
    vrf::SecretKey,
};

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).expect("a key")
}

#[test]
fn nothing_that_holds_a_secret_shows_it() {
    let credential = Credential::from_bytes(&[0x51; 32], &[0x52; 32]).expect("a credential");
    let shown = format!("{credential:?} {:?}", key(0x53));
    for secret in ["5151", "5252", "5353"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn credentials_of_another_form_are_refused() {
    for (secret, blinding) in [
        ([0; 32], [1; 32]),
        ([1; 32], [0; 32]),
        ([0xff; 32], [1; 32]),
    ] {
        assert!(Credential::from_bytes(&secret, &blinding).is_err());
    }
    assert!(Credential::from_bytes(&[1; 31], &[1; 32]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_seal_opens_for_whom_it_was_made_and_every_change_is_found(
        id: [u8; 32], seed: [u8; 32], part in 0_usize..5, at in 0_usize..32, by in 1_u8..=255,
    ) {
        let (provider, user, validator) = (key(1), key(2), key(3));
        let proof = provider.prove(&alpha(&id, &seed));
        let e = EphemeralKey::derive(&provider, &id, &seed);
        let sealed = seal::seal(&e, &id, &proof, user.public().point(), validator.public().point());
        prop_assert_eq!(*seal::unseal_session_id(&user, &id, &sealed).unwrap(), proof.output());
        let opened = seal::unseal_proof(&validator, provider.public(), &id, &seed, &sealed).unwrap();
        prop_assert_eq!(opened, proof);
        // Neither of them opens the other's, nor anybody under another id.
        prop_assert!(seal::unseal_session_id(&validator, &id, &sealed).is_err());
        prop_assert!(seal::unseal_proof(&user, provider.public(), &id, &seed, &sealed).is_err());
        prop_assert!(seal::unseal_session_id(&user, &seed, &sealed).is_err() || id == seed);
        let mut changed = sealed;
        match part {
            0 => changed.user[at] ^= by,
            1 => changed.session_hash[at] ^= by,
            n => changed.validator[n - 2][at] ^= by,
        }
        let of_user = seal::unseal_session_id(&user, &id, &changed).is_err();
        let of_validator = seal::unseal_proof(&validator, provider.public(), &id, &seed, &changed).is_err();
        prop_assert_eq!(of_user, part < 2);
        prop_assert_eq!(of_validator, part > 0);
    }

    #[test]
    fn an_ephemeral_proof_holds_for_its_session_and_provider_only(id: [u8; 32], other: [u8; 32], random: [u8; 32]) {
        prop_assume!(id != other);
        let e = EphemeralKey::derive(&key(1), &id, &other);
        let mut random = ChaCha20Rng::from_seed(random);
        let proof = ephemeral::prove(&e, &id, &[7; 20], &mut random);
        prop_assert!(ephemeral::verify(e.public(), &id, &[7; 20], &proof).is_ok());
        prop_assert!(ephemeral::verify(e.public(), &other, &[7; 20], &proof).is_err());
        prop_assert!(ephemeral::verify(e.public(), &id, &[8; 20], &proof).is_err());
        let another = EphemeralKey::derive(&key(2), &id, &other);
        prop_assert!(ephemeral::verify(another.public(), &id, &[7; 20], &proof).is_err());
    }

    #[test]
    fn a_sigma_proof_holds_for_its_key_and_digest_only(
        secret in prop::array::uniform32(1_u8..0xff), digest: [u8; 32], other: [u8; 32], seed: [u8; 32],
        at in 0_usize..224, by in 1_u8..=255,
    ) {
        prop_assume!(digest != other);
        let credential = Credential::from_bytes(&secret, &[9; 32]).unwrap();
        let mut random = ChaCha20Rng::from_seed(seed);
        let proof = credential.prove(&digest, &mut random).unwrap();
        prop_assert!(verify(credential.commitment(), &digest, &proof).is_ok());
        prop_assert!(verify(credential.commitment(), &other, &proof).is_err());
        // Another nonce each time, even for the same digest.
        let again = credential.prove(&digest, &mut random).unwrap();
        prop_assert_ne!(again.as_bytes()[..32].to_vec(), proof.as_bytes()[..32].to_vec());
        let mut changed = *proof.as_bytes();
        changed[at] ^= by;
        let changed = Proof::from_bytes(&changed).unwrap();
        prop_assert!(verify(credential.commitment(), &digest, &changed).is_err());
    }
}
