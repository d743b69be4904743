//! Whatever becomes of a client's credentials is in the log, and nothing that would let its reader in.

use serde_json::{Value, json};

use crate::{
    client::{Answer, CHALLENGE, Client, ENROLL, JOIN, LINK, OFFER, UNLINK, possession, post},
    process::{Process, run, serve, stderr},
};

struct Scene {
    server: Process,
    secrets: Vec<String>,
}

impl Scene {
    fn post(&mut self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        for field in ["proof", "proof_new"] {
            self.secrets.extend(body[field].as_str().map(str::to_owned));
        }
        post(&self.server.base_url, path, token, body)
    }

    fn challenge(&mut self) -> Answer {
        let challenge = self.post(CHALLENGE, None, &json!({ "client_id": "alice" }));
        self.secrets.push(challenge.text("nonce").to_owned());
        challenge
    }

    fn link(&mut self, by: &Client, new: &Client, is_here: bool) -> Answer {
        let (challenge, binding) = (self.challenge(), self.server.binding());
        let mut body = json!({
            "challenge_id": challenge.body["challenge_id"],
            "proof": by.linking(new, &challenge, &binding),
            "commitment_new": new.commitment(),
        });
        if is_here {
            body["proof_new"] = new.joining(&challenge, &binding);
            body["name"] = "laptop".into();
        }
        self.post(LINK, None, &body)
    }

    fn unlink(&mut self, by: &Client, old: &Client) -> Answer {
        let (challenge, binding) = (self.challenge(), self.server.binding());
        let body = json!({
            "challenge_id": challenge.body["challenge_id"],
            "proof": by.unlinking(old, &challenge, &binding),
            "commitment_old": old.commitment(),
        });
        self.post(UNLINK, None, &body)
    }

    fn offer(&mut self, token: &str) -> Answer {
        let challenge = self.challenge();
        let body = json!({ "challenge_id": challenge.body["challenge_id"] });
        assert_eq!(self.post(OFFER, Some(token), &body).status, 200);
        challenge
    }

    fn join(&mut self, device: &Client, offer: &Answer) -> Answer {
        let body = json!({
            "challenge_id": offer.body["challenge_id"],
            "commitment": device.commitment(),
            "proof": device.joining(offer, &self.server.binding()),
            "name": "phone",
        });
        self.post(JOIN, None, &body)
    }
}

#[test]
fn every_change_of_a_clients_credentials_is_in_the_log_and_nothing_that_lets_in() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let path = store.to_str().unwrap();
    let mut command = serve(&store, &["--json-logs"]);
    command.env("TWOFAPI_LOG", "trace");
    let mut scene = Scene {
        server: Process::spawn(command),
        secrets: Vec::new(),
    };
    let operate = |args: &[&str]| {
        let output = run(&[&["--json"], args, &["--store", path]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let (first, token) = scene.server.enrol("alice", &store);
    scene.secrets.push(token);
    let (_, session) = scene.server.log_in(&first);
    scene
        .secrets
        .push(session.rsplit('.').next().unwrap().into());
    let [here, second, stranger, anew] = [(); 4].map(|()| first.device());

    assert_eq!(scene.link(&first, &here, true).status, 200);
    assert_eq!(scene.unlink(&first, &here).status, 200);
    let offer = scene.offer(&session);
    assert_eq!(scene.join(&second, &offer).status, 200);
    assert_eq!(scene.join(&stranger, &offer).status, 401);
    let offer = scene.offer(&session);
    assert_eq!(scene.join(&second, &offer).status, 200);
    assert_eq!(scene.link(&first, &second, false).status, 200);
    assert_eq!(scene.unlink(&stranger, &second).status, 401);
    operate(&[
        "clients",
        "set",
        "alice",
        "--credential",
        &second.credential_id(),
        "--expires",
        "1d",
    ]);
    operate(&["clients", "set", "alice", "--tenant", "acme"]);
    operate(&["clients", "end-sessions", "alice"]);
    operate(&["clients", "suspend", "alice"]);
    operate(&["clients", "resume", "alice"]);
    operate(&["invite", "alice", "--reset"]);
    operate(&["invite", "alice", "--cancel"]);
    let token = operate(&["invite", "alice", "--reset"])["token"].clone();
    let token = token.as_str().unwrap();
    scene.secrets.push(token.to_owned());
    let body = possession("alice", &anew.credential);
    assert_eq!(scene.post(ENROLL, Some(token), &body).status, 201);
    operate(&["clients", "revoke", "alice"]);
    let log = scene.server.stop();

    let ids = [&first, &here, &second, &anew].map(Client::credential_id);
    let [first, here, second, anew] = ids.each_ref().map(String::as_str);
    for said in [
        &["enrolled", first][..],
        &["linked", here, first, "false"],
        &["unlinked", here, first],
        &["offered a link", first],
        &["a second device joined an offer"],
        &["two devices joined one offer"],
        &["linked", second, first, "true"],
        &["denied", "Proof"],
        &["expiry of a credential set"],
        &["attributes set"],
        &["sessions ended"],
        &["suspended"],
        &["resumed"],
        &["invited to reset"],
        &["invitations cancelled"],
        &["\"reset\"", anew],
        &["revoked"],
    ] {
        let is_said = |line: &str| said.iter().all(|word| line.contains(word));
        let line = log.lines().find(|line| is_said(line));
        let line = line.unwrap_or_else(|| panic!("{said:?} is not in the log:\n{log}"));
        assert!(line.contains("alice"), "{line}");
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    assert!(scene.secrets.len() > 15);
    for secret in &scene.secrets {
        assert!(
            secret.len() > 20 && !log.contains(secret),
            "it is logged: {secret}"
        );
    }
}
