//! Client libraries as applications use them, with the helpers of `clients/`: the README's examples, a
//! pool over the end of sessions, a hardened cluster.

use std::{
    env,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use redis::{Connection, Value, cmd};
use tempfile::TempDir;
use twofapi_crypto_core::CredentialId;
use twofapi_tests_redis::{
    OPERATOR_PASSWORD, Server, printed_client_rule, readme_block, wait_until,
};

use crate::ask;

fn libraries() -> PathBuf {
    env::var_os("TWOFAPI_REDIS_LIBRARIES")
        .map(PathBuf::from)
        .expect("TWOFAPI_REDIS_LIBRARIES, set by scripts/run")
}

fn operator(server: &Server) -> Connection {
    let mut connection = server.connect();
    ask(&mut connection, &["AUTH", "operator", OPERATOR_PASSWORD]).unwrap();
    connection
}

/// A home with the command `2fapi` and alice's credential in it. A link: a program that this process
/// writes cannot be run while a child of another test still holds the file open (ETXTBSY).
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let command = env::var("TWOFAPI_COMMAND").expect("TWOFAPI_COMMAND, set by scripts/run");
        symlink(command, folder.path().join("2fapi")).unwrap();
        let home = Self { folder };
        home.says("2fapi", &["keygen", "alice"]);
        home
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let path = format!(
            "{}:{}",
            self.folder.path().display(),
            env::var("PATH").unwrap()
        );
        let mut command = Command::new(program);
        command
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env_remove("XDG_DATA_HOME")
            .current_dir(libraries())
            .stdin(Stdio::null());
        command
    }

    fn says(&self, program: &str, arguments: &[&str]) -> String {
        let program = match program {
            "2fapi" => self.folder.path().join("2fapi"),
            other => Path::new(other).to_owned(),
        };
        let output = self.command(&program).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program:?}: {said}\n{errors}");
        said
    }

    fn python(&self, script: &str) -> String {
        let python = libraries().join("bin/python");
        self.says(python.to_str().unwrap(), &["-c", script])
    }

    fn node(&self, script: &str) -> String {
        self.says("node", &["--input-type=module", "-e", script])
    }

    fn commitment(&self) -> String {
        let shown = self.says("2fapi", &["show", "alice"]);
        let commitment = shown
            .lines()
            .find_map(|line| line.strip_prefix("commitment"));
        commitment.expect("a commitment").trim().to_owned()
    }

    /// Enrols alice, on each server that would be her home.
    fn enrol(&self, at: &mut Connection, more_rights: &[&str]) -> bool {
        let _: Value = cmd("ACL")
            .arg(&["SETUSER", "client-alice"])
            .arg(printed_client_rule("alice"))
            .arg("~client:{alice}:*")
            .arg(more_rights)
            .query(at)
            .unwrap();
        let commitment = self.commitment();
        let proof = self.says("2fapi", &["prove", "alice", "--enrollment"]);
        let words = [
            "2FAPI.ENROLL",
            "alice",
            &commitment,
            "PROOF",
            &proof,
            "USER",
            "client-alice",
        ];
        match ask(at, &words) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.code(), Some("MOVED"), "{error}");
                false
            }
        }
    }
}

fn scene(options: &[&str]) -> (Server, Connection, Home) {
    let server = Server::start_hardened(options);
    let mut operator = operator(&server);
    let home = Home::new();
    assert!(home.enrol(&mut operator, &[]));
    (server, operator, home)
}

fn takes_a_proof_by_auth(operator: &mut Connection) -> bool {
    let info: String = cmd("INFO").arg("everything").query(operator).unwrap();
    info.contains("auth_by_proof:yes")
}

/// A README block, for the server of a test.
fn example(block: &str, port: u16) -> String {
    readme_block(block).replace("6379", &port.to_string())
}

#[test]
fn the_examples_for_libraries_work_line_by_line() {
    let (server, mut operator, home) = scene(&[]);
    let said = home.python(&example("py library", server.port()));
    assert_eq!(said, "[1, b'hello'] b'alice'");
    let said = home.node(&example("js ioredis", server.port()));
    assert!(said.contains("hello") && said.ends_with("alice"), "{said}");
    if takes_a_proof_by_auth(&mut operator) {
        let said = home.node(&example("js node-redis", server.port()));
        assert!(said.contains("hello") && said.ends_with("alice"), "{said}");
    }
    // What the libraries say by themselves when they connect is allowed to everybody.
    let log = format!("{:?}", ask(&mut operator, &["ACL", "LOG"]).unwrap());
    for word in ["setname", "setinfo", "select", "hello"] {
        assert!(!log.to_lowercase().contains(word), "{word}: {log}");
    }
}

#[test]
fn a_linked_device_says_in_each_library_which_credential_is_its_own() {
    let (server, mut operator, phone) = scene(&[]);
    let (port, laptop) = (server.port(), Home::new());
    let (challenge, nonce): (String, String) = cmd("2FAPI.CHALLENGE")
        .arg("alice")
        .query(&mut operator)
        .unwrap();
    let commitment = laptop.commitment();
    let prove = ["prove", "alice", "--nonce", &nonce];
    let linking = phone.says("2fapi", &[&prove[..], &["--linking", &commitment]].concat());
    let joining = laptop.says("2fapi", &[&prove[..], &["--joining"]].concat());
    let words = [
        "2FAPI.LINK",
        "alice",
        &challenge,
        &linking,
        &commitment,
        "PROOF",
        &joining,
        "NAME",
        "laptop",
    ];
    assert_eq!(ask(&mut operator, &words), Ok(Value::Okay));
    let bytes = hex::decode(&commitment).unwrap();
    let id = CredentialId::of(bytes.as_slice().try_into().unwrap());

    let python = |named: &str| {
        laptop.python(&format!(
            r#"
import redis
from twofapi_redis import by_command, proving
alice = redis.Redis(port={port}, redis_connect_func=proving("alice", by_command("alice"){named}))
try:
    print(alice.execute_command("2FAPI.WHOAMI"))
except redis.ResponseError as error:
    print(error)
"#
        ))
    };
    assert_eq!(python(&format!(", \"{id}\"")), "b'alice'");
    assert!(python("").starts_with("DENIED"));
    let said = laptop.node(&format!(
        "
import Redis from 'ioredis';
import {{ byCommand, proving }} from './ioredis.mjs';
const alice = new Redis({{ port: {port}, Connector: proving('alice', byCommand('alice'), '{id}') }});
console.log(await alice.call('2FAPI.WHOAMI'));
alice.disconnect();
"
    ));
    assert_eq!(said, "alice");
    if takes_a_proof_by_auth(&mut operator) {
        let said = laptop.node(&format!(
            "
import {{ createClient }} from 'redis';
import {{ byCommand, proving }} from './node-redis.mjs';
const socket = {{ host: '127.0.0.1', port: {port} }};
const credentialsProvider = proving('alice', byCommand('alice'), socket, '{id}');
const alice = createClient({{ socket, credentialsProvider }});
alice.on('error', (error) => console.error(error.message));
await alice.connect();
console.log(await alice.sendCommand(['2FAPI.WHOAMI']));
alice.destroy();
"
        ));
        assert_eq!(said, "alice");
    }
}

#[test]
fn a_pool_outlives_its_sessions() {
    let (server, mut operator, home) = scene(&["--2fapi.session-ttl", "1"]);
    let port = server.port();
    let said = home.python(&format!(
        r#"
import redis, threading, time
from twofapi_redis import by_command, proving
alice = redis.Redis(port={port}, db=1, client_name="app", max_connections=8,
                    redis_connect_func=proving("alice", by_command("alice")))
def work():
    for _ in range(25):
        alice.incr("client:{{alice}}:python")
        time.sleep(.1)
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(alice.get("client:{{alice}}:python"))
"#
    ));
    // One that was under way when its connection was closed may have been done twice.
    let count: u32 = said.trim_matches(['b', '\'']).parse().unwrap();
    assert!((100..110).contains(&count), "{said}");
    let loop_in_node = "
let [done, failed] = [0, 0];
for (let i = 0; i < 25; i++) {
  await alice.set('client:{alice}:node', String(i)).then(() => done++, () => failed++);
  await new Promise((resolve) => setTimeout(resolve, 100));
}
console.log(done >= 20 ? 'enough' : `only ${done}, ${failed} failed`);
";
    let said = home.node(&format!(
        "
import Redis from 'ioredis';
import {{ byCommand, proving }} from './ioredis.mjs';
const alice = new Redis({{ port: {port}, db: 1, connectionName: 'app', Connector: proving('alice', byCommand('alice')) }});
{loop_in_node}
alice.disconnect();
"
    ));
    assert_eq!(said, "enough");
    if takes_a_proof_by_auth(&mut operator) {
        let said = home.node(&format!(
            "
import {{ createClient }} from 'redis';
import {{ byCommand, proving }} from './node-redis.mjs';
const socket = {{ host: '127.0.0.1', port: {port} }};
const alice = createClient({{ socket, name: 'app', credentialsProvider: proving('alice', byCommand('alice'), socket) }});
alice.on('error', () => {{}});
await alice.connect();
{loop_in_node}
alice.destroy();
"
        ));
        assert_eq!(said, "enough");
    }
    // A client that is suspended is told so, and not for ever tried again.
    ask(&mut operator, &["2FAPI.SUSPEND", "alice"]).unwrap();
    let said = home.python(&format!(
        r#"
import redis
from twofapi_redis import by_command, proving
try:
    redis.Redis(port={port}, redis_connect_func=proving("alice", by_command("alice"))).ping()
except redis.ResponseError as error:
    print(error)
"#
    ));
    assert!(said.starts_with("DENIED"), "{said}");
}

#[test]
fn libraries_find_their_way_in_a_hardened_cluster() {
    let nodes: Vec<Server> = (0..3)
        .map(|_| Server::start_hardened(&["--cluster-enabled", "yes"]))
        .collect();
    let mut create = Command::new("redis-cli");
    create.args([
        "--user",
        "operator",
        "--pass",
        OPERATOR_PASSWORD,
        "--no-auth-warning",
    ]);
    create.args(["--cluster", "create"]);
    create.args(
        nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port())),
    );
    let created = create.arg("--cluster-yes").output().unwrap();
    assert!(
        created.status.success(),
        "{}",
        String::from_utf8_lossy(&created.stdout)
    );
    let home = Home::new();
    let mut homes = 0;
    for node in &nodes {
        let mut operator = operator(node);
        wait_until("the cluster is complete", || {
            let info: String = cmd("CLUSTER").arg("INFO").query(&mut operator).unwrap();
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        });
        let rights = ["+cluster|slots", "+cluster|shards", "+cluster|info"];
        homes += u32::from(home.enrol(&mut operator, &rights));
    }
    assert_eq!(homes, 1);
    let by_auth = takes_a_proof_by_auth(&mut operator(&nodes[0]));
    // Whichever node is asked first.
    for node in &nodes {
        let port = node.port();
        let said = home.python(&format!(
            r#"
from redis.cluster import RedisCluster
from twofapi_redis import by_command, proving
alice = RedisCluster(host="127.0.0.1", port={port}, redis_connect_func=proving("alice", by_command("alice")))
alice.set("client:{{alice}}:k", "python")
print(alice.get("client:{{alice}}:k"))
"#
        ));
        assert_eq!(said, "b'python'");
        let said = home.node(&format!(
            "
import {{ Cluster }} from 'ioredis';
import {{ byCommand, proving }} from './ioredis.mjs';
const alice = new Cluster([{{ host: '127.0.0.1', port: {port} }}], {{ redisOptions: {{ Connector: proving('alice', byCommand('alice')) }} }});
await alice.set('client:{{alice}}:k', 'ioredis');
console.log(await alice.get('client:{{alice}}:k'));
alice.disconnect();
"
        ));
        assert_eq!(said, "ioredis");
        if by_auth {
            let said = home.node(&example("js node-redis", port));
            assert!(said.contains("hello") && said.ends_with("alice"), "{said}");
        }
    }
    // Who has proved nothing sees where the nodes are, and nothing else.
    let mut connection = nodes[0].connect();
    for words in [
        &["CLUSTER", "SLOTS"][..],
        &["COMMAND", "COUNT"],
        &["READONLY"],
    ] {
        assert!(ask(&mut connection, words).is_ok(), "{words:?}");
    }
    for words in [
        &["CLUSTER", "NODES"][..],
        &["CLUSTER", "RESET"],
        &["CLUSTER", "KEYSLOT", "x"],
        &["INFO"],
        &["GET", "client:{alice}:k"],
    ] {
        assert_eq!(
            crate::prefix(&ask(&mut connection, words)),
            "NOPERM",
            "{words:?}"
        );
    }
}
