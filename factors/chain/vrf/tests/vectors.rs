//! The vectors of another implementation, and what every proof must do.

use proptest::prelude::*;
use serde_json::Value;
use twofapi_chain_vrf::{Proof, PublicKey, Refused, SecretKey};

fn bytes(case: &Value, field: &str) -> Vec<u8> {
    hex::decode(case[field].as_str().expect("a text")).expect("hex")
}

fn file() -> Value {
    serde_json::from_str(include_str!("../../../../spec/vectors/chain-vrf-v1.json")).expect("JSON")
}

fn cases<'v>(file: &'v Value, list: &str) -> &'v [Value] {
    file[list].as_array().expect("a list")
}

/// Its nonces are its own, so that challenge and response differ from ours; everything else is the same.
#[test]
fn the_proofs_of_another_implementation_hold_and_their_outputs_are_ours() {
    let file = file();
    for case in cases(&file, "accepted") {
        let key = SecretKey::from_bytes(&bytes(case, "secret")).expect("a key");
        assert_eq!(key.public().point().as_bytes()[..], bytes(case, "public"));
        let proof = key.prove(&bytes(case, "alpha"));
        let theirs = Proof::from_bytes(&bytes(case, "proof")).expect("a proof");
        assert_eq!(proof.gamma(), theirs.gamma());
        for proof in [proof, theirs] {
            let output = key
                .public()
                .verify(&bytes(case, "alpha"), &proof)
                .expect("it holds");
            assert_eq!(output[..], bytes(case, "output"));
        }
    }
}

#[test]
fn what_another_implementation_refuses_is_refused_for_the_same_reason() {
    let file = file();
    for case in cases(&file, "rejected") {
        let key = PublicKey::from_bytes(&bytes(case, "public")).expect("a key");
        let refused = Proof::from_bytes(&bytes(case, "proof"))
            .and_then(|proof| key.verify(&bytes(case, "alpha"), &proof))
            .expect_err("it is accepted");
        let reason = match refused {
            Refused::Length { .. } => "length",
            Refused::Encoding(_) => "encoding",
            Refused::Equation => "equation",
        };
        assert_eq!(Some(reason), case["reason"].as_str(), "{}", case["name"]);
    }
}

#[test]
fn a_key_shows_its_public_half_only() {
    let key = SecretKey::from_bytes(&[7; 32]).expect("a key");
    let shown = format!("{key:?}");
    assert!(
        shown.contains("02989c0b76cb563971fdc9bef31ec06c3560f3249d6ee9e5d83c57625596e05f6f"),
        "{shown}"
    );
    assert!(!shown.contains("0707"), "{shown}");
}

#[test]
fn keys_of_another_form_are_refused() {
    const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    for refused in [
        "",
        "00",
        &"00".repeat(32),
        ORDER,
        &"ff".repeat(32),
        &"01".repeat(33),
    ] {
        assert!(
            SecretKey::from_bytes(&hex::decode(refused).expect("hex")).is_err(),
            "{refused}"
        );
    }
    for refused in [
        "",
        "02",
        &"00".repeat(33),
        &format!("04{}", "01".repeat(32)),
        &format!("02{}", "ff".repeat(32)),
        &format!("02{}", "00".repeat(32)),
    ] {
        assert!(
            PublicKey::from_bytes(&hex::decode(refused).expect("hex")).is_err(),
            "{refused}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_proof_holds_for_its_key_and_input_and_no_other(
        secret in prop::array::uniform32(1_u8..0xff),
        other in prop::array::uniform32(1_u8..0xff),
        alpha in prop::collection::vec(any::<u8>(), 0..100),
        at in 0_usize..81,
        by in 1_u8..=255,
    ) {
        prop_assume!(secret != other);
        let key = SecretKey::from_bytes(&secret).unwrap();
        let proof = key.prove(&alpha);
        prop_assert_eq!(Proof::from_bytes(&proof.to_bytes()).unwrap(), proof);
        prop_assert_eq!(key.public().verify(&alpha, &proof).unwrap(), proof.output());
        let stranger = SecretKey::from_bytes(&other).unwrap();
        prop_assert!(stranger.public().verify(&alpha, &proof).is_err());
        prop_assert!(key.public().verify(&[&alpha[..], b"!"].concat(), &proof).is_err());
        let mut changed = proof.to_bytes();
        changed[at] ^= by;
        let accepted = Proof::from_bytes(&changed).and_then(|proof| key.public().verify(&alpha, &proof));
        prop_assert!(accepted.is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(proof in prop::collection::vec(any::<u8>(), 78..84), key in prop::collection::vec(any::<u8>(), 33)) {
        let _ = Proof::from_bytes(&proof);
        let _ = PublicKey::from_bytes(&key);
    }
}
