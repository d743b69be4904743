//! SCRAM-SHA-256 (RFC 5802, RFC 7677): what the server does of its two messages, by AWS's library. It has keys of each
//! client from which no password follows; the iterations are the client's work.

use std::{collections::HashMap, hint::black_box};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
    hmac, pbkdf2,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::{CLIENTS, client};
use crate::host::{Host, random};

const ITERATIONS: std::num::NonZeroU32 = std::num::NonZeroU32::new(4096).expect("not 0");

/// What the server keeps.
struct Kept {
    salt: [u8; 16],
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    tag.as_ref().try_into().expect("32 bytes")
}

/// What the client has of its password and the salt.
fn salted(salt: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let password = b"correct horse battery staple";
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        ITERATIONS,
        salt,
        password,
        &mut key,
    );
    key
}

fn first_answer(kept: &Kept, nonces: &str) -> String {
    format!("r={nonces},s={},i={ITERATIONS}", BASE64.encode(kept.salt))
}

fn signed(client_first: &str, server_first: &str, without_proof: &str) -> String {
    format!("{client_first},{server_first},{without_proof}")
}

pub(crate) fn scram() -> impl FnMut(&Host) {
    let salt = random();
    let key = salted(&salt);
    let client_key = mac(&key, b"Client Key");
    let kept = || Kept {
        salt,
        stored_key: digest(&SHA256, &client_key)
            .as_ref()
            .try_into()
            .expect("32 bytes"),
        server_key: mac(&key, b"Server Key"),
    };
    let clients: HashMap<_, _> = (0..CLIENTS)
        .map(|number| (client(number), kept()))
        .collect();
    let id = client(7);
    let client_nonce = BASE64.encode(random::<18>());
    let client_first = format!("n={id},r={client_nonce}");
    // What the client answers is to this nonce of the server; another one is drawn each time as well.
    let nonces = format!("{client_nonce}{}", BASE64.encode(random::<18>()));
    let server_first = first_answer(&clients[&id], &nonces);
    let without_proof = format!("c=biws,r={nonces}");
    let message = signed(&client_first, &server_first, &without_proof);
    let stored_key = clients[&id].stored_key;
    let mut proof = mac(&stored_key, message.as_bytes());
    proof
        .iter_mut()
        .zip(client_key)
        .for_each(|(byte, key)| *byte ^= key);
    let client_final = format!("{without_proof},p={}", BASE64.encode(proof));
    move |host| {
        let (name, nonce) = client_first.split_once(",r=").expect("two fields");
        let kept = &clients[&name[2..]];
        let drawn = format!("{nonce}{}", BASE64.encode(random::<18>()));
        black_box(first_answer(kept, &drawn));

        let kept = &clients[&name[2..]];
        let (without_proof, proof) = client_final.rsplit_once(",p=").expect("a proof");
        assert_eq!(
            without_proof.split_once(",r=").map(|(_, of)| of),
            Some(nonces.as_str())
        );
        let message = signed(&client_first, &server_first, without_proof);
        let mut client_key: [u8; 32] = BASE64
            .decode(proof)
            .expect("base64")
            .try_into()
            .expect("32 bytes");
        let signature = mac(&kept.stored_key, message.as_bytes());
        client_key
            .iter_mut()
            .zip(signature)
            .for_each(|(byte, of)| *byte ^= of);
        let stored = digest(&SHA256, &client_key);
        verify_slices_are_equal(stored.as_ref(), &kept.stored_key).expect("the password");
        let server_signature = mac(&kept.server_key, message.as_bytes());
        black_box(format!("v={}", BASE64.encode(server_signature)));
        host.let_in(&id);
    }
}
