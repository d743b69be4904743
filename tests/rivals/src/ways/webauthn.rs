//! WebAuthn, with a passkey that signs by ES256: what the server does of its two messages.

use std::{collections::HashMap, hint::black_box};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::json;
use webauthn_rs::prelude::{Passkey, PublicKeyCredential, Url, WebauthnBuilder};

use super::{CLIENTS, client};
use crate::host::{AUDIENCE, Host, random};

/// User present and verified.
const FLAGS: u8 = 0x05;

/// As a registration would leave it.
fn passkey(pair: &EcdsaKeyPair, id: &[u8]) -> Passkey {
    let point = pair.public_key().as_ref();
    let passkey = json!({ "cred": {
        "cred_id": BASE64.encode(id),
        "cred": { "type_": "ES256", "key": { "EC_EC2": {
            "curve": "SECP256R1",
            "x": BASE64.encode(&point[1..33]),
            "y": BASE64.encode(&point[33..]),
        }}},
        "counter": 0,
        "transports": null,
        "user_verified": true,
        "backup_eligible": false,
        "backup_state": false,
        "registration_policy": "required",
        "extensions": {},
        "attestation": { "data": "None", "metadata": "None" },
        "attestation_format": "none",
    }});
    serde_json::from_value(passkey).expect("a passkey")
}

/// What the authenticator answers.
fn assertion(pair: &EcdsaKeyPair, id: &[u8], challenge: &[u8]) -> PublicKeyCredential {
    let client_data = json!({
        "type": "webauthn.get",
        "challenge": BASE64.encode(challenge),
        "origin": AUDIENCE,
        "crossOrigin": false,
    })
    .to_string();
    let mut data = digest(&SHA256, b"api.example.com").as_ref().to_vec();
    data.push(FLAGS);
    data.extend([0; 4]);
    let mut message = data.clone();
    message.extend(digest(&SHA256, client_data.as_bytes()).as_ref());
    let signature = pair
        .sign(&SystemRandom::new(), &message)
        .expect("a signature");
    let answer = json!({
        "id": BASE64.encode(id),
        "rawId": BASE64.encode(id),
        "type": "public-key",
        "response": {
            "authenticatorData": BASE64.encode(data),
            "clientDataJSON": BASE64.encode(client_data),
            "signature": BASE64.encode(signature.as_ref()),
            "userHandle": null,
        },
        "extensions": {},
    });
    serde_json::from_value(answer).expect("an assertion")
}

pub(crate) fn webauthn() -> impl FnMut(&Host) {
    let origin = Url::parse(AUDIENCE).expect("an origin");
    let webauthn = WebauthnBuilder::new("api.example.com", &origin)
        .and_then(WebauthnBuilder::build)
        .expect("a relying party");
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
    let credential: [u8; 32] = random();
    let clients: HashMap<_, _> = (0..CLIENTS)
        .map(|number| (client(number), passkey(&pair, &credential)))
        .collect();
    let id = client(7);
    let begun = webauthn.start_passkey_authentication(std::slice::from_ref(&clients[&id]));
    let (asked, state) = begun.expect("a challenge");
    let answer = assertion(&pair, &credential, &asked.public_key.challenge);
    // A challenge is drawn each time; what is verified is the answer to the first one.
    move |host| {
        let again = webauthn.start_passkey_authentication(std::slice::from_ref(&clients[&id]));
        black_box(again.expect("a challenge"));
        let passkey = clients[&id].clone();
        let finished = webauthn.finish_passkey_authentication(&answer, &state);
        let finished = finished.expect("the passkey");
        assert_eq!(finished.cred_id(), passkey.cred_id());
        host.let_in(&id);
    }
}
