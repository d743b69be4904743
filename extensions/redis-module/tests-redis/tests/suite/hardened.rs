//! The configuration that is shipped: shut to everybody but those who prove themselves, and open for
//! replication, Sentinel and the operator.

use std::{fs, process::Command};

use redis::{Connection, Value, cmd};
use twofapi_tests_redis::{
    Client, OPERATOR_PASSWORD, REPLICA_PASSWORD, SENTINEL_PASSWORD, Server, printed_client_rule,
    stage, wait_until,
};

use crate::{ask, prefix, whoami};

/// Commands that only an operator may give, each with arguments of the right number.
const DANGEROUS: [&str; 60] = [
    "FLUSHALL",
    "FLUSHDB",
    "CONFIG GET *",
    "CONFIG SET maxmemory 1",
    "CONFIG REWRITE",
    "CONFIG RESETSTAT",
    "DEBUG SLEEP 0",
    "SHUTDOWN NOSAVE",
    "SAVE",
    "BGSAVE",
    "BGREWRITEAOF",
    "LASTSAVE",
    "REPLICAOF NO ONE",
    "SLAVEOF NO ONE",
    "FAILOVER",
    "PSYNC ? -1",
    "SYNC",
    "REPLCONF ACK 1",
    "ROLE",
    "MODULE LIST",
    "MODULE LOAD x",
    "MODULE UNLOAD 2fapi",
    "ACL LIST",
    "ACL SETUSER eve on nopass +@all",
    "ACL DELUSER operator",
    "ACL LOAD",
    "ACL SAVE",
    "MONITOR",
    "CLIENT LIST",
    "CLIENT KILL ID 1",
    "CLIENT PAUSE 1",
    "CLUSTER RESET",
    "KEYS *",
    "SWAPDB 0 1",
    "MIGRATE h 1 k 0 1",
    "RESTORE client:alice:k 0 x",
    "SORT client:alice:k",
    "EVAL x 0",
    "EVALSHA x 0",
    "SCRIPT FLUSH",
    "FUNCTION FLUSH",
    "FCALL x 0",
    "SLOWLOG GET",
    "LATENCY RESET",
    "INFO",
    "MEMORY PURGE",
    "PFDEBUG GETREG client:alice:k",
    "PFSELFTEST",
    "SCAN 0",
    "RANDOMKEY",
    "DBSIZE",
    "PUBLISH c x",
    "SUBSCRIBE c",
    "2FAPI.ENROLL eve x",
    "2FAPI.STATUS alice",
    "2FAPI.SUSPEND alice",
    "2FAPI.RESUME alice",
    "2FAPI.REVOKE alice",
    "2FAPI.INFO",
    "2FAPI.APPLY k r",
];

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

fn operator(server: &Server) -> Connection {
    let mut connection = server.connect();
    ask(&mut connection, &["AUTH", "operator", OPERATOR_PASSWORD]).unwrap();
    connection
}

/// Enrols a client as the README tells operators to, with a user of its own.
fn enrolled(id: &str, operator: &mut Connection) -> Client {
    let user = format!("client-{id}");
    let _: Value = cmd("ACL")
        .arg("SETUSER")
        .arg(&user)
        .arg(printed_client_rule(id))
        .query(operator)
        .unwrap();
    let client = Client::new(id);
    let possession = client.possession();
    client
        .enroll(operator, &["PROOF", &possession, "USER", &user])
        .unwrap();
    client
}

#[test]
fn who_has_proved_nothing_may_prove_itself_and_nothing_else() {
    let server = Server::start_hardened(&[]);
    let mut operator = operator(&server);
    let alice = enrolled("alice", &mut operator);
    let mut connection = server.connect();
    for line in [
        "PING",
        "2FAPI.WHOAMI",
        "2FAPI.CHALLENGE alice",
        "HELLO 2",
        "SELECT 0",
        "CLIENT SETNAME x",
    ] {
        assert!(ask(&mut connection, &words(line)).is_ok(), "{line}");
    }
    for line in [
        "GET x",
        "SET x y",
        "EXISTS 2fapi:{alice}",
        "DEL 2fapi:{alice}",
        "COMMAND",
        "ECHO x",
        "CLUSTER SLOTS",
        "CLIENT LIST",
        "2FAPI.LOGOUT",
        "2FAPI.OFFER x",
        "2FAPI.PENDING",
        "2FAPI.CREDENTIALS",
        "2FAPI.LINK alice x x x",
        "2FAPI.UNLINK alice x x x",
        "2FAPI.RESET alice x PROOF x",
        "2FAPI.SHOW alice",
        "MULTI",
        "WATCH x",
    ] {
        assert_eq!(
            prefix(&ask(&mut connection, &words(line))),
            "NOPERM",
            "{line}"
        );
    }
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    assert_eq!(whoami(&mut connection).as_deref(), Some("alice"));
    assert_eq!(
        ask(&mut connection, &["SET", "client:alice:k", "v"]),
        Ok(Value::Okay)
    );
    for line in [
        "GET client:bob:k",
        "DEL 2fapi:{alice}",
        "COPY client:alice:k 2fapi:{eve}",
        "RENAME 2fapi:{alice} client:alice:x",
    ] {
        assert_eq!(
            prefix(&ask(&mut connection, &words(line))),
            "NOPERM",
            "{line}"
        );
    }
    ask(&mut operator, &["2FAPI.REVOKE", "alice"]).unwrap();
    assert!(ask(&mut connection, &["PING"]).is_err());
    assert_eq!(prefix(&alice.log_in(&mut server.connect())), "DENIED");
}

#[test]
fn enrolment_without_a_proof_is_refused() {
    let server = Server::start_hardened(&[]);
    let answer = Client::new("alice").enroll(&mut operator(&server), &[]);
    assert!(answer.unwrap_err().to_string().contains("PROOF"));
}

#[test]
fn dangerous_commands_are_the_operators_alone() {
    let mut server = Server::start_hardened(&[]);
    let mut operator = operator(&server);
    let alice = enrolled("alice", &mut operator);
    let mut verified = server.connect();
    alice.log_in(&mut verified).unwrap();
    for line in DANGEROUS {
        for (who, connection) in [
            ("default", &mut server.connect()),
            ("client", &mut verified),
        ] {
            let answer = ask(connection, &words(line));
            // What is off for everybody is refused before anybody's rights are looked at.
            let is_off = line.starts_with("DEBUG")
                || ["MODULE LOAD x", "MODULE UNLOAD 2fapi"].contains(&line);
            let expected = if is_off { "ERR" } else { "NOPERM" };
            assert_eq!(prefix(&answer), expected, "{line} as {who}");
        }
        // Asked, not done.
        let mut dry = vec!["ACL", "DRYRUN", "operator"];
        dry.extend(words(line));
        assert_eq!(ask(&mut operator, &dry), Ok(Value::Okay), "{line}");
        for user in ["replica", "sentinel"] {
            dry[2] = user;
            let allowed = ask(&mut operator, &dry) == Ok(Value::Okay);
            let needed = match user {
                "replica" => ["PSYNC ? -1", "REPLCONF ACK 1"].contains(&line),
                _ => [
                    "SLAVEOF NO ONE",
                    "CONFIG REWRITE",
                    "ROLE",
                    "INFO",
                    "PUBLISH c x",
                    "SUBSCRIBE c",
                    "CLIENT KILL ID 1",
                ]
                .contains(&line),
            };
            assert_eq!(allowed, needed, "{line} as {user}");
        }
    }
    assert!(server.is_running());
    // What not even the operator reaches at run time.
    for line in ["DEBUG SLEEP 0", "MODULE LOAD x", "CONFIG SET dir /"] {
        assert!(ask(&mut operator, &words(line)).is_err(), "{line}");
    }
}

#[test]
fn the_operators_password_is_demanded_and_kept_as_a_hash() {
    let server = Server::start_hardened(&[]);
    let users = fs::read_to_string(server.dir().join("users.acl")).unwrap();
    assert!(users.contains("user operator on #") && !users.contains(OPERATOR_PASSWORD));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(server.dir().join("users.acl"))
            .unwrap()
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let environment = fs::read(format!("/proc/{}/environ", server.pid())).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("TWOFAPI_OPERATOR_PASSWORD"));
    for password in ["", "short"] {
        let refused = Command::new(stage().join("share/redis-2fapi/users"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TWOFAPI_OPERATOR_PASSWORD", password)
            .output()
            .unwrap();
        assert!(!refused.status.success() && refused.stdout.is_empty());
        assert!(String::from_utf8_lossy(&refused.stderr).contains("20 characters"));
    }
}

#[test]
fn its_data_may_be_in_a_folder_of_any_name() {
    for name in ["a b", "it's  here", "r\u{e9}dis #1 $HOME"] {
        let mut server = Server::start_hardened_in(name, &[]);
        let _alice = enrolled("alice", &mut operator(&server));
        for words in [
            &["ACL", "SAVE"][..],
            &["CONFIG", "SET", "2fapi.session-ttl", "60"],
            &["CONFIG", "REWRITE"],
        ] {
            assert_eq!(
                ask(&mut operator(&server), words),
                Ok(Value::Okay),
                "{name}"
            );
        }
        server.kill();
        server.launch();
        let mut operator = operator(&server);
        assert_eq!(
            ask(&mut operator, &["2FAPI.STATUS", "alice"]),
            Ok(Value::SimpleString("active".into())),
            "{name}"
        );
        let kept = format!(
            "{:?}",
            ask(&mut operator, &["CONFIG", "GET", "2fapi.session-ttl"])
        );
        assert!(kept.contains("60"), "{name}: {kept}");
        assert!(server.dir().join(name).join("users.acl").exists());
    }
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named() {
    let parent = tempfile::TempDir::new().unwrap();
    for name in ["not there", "a\"b", "a\\b", "a\nb", "a*", "[a]", "a?"] {
        let folder = parent.path().join(name);
        if name != "not there" {
            fs::create_dir(&folder).unwrap();
        }
        let refused = Command::new(stage().join("bin/redis-2fapi"))
            .env("TWOFAPI_REDIS_DATA", &folder)
            .env("TWOFAPI_OPERATOR_PASSWORD", OPERATOR_PASSWORD)
            .output()
            .unwrap();
        assert!(!refused.status.success(), "{name}");
        let message = String::from_utf8_lossy(&refused.stderr);
        assert!(message.contains("TWOFAPI_REDIS_DATA: /"), "{message}");
        assert!(!folder.join("redis.conf").exists());
    }
}

#[test]
fn the_unit_for_systemd_is_one_and_starts_what_is_installed() {
    let unit = stage().join("lib/systemd/system/redis-2fapi.service");
    let text = fs::read_to_string(&unit).unwrap();
    assert!(text.contains("ExecStart=/bin/redis-2fapi "), "{text}");
    let copy = tempfile::TempDir::new().unwrap();
    let copy = copy.path().join("redis-2fapi.service");
    let here = stage().join("bin/redis-2fapi");
    let program = format!("ExecStart={} ", here.display());
    fs::write(&copy, text.replace("ExecStart=/bin/redis-2fapi ", &program)).unwrap();
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&copy)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && said.is_empty(), "{said}");
}

#[test]
fn replication_and_sentinel_work_as_their_own_users() {
    let shipped = || fs::read(stage().join("share/redis-2fapi/redis-hardened.conf")).unwrap();
    let configuration = shipped();
    let mut primary = Server::start_hardened(&[]);
    let port = primary.port().to_string();
    let replica = Server::start_hardened(&[
        "--replicaof",
        &format!("127.0.0.1 {port}"),
        "--masteruser",
        "replica",
        "--masterauth",
        REPLICA_PASSWORD,
    ]);
    let mut at_primary = operator(&primary);
    wait_until("the replica is in step", || {
        let info: String = cmd("INFO")
            .arg("replication")
            .query(&mut at_primary)
            .unwrap();
        info.contains("state=online")
    });
    let alice = enrolled("alice", &mut at_primary);
    wait_until("the replica has the client", || {
        ask(&mut operator(&replica), &["2FAPI.STATUS", "alice"])
            == Ok(Value::SimpleString("active".into()))
    });
    // The users are each node's own: what a client becomes has to be there, too.
    wait_until("the replica says what it lacks", || {
        replica
            .log()
            .contains("ACL user client-alice, which this node does not have")
    });
    let gone = ["ACL", "SETUSER", "client-gone", "on", "resetpass"];
    ask(&mut operator(&replica), &gone).unwrap();
    let selector = ["ACL", "SETUSER", "client-alice", "(~shared:* +get)"];
    ask(&mut at_primary, &selector).unwrap();
    let copied = Command::new(stage().join("bin/redis-2fapi-users"))
        .args([&primary, &replica].map(|node| format!("127.0.0.1:{}", node.port())))
        .env("TWOFAPI_OPERATOR_PASSWORD", OPERATOR_PASSWORD)
        .output()
        .unwrap();
    assert!(copied.status.success(), "{copied:?}");
    // The server lists the rules in an order of its own.
    let users = |server: &Server| -> Vec<Vec<String>> {
        let list: Vec<String> = cmd("ACL").arg("LIST").query(&mut operator(server)).unwrap();
        let clients = list.iter().filter(|user| user.starts_with("user client-"));
        let mut clients: Vec<Vec<String>> = clients
            .map(|user| {
                let rules = user.split(' ').map(str::to_owned);
                let mut rules: Vec<_> = rules.filter(|rule| rule != "sanitize-payload").collect();
                rules.sort();
                rules
            })
            .collect();
        clients.sort();
        clients
    };
    assert_eq!(users(&primary), users(&replica));
    assert!(users(&primary)[0].contains(&"(~shared:*".to_owned()));
    let sentinel = Server::start_sentinel(&format!(
        "sentinel monitor prime 127.0.0.1 {port} 1\nsentinel auth-user prime sentinel\n\
         sentinel auth-pass prime {SENTINEL_PASSWORD}\nsentinel down-after-milliseconds prime 1000\n\
         sentinel failover-timeout prime 10000"
    ));
    wait_until("the sentinel knows the replica", || {
        let known: String = cmd("SENTINEL")
            .arg("MASTER")
            .arg("prime")
            .query::<Vec<String>>(&mut sentinel.connect())
            .unwrap_or_default()
            .join(" ");
        known.contains("num-slaves 1") && known.contains("flags master ")
    });
    primary.kill();
    // Not the replica is asked, whose connections the sentinel closes when it promotes it.
    let promoted = vec!["127.0.0.1".to_owned(), replica.port().to_string()];
    wait_until("the sentinel has promoted the replica", || {
        cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg("prime")
            .query::<Vec<String>>(&mut sentinel.connect())
            .is_ok_and(|address| address == promoted)
    });
    let role = ask(&mut operator(&replica), &["ROLE"]);
    assert!(
        matches!(&role, Ok(Value::Array(role)) if role[0] == Value::BulkString(b"master".to_vec())),
        "{role:?}"
    );
    assert_eq!(alice.log_in(&mut replica.connect()), Ok(Value::Okay));
    assert_eq!(
        shipped(),
        configuration,
        "what is shipped is never rewritten"
    );
}
