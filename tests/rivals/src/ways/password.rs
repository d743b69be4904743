//! A password, kept as Argon2id makes it at its crate's defaults.

use std::collections::HashMap;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use super::{CLIENTS, client};
use crate::host::Host;

pub(crate) fn argon2() -> impl FnMut(&Host) {
    // What is kept is as long for each; that all have one password costs the server as much.
    let kept = Argon2::default().hash_password(b"correct horse battery staple");
    let kept = kept.expect("a hash").to_string();
    let clients: HashMap<_, _> = (0..CLIENTS)
        .map(|number| (client(number), kept.clone()))
        .collect();
    let mut number = 0;
    move |host| {
        number = (number + 1) % CLIENTS;
        let id = client(number);
        let kept = PasswordHash::new(&clients[&id]).expect("a hash");
        Argon2::default()
            .verify_password(b"correct horse battery staple", &kept)
            .expect("the password");
        host.let_in(&id);
    }
}
