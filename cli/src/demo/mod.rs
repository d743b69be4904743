//! `2fapi demo`: the whole protocol before your eyes, between a real server and a client that
//! speaks HTTP with it, and the attacks that it refuses.

use std::{fs, os::unix::process::CommandExt, path::PathBuf};

use getrandom::SysRng;
use serde_json::{Value, json};
use twofapi_crypto_core::{
    Audience, Authentication, AuthenticationBinding, ClientId, Credential, Enrolment, Nonce, Proof,
    Rotation, prove,
};
use ureq::http::StatusCode;

use super::{Output, demo_page};
use narrator::Narrator;
use server::{Server, Traces};
use twofapi_client::{
    Failure, HttpClient, credential,
    credential::OpenedCredential,
    exchange::{Exchange, IssuedChallenge},
};

mod narrator;
mod server;

const ELSEWHERE: &str = "https://elsewhere.example";

const NEXT: &str = "\
The server is stopped, and its files are removed.

Next, for real:
  2fapi serve                            (in one terminal)
  2fapi keygen alice                     (in another)
  2fapi invite alice | 2fapi enroll alice --server http://127.0.0.1:7250 --token -
  2fapi login alice --server http://127.0.0.1:7250 --save
  2fapi whoami alice

In a browser:
  2fapi serve --demo                     (a page to try it on; `make sdk` builds what it needs)";

/// Everything that the story needs while it is told.
struct Demo {
    narrator: Narrator,
    server: Server,
    exchange: Exchange,
    alice: OpenedCredential,
    directory: PathBuf,
}

/// An answer as it came.
struct Answer {
    status: StatusCode,
    body: Value,
}

impl Answer {
    fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_default().to_owned()
    }

    fn is(&self, status: StatusCode) -> bool {
        self.status == status
    }

    fn is_denial(&self) -> bool {
        self.is(StatusCode::UNAUTHORIZED) && self.body["code"] == "denied"
    }
}

pub(super) fn run(out: Output) -> Result<(), Failure> {
    let traces = Traces::default();
    traces
        .remove_on_signal()
        .map_err(|error| Failure::unavailable(format!("cannot wait for signals: {error}")))?;
    let told = tell(out, &traces);
    let removed = traces.remove();
    let narrator = told?;
    removed?;
    narrator.end(NEXT)?;
    open_page(out)
}

/// Goes on as a server of the page where a person sits before it and can end it; elsewhere the
/// demonstration ends by itself.
fn open_page(out: Output) -> Result<(), Failure> {
    if !out.is_for_a_person() || demo_page::sdk().is_none() {
        return Ok(());
    }
    out.line("\nAnd a page to try it on, until you press Ctrl-C, at the address below.")?;
    let error = server::program()?
        .args(["serve", "--demo", "--listen", "127.0.0.1:0"])
        .env("TWOFAPI_LOG", "warn")
        .exec();
    Err(Failure::unavailable(format!(
        "cannot start a server: {error}"
    )))
}

fn tell(out: Output, traces: &Traces) -> Result<Narrator, Failure> {
    let mut demo = Demo::begin(out, traces)?;
    demo.enrol()?;
    let (name, proof, token) = demo.authenticate()?;
    demo.refuse_replay(&name, &proof)?;
    demo.refuse_tampered_proof()?;
    demo.refuse_proof_for_another_audience()?;
    demo.refuse_wrong_secret_and_unknown_client_alike()?;
    demo.rotate(&token)?;
    Ok(demo.narrator)
}

impl Demo {
    fn begin(out: Output, traces: &Traces) -> Result<Self, Failure> {
        let directory = traces.directory()?;
        let mut narrator = Narrator::new(out);
        narrator.step("A server starts, on an empty store of its own")?;
        let server = Server::start(&directory, traces)?;
        narrator.exchange(
            "$ 2fapi serve --listen 127.0.0.1:0 --store store.redb",
            &Value::Null,
            "",
            &json!({ "listening on": server.url.to_string() }),
        )?;

        narrator.step("The client makes a credential; the secret never leaves its file")?;
        let path = directory.join("alice.json");
        let alice = credential::create(path, ClientId::parse("alice")?, None)?;
        narrator.exchange(
            "$ 2fapi keygen alice",
            &Value::Null,
            "",
            &json!({
                "commitment": hex::encode(alice.commitment().as_bytes()),
                "secret, blinding": "in alice.json, mode 0600",
            }),
        )?;

        let http = HttpClient::new(server.url.clone(), false)?;
        let audience = Audience::parse(server.url.origin())?;
        Ok(Self {
            narrator,
            exchange: Exchange::new(http, audience),
            server,
            alice,
            directory,
        })
    }

    fn enrol(&mut self) -> Result<(), Failure> {
        self.narrator
            .step("The operator invites alice: an enrolment token, good once")?;
        let invited = self.server.operator(&["invite", "alice"])?;
        self.narrator
            .exchange("$ 2fapi invite alice", &Value::Null, "", &invited)?;
        let token = invited["token"].as_str().unwrap_or_default().to_owned();

        self.narrator
            .step("Alice enrols: her commitment, and a proof that she holds what it commits to")?;
        let statement = Enrolment {
            client_id: &self.alice.client_id,
        };
        let proof = prove(&self.alice.credential, &statement, &mut SysRng)?;
        let answer = self.post(
            "/auth/zkp/enroll",
            Some(&token),
            &json!({
                "client_id": "alice",
                "commitment": hex::encode(self.alice.commitment().as_bytes()),
                "proof": hex::encode(proof.to_bytes()),
            }),
        )?;
        self.narrator
            .expect(answer.is(StatusCode::CREATED), "alice is enrolled")?;

        self.narrator.step("What the server knows of alice now")?;
        let stored = self.server.operator(&["clients", "show", "alice"])?;
        self.narrator
            .exchange("$ 2fapi clients show alice", &Value::Null, "", &stored)?;
        let store = fs::read(&self.server.store)
            .map_err(|error| Failure::unavailable(format!("cannot read the store: {error}")))?;
        let holds = |bytes: &[u8]| {
            let found = |needle: &[u8]| store.windows(needle.len()).any(|part| part == needle);
            found(bytes) || found(hex::encode(bytes).as_bytes())
        };
        self.narrator.expect(
            holds(self.alice.commitment().as_bytes()),
            "the store's file has the commitment",
        )?;
        self.narrator.expect(
            !holds(self.alice.credential.secret_bytes().as_ref())
                && !holds(self.alice.credential.blinding_bytes().as_ref()),
            "and neither the secret nor the blinding, in bytes or in hex: there is nothing to steal",
        )
    }

    /// Gives the challenge that was used, the proof and the access token.
    fn authenticate(&mut self) -> Result<(String, Proof, String), Failure> {
        self.narrator
            .step("Alice asks for a challenge: a nonce, computed and not stored")?;
        let challenge = self.shown_challenge("alice")?;

        self.narrator
            .step("She proves over the nonce, for this server alone, and gets an access token")?;
        self.narrator
            .say("an announcement and two responses, 96 bytes; no secret is among them")?;
        let proof = self.proof(&self.alice.credential, &challenge, &challenge.binding)?;
        let answer = self.verify(&challenge.name, &proof)?;
        self.narrator
            .expect(answer.is(StatusCode::OK), "the proof is accepted")?;
        let token = answer.text("access_token");

        self.narrator
            .step("With the token she opens a protected resource")?;
        let answer = self.whoami(Some(&token))?;
        self.narrator.expect(
            answer.is(StatusCode::OK) && answer.body["client_id"] == "alice",
            "the server knows her",
        )?;
        let answer = self.whoami(None)?;
        self.narrator.expect(
            answer.is(StatusCode::UNAUTHORIZED),
            "and nobody comes in without a token",
        )?;
        Ok((challenge.name, proof, token))
    }

    fn refuse_replay(&mut self, name: &str, proof: &Proof) -> Result<(), Failure> {
        self.narrator
            .step("Attack: somebody saw that proof on its way and sends it again")?;
        let answer = self.verify(name, proof)?;
        self.narrator.expect(
            answer.is_denial(),
            "refused: a challenge is good for one attempt",
        )
    }

    fn refuse_tampered_proof(&mut self) -> Result<(), Failure> {
        self.narrator
            .step("Attack: one bit of a good proof is changed on its way")?;
        let challenge = self.challenge("alice")?;
        let proof = self.proof(&self.alice.credential, &challenge, &challenge.binding)?;
        let mut bytes = proof.to_bytes();
        bytes[Proof::LEN / 2] ^= 1;
        let answer = self.verify(&challenge.name, &Proof::from_bytes(&bytes)?)?;
        self.narrator
            .expect(answer.is_denial(), "refused: the equation does not hold")
    }

    fn refuse_proof_for_another_audience(&mut self) -> Result<(), Failure> {
        self.narrator.step(
            "Attack: a rogue server gets alice to prove over this server's nonce, and sends it here",
        )?;
        let challenge = self.challenge("alice")?;
        let rogue = AuthenticationBinding::for_audience(&Audience::parse(ELSEWHERE)?);
        self.narrator
            .say(&format!("alice proves to {ELSEWHERE}, as she believes"))?;
        let proof = self.proof(&self.alice.credential, &challenge, &rogue)?;
        let answer = self.verify(&challenge.name, &proof)?;
        self.narrator.expect(
            answer.is_denial(),
            "refused: a proof for one audience is worth nothing to another",
        )
    }

    fn refuse_wrong_secret_and_unknown_client_alike(&mut self) -> Result<(), Failure> {
        self.narrator
            .step("Attack: mallory guesses, as alice and as somebody who was never enrolled")?;
        let guess = Credential::generate(&mut SysRng)?;
        let mut answers = Vec::new();
        for client_id in ["alice", "nobody"] {
            let challenge = self.challenge(client_id)?;
            let id = ClientId::parse(client_id)?;
            let statement = Authentication {
                client_id: &id,
                nonce: &challenge.nonce,
                binding: &challenge.binding,
            };
            let proof = prove(&guess, &statement, &mut SysRng)?;
            answers.push(self.verify(&challenge.name, &proof)?);
        }
        self.narrator.expect(
            answers.iter().all(Answer::is_denial),
            "refused: the secret has 252 bits, and nothing to guess it by",
        )?;
        let alike = answers.windows(2).all(|pair| pair[0].body == pair[1].body);
        self.narrator.expect(
            alike,
            "both answers are the same: nobody learns who is enrolled",
        )
    }

    fn rotate(&mut self, old_token: &str) -> Result<(), Failure> {
        self.narrator
            .step("Alice replaces her credential, proving that she holds both")?;
        let next = credential::create(
            self.directory.join("alice.json.next"),
            self.alice.client_id.clone(),
            None,
        )?;
        let challenge = self.challenge("alice")?;
        let client_id = &self.alice.client_id;
        let statement = Rotation::new(
            client_id,
            &challenge.nonce,
            next.commitment(),
            &challenge.binding,
        )?;
        let proof_old = prove(&self.alice.credential, &statement, &mut SysRng)?;
        let proof_new = prove(&next.credential, &Enrolment { client_id }, &mut SysRng)?;
        let answer = self.post(
            "/auth/zkp/rotate",
            None,
            &json!({
                "challenge_id": challenge.name,
                "proof_old": hex::encode(proof_old.to_bytes()),
                "commitment_new": hex::encode(next.commitment().as_bytes()),
                "proof_new": hex::encode(proof_new.to_bytes()),
            }),
        )?;
        self.narrator.expect(
            answer.is(StatusCode::OK) && answer.body["commitment_version"] == 2,
            "the new commitment is in force, as version 2",
        )?;

        let challenge = self.challenge("alice")?;
        let proof = self.proof(&self.alice.credential, &challenge, &challenge.binding)?;
        let answer = self.verify(&challenge.name, &proof)?;
        self.narrator
            .expect(answer.is_denial(), "the old credential is refused")?;
        let answer = self.whoami(Some(old_token))?;
        self.narrator.expect(
            answer.is(StatusCode::UNAUTHORIZED),
            "and so is the token that it gave",
        )?;
        let challenge = self.challenge("alice")?;
        let proof = self.proof(&next.credential, &challenge, &challenge.binding)?;
        let answer = self.verify(&challenge.name, &proof)?;
        self.narrator
            .expect(answer.is(StatusCode::OK), "the new credential logs in")
    }

    /// Asks for a challenge as every client of ours does, and shows what came.
    fn shown_challenge(&mut self, client_id: &str) -> Result<IssuedChallenge, Failure> {
        let request = json!({ "client_id": client_id });
        let answer = self.post("/auth/zkp/challenge", None, &request)?;
        let answer = serde_json::from_value(answer.body)
            .map_err(|_| self.exchange.http().bad_answer("it is no challenge"))?;
        self.exchange.checked(&ClientId::parse(client_id)?, answer)
    }

    /// The same in one line.
    fn challenge(&mut self, client_id: &str) -> Result<IssuedChallenge, Failure> {
        let challenge = self.exchange.challenge(&ClientId::parse(client_id)?)?;
        self.narrator
            .say(&format!("a fresh challenge: {}", challenge.name))?;
        Ok(challenge)
    }

    fn proof(
        &self,
        credential: &Credential,
        challenge: &IssuedChallenge,
        binding: &AuthenticationBinding,
    ) -> Result<Proof, Failure> {
        let nonce: &Nonce = &challenge.nonce;
        let statement = Authentication {
            client_id: &self.alice.client_id,
            nonce,
            binding,
        };
        Ok(prove(credential, &statement, &mut SysRng)?)
    }

    fn verify(&mut self, name: &str, proof: &Proof) -> Result<Answer, Failure> {
        self.post(
            "/auth/zkp/verify",
            None,
            &json!({ "challenge_id": name, "proof": hex::encode(proof.to_bytes()) }),
        )
    }

    fn post(&mut self, path: &str, bearer: Option<&str>, body: &Value) -> Result<Answer, Failure> {
        let response = self.exchange.http().post_raw(path, bearer, body)?;
        let mut sent = body.clone();
        if let Some(token) = bearer {
            sent["Authorization"] = json!(format!("Bearer {token}"));
        }
        self.show(&format!("POST {path}"), &sent, &response)
    }

    fn whoami(&mut self, bearer: Option<&str>) -> Result<Answer, Failure> {
        let path = "/auth/zkp/whoami";
        let response = self.exchange.http().get_raw(path, bearer)?;
        let sent = match bearer {
            Some(token) => json!({ "Authorization": format!("Bearer {token}") }),
            None => Value::Null,
        };
        self.show(&format!("GET {path}"), &sent, &response)
    }

    fn show(
        &mut self,
        what: &str,
        sent: &Value,
        response: &ureq::http::Response<Vec<u8>>,
    ) -> Result<Answer, Failure> {
        let answer = Answer {
            status: response.status(),
            body: serde_json::from_slice(response.body()).unwrap_or(Value::Null),
        };
        self.narrator
            .exchange(what, sent, &answer.status.to_string(), &answer.body)?;
        Ok(answer)
    }
}
