//! A service with a client that may read reports and one that may not.

use serde_json::Value;
use tempfile::TempDir;
use twofapi_tests::{Api, Enrolled, Server, ServerOptions, run_2fapi};

pub(crate) struct Scene {
    pub(crate) server: Server,
    store: String,
    /// May read reports.
    pub(crate) alice: Enrolled,
    pub(crate) bob: Enrolled,
    _dir: TempDir,
}

impl Scene {
    pub(crate) fn new(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("store.redb");
        let store = path.to_str().expect("the path is UTF-8").to_owned();
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let server = Server::start(&path, &ServerOptions { args });
        let api = Api::new(server.base_url());
        let enrolled = |name: &str| {
            let (client, answer) = api.enrol(name, &server.invite(name)).expect("an answer");
            assert_eq!(answer.status, 201, "{answer:?}");
            client
        };
        let (alice, bob) = (enrolled("alice"), enrolled("bob"));
        let scene = Self {
            server,
            store,
            alice,
            bob,
            _dir: dir,
        };
        scene.operator(&["clients", "set", "alice", "--scopes", "reports:read other"]);
        scene.operator(&[
            "clients",
            "set",
            "bob",
            "--scopes",
            "reports:read-not other",
        ]);
        scene
    }

    /// What an operator says.
    pub(crate) fn operator(&self, args: &[&str]) -> Value {
        let args = [&["--json"], args, &["--store", &self.store]].concat();
        let said = run_2fapi(&args);
        let stderr = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{args:?}: {stderr}");
        serde_json::from_slice(&said.stdout).expect("JSON")
    }

    /// An access token.
    pub(crate) fn token(&self, client: &Enrolled) -> String {
        let answer = Api::new(self.server.base_url()).log_in(client);
        let answer = answer.expect("an answer");
        let token = answer.body["access_token"].as_str();
        token.unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }
}
