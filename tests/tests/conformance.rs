//! The HTTP service on its embedded store does what every host does.

use std::{path::PathBuf, sync::Arc};

use serde_json::Value;
use twofapi_conformance::{Act, Answer, run};
use twofapi_tests::{
    Api, Server, ServerOptions,
    http_host::{HttpHost, Operator, word},
    run_2fapi,
};

/// The operator of a running service, who has its command and its store.
struct Command {
    _server: Server,
    store: PathBuf,
}

impl Command {
    fn run(&self, args: &[&str]) -> Result<Value, Answer> {
        let store = self.store.to_str().expect("the path is UTF-8");
        let args = [&["--json"], args, &["--store", store]].concat();
        let output = run_2fapi(&args);
        let text = if output.status.success() {
            output.stdout
        } else {
            output.stderr
        };
        let answer: Value = serde_json::from_slice(&text).unwrap_or(Value::Null);
        if output.status.success() {
            return Ok(answer);
        }
        let code = answer["code"].as_str().or(answer["error"]["code"].as_str());
        Err(Answer::refused(code.unwrap_or("no code")))
    }
}

impl Operator for Command {
    fn invite(&self, client_id: &str) -> Result<String, Answer> {
        let answer = self.run(&["invite", client_id])?;
        Ok(answer["token"].as_str().expect("a token").to_owned())
    }

    fn operate(&self, client_id: &str, act: Act) -> Answer {
        match self.run(&["clients", word(act), client_id]) {
            Ok(_) => Answer::Accepted,
            Err(refused) => refused,
        }
    }

    fn version(&self, client_id: &str) -> Option<u32> {
        let shown = self.run(&["clients", "show", client_id]).ok()?;
        let version = shown["commitment_version"].as_u64().expect("a version");
        Some(version.try_into().expect("a version of 32 bits"))
    }
}

#[test]
fn the_service_on_its_embedded_store_does_what_every_host_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store.redb");
    let args = ["--rate-limit", "0"].map(str::to_owned).to_vec();
    let server = Server::start(&store, &ServerOptions { args });
    let api = Api::new(server.base_url());
    let operator = Command {
        _server: server,
        store,
    };
    let mut host = HttpHost::new(api, Arc::new(operator));
    run("service on redb", &mut host).assert_conformance();
}
