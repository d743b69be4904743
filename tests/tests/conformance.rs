//! The HTTP service on its embedded store does what every host does.

use std::{path::PathBuf, sync::Arc};

use serde_json::{Value, json};
use twofapi_conformance::{Act, Answer, HostUnderTest, Issued, run};
use twofapi_crypto_core::AuthenticationBinding;
use twofapi_tests::{Api, Server, ServerOptions, run_2fapi};

/// One client of a running service, and its operator.
struct Http {
    server: Arc<Server>,
    store: PathBuf,
    api: Api,
    token: Option<String>,
}

impl Http {
    fn post(&self, path: &str, token: Option<&str>, body: &Value) -> (Answer, Value) {
        let answer = self.api.post(path, token, body).expect("an answer");
        if answer.status < 300 {
            return (Answer::Accepted, answer.body);
        }
        (Answer::refused(answer.code()), answer.body)
    }

    fn operator(&self, args: &[&str]) -> Result<Value, Answer> {
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

impl HostUnderTest for Http {
    fn binding(&self) -> AuthenticationBinding {
        self.api.binding().clone()
    }

    fn enroll(&mut self, client_id: &str, commitment: &[u8], proof: &[u8]) -> Answer {
        // An id that is enrolled gets no invitation; the one that was made before tells it as well.
        let token = match self.operator(&["invite", client_id]) {
            Ok(answer) => answer["token"].as_str().expect("a token").to_owned(),
            Err(refused) => return refused,
        };
        let body = json!({
            "client_id": client_id,
            "commitment": hex::encode(commitment),
            "proof": hex::encode(proof),
        });
        self.post("/auth/zkp/enroll", Some(&token), &body).0
    }

    fn challenge(&mut self, client_id: &str) -> Result<Issued, Answer> {
        let body = json!({ "client_id": client_id });
        match self.post("/auth/zkp/challenge", None, &body) {
            (Answer::Accepted, body) => Ok(Issued {
                id: body["challenge_id"].as_str().expect("an id").to_owned(),
                nonce: hex::decode(body["nonce"].as_str().expect("a nonce")).expect("hex"),
            }),
            (refused, _) => Err(refused),
        }
    }

    fn authenticate(&mut self, _: &str, challenge_id: &str, proof: &[u8]) -> Answer {
        let body = json!({ "challenge_id": challenge_id, "proof": hex::encode(proof) });
        let (answer, body) = self.post("/auth/zkp/verify", None, &body);
        self.token = body["access_token"].as_str().map(str::to_owned);
        answer
    }

    fn rotate(
        &mut self,
        _: &str,
        challenge_id: &str,
        proof_old: &[u8],
        commitment_new: &[u8],
        proof_new: &[u8],
    ) -> Answer {
        let body = json!({
            "challenge_id": challenge_id,
            "proof_old": hex::encode(proof_old),
            "commitment_new": hex::encode(commitment_new),
            "proof_new": hex::encode(proof_new),
        });
        self.post("/auth/zkp/rotate", None, &body).0
    }

    fn operate(&mut self, client_id: &str, act: Act) -> Answer {
        let act = match act {
            Act::Suspend => "suspend",
            Act::Resume => "resume",
            Act::Revoke => "revoke",
        };
        match self.operator(&["clients", act, client_id]) {
            Ok(_) => Answer::Accepted,
            Err(refused) => refused,
        }
    }

    fn version(&mut self, client_id: &str) -> Option<u32> {
        let shown = self.operator(&["clients", "show", client_id]).ok()?;
        let version = shown["commitment_version"].as_u64().expect("a version");
        Some(version.try_into().expect("a version of 32 bits"))
    }

    fn whoami(&mut self) -> Option<String> {
        let answer = self
            .api
            .get("/auth/zkp/whoami", Some(self.token.as_deref()?));
        let body = answer.expect("an answer").body;
        body["client_id"].as_str().map(str::to_owned)
    }

    fn another(&self) -> Box<dyn HostUnderTest + Send> {
        Box::new(Self {
            server: Arc::clone(&self.server),
            store: self.store.clone(),
            api: self.api.clone(),
            token: None,
        })
    }
}

#[test]
fn the_service_on_its_embedded_store_does_what_every_host_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store.redb");
    let args = ["--rate-limit", "0"].map(str::to_owned).to_vec();
    let server = Server::start(&store, &ServerOptions { args });
    let api = Api::new(server.base_url());
    let mut host = Http {
        server: Arc::new(server),
        store,
        api,
        token: None,
    };
    run("service on redb", &mut host).assert_conformance();
}
