//! Libraries that check tokens by what the service publishes: they are told its address and nothing else.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::scene::Scene;

/// Runs a program of `tests/protect` that checks a token, and sees that it takes this one and no other.
fn takes(command: &mut Command, scene: &Scene, algorithm: &str) {
    let token = scene.token(&scene.alice);
    let program = format!("{command:?}");
    let said = command
        .stdin(Stdio::null())
        .env("ISSUER", scene.server.base_url())
        .env("TOKEN", &token)
        .env("ALGORITHM", algorithm)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let (out, err) = (
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr),
    );
    assert!(said.status.success(), "{program}, {algorithm}:\n{out}{err}");
    assert!(out.contains("all took the token of alice"), "{out}{err}");
}

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("protect")
        .join(name)
}

#[test]
fn libraries_find_the_issuer_and_its_keys_and_take_its_tokens_of_either_algorithm() {
    let python = std::env::var_os("TWOFAPI_PYTHON");
    let python = python.expect("bindings/server-js/scripts/test says which Python has them");
    for (option, algorithm) in [("eddsa", "EdDSA"), ("es256", "ES256")] {
        let scene = Scene::new(&["--token-algorithm", option]);
        takes(
            Command::new("node").arg(program("libraries.mjs")),
            &scene,
            algorithm,
        );
        takes(
            Command::new(&python).arg(program("libraries.py")),
            &scene,
            algorithm,
        );
    }
}
