//! `@2fapi/server` does what every host does, in each framework and on each store. Needs the addon and the
//! servers that `make test-node` builds, and is run by it.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use twofapi_conformance::{Act, Answer, run};
use twofapi_tests::{
    Api,
    http_host::{HttpHost, Operator, word},
};

const AUDIENCE: &str = "https://api.example.com";

/// A service in Node, and its operator, who writes to its stdin.
struct Node {
    child: Child,
    /// What to write to and what to read from; nothing when the service is to end.
    pipes: Mutex<Option<(ChildStdin, Lines<BufReader<ChildStdout>>)>>,
    origin: String,
    /// Whether its clients are known by UUIDs only.
    has_uuids: bool,
    /// Whether they have several credentials.
    has_devices: bool,
}

impl Node {
    fn start(framework: &str, store: &str) -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bindings/server-js");
        let mut child = Command::new("node")
            .args(["--import", "tsx", "test/conformance-host.ts"])
            .args([framework, store, AUDIENCE])
            .current_dir(package)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let origin = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        let origin = origin.expect("the service listens; `make test-node` builds what it needs");
        Self {
            child,
            pipes: Mutex::new(Some((stdin, lines))),
            origin,
            has_uuids: store == "postgresStore",
            has_devices: store != "pgExtensionStore",
        }
    }

    fn ask(&self, act: &str, client_id: &str) -> Result<Value, Answer> {
        let mut pipes = self.pipes.lock().expect("no panic while asking");
        let (stdin, lines) = pipes.as_mut().expect("the service runs");
        writeln!(stdin, "{}", json!({ "act": act, "client_id": client_id })).expect("it listens");
        let line = lines.next().expect("the service runs").expect("text");
        let answer: Value = serde_json::from_str(&line).expect("JSON");
        match answer["code"].as_str() {
            Some(code) => Err(Answer::refused(code)),
            None => Ok(answer),
        }
    }
}

impl Operator for Node {
    fn client_id(&self, name: &str) -> String {
        if !self.has_uuids {
            return name.to_owned();
        }
        let hex = hex::encode(&Sha256::digest(name)[..16]);
        let cuts = [0..8, 8..12, 12..16, 16..20, 20..32];
        cuts.map(|cut| &hex[cut]).join("-")
    }

    fn has_devices(&self) -> bool {
        self.has_devices
    }

    fn invite(&self, client_id: &str) -> Result<String, Answer> {
        let answer = self.ask("invite", client_id)?;
        Ok(answer["token"].as_str().expect("a token").to_owned())
    }

    fn operate(&self, client_id: &str, act: Act) -> Answer {
        match self.ask(word(act), client_id) {
            Ok(_) => Answer::Accepted,
            Err(refused) => refused,
        }
    }

    fn version(&self, client_id: &str) -> Option<u32> {
        let answer = self.ask("version", client_id).expect("an answer");
        let version = answer["version"].as_u64()?;
        Some(version.try_into().expect("a version of 32 bits"))
    }
}

impl Drop for Node {
    /// The end of its stdin has the service stop the server it has started; it is killed only if it hangs.
    fn drop(&mut self) {
        if let Ok(mut pipes) = self.pipes.lock() {
            pipes.take();
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn does_what_every_host_does(framework: &str, store: &str) {
    let node = Node::start(framework, store);
    let api = Api::with_audience(&node.origin, AUDIENCE);
    let mut host = HttpHost::new(api, Arc::new(node));
    let name = format!("@2fapi/server, {framework}, {store}");
    run(&name, &mut host).assert_conformance();
}

macro_rules! hosts {
    ($($test:ident: $framework:literal on $store:literal;)*) => {$(
        #[test]
        fn $test() {
            does_what_every_host_does($framework, $store);
        }
    )*};
}

hosts! {
    express_on_memory_does_what_every_host_does: "Express" on "memoryStore";
    fastify_on_memory_does_what_every_host_does: "Fastify" on "memoryStore";
    hono_on_memory_does_what_every_host_does: "Hono" on "memoryStore";
    keys_in_redis_do_what_every_host_does: "Express" on "redisStore";
    a_table_in_postgresql_does_what_every_host_does: "Express" on "postgresStore";
    redis_2fapi_behind_it_does_what_every_host_does: "Fastify" on "redisModuleStore";
    pg_2fapi_behind_it_does_what_every_host_does: "Hono" on "pgExtensionStore";
}
