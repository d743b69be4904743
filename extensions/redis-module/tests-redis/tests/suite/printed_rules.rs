//! Every rule that is printed, tried by giving the commands that it allows, on the server at hand.

use redis::{Connection, RedisResult, Value, cmd};
use twofapi_tests_redis::{Client, Server, printed_client_rule};

use crate::ask;

/// Commands that change what the connection is, or wait for more; each is tried by another test.
const NOT_HERE: [&str; 15] = [
    "auth",
    "hello",
    "quit",
    "reset",
    "select",
    "multi",
    "exec",
    "discard",
    "client|reply",
    "monitor",
    "sync",
    "psync",
    "shutdown",
    "2fapi.verify",
    "2fapi.logout",
];

const KINDS: [&str; 8] = [
    "string", "list", "set", "zset", "hash", "stream", "geo", "hll",
];

fn fill(connection: &mut Connection, owner: &str, content: &str) {
    let key = |kind: &str| format!("client:{owner}:{kind}");
    for (name, kind, arguments) in [
        ("SET", "string", vec![content]),
        ("RPUSH", "list", vec![content, "b"]),
        ("SADD", "set", vec![content, "b"]),
        ("ZADD", "zset", vec!["1", content, "2", "b"]),
        ("HSET", "hash", vec!["field", content]),
        ("XADD", "stream", vec!["1-1", "field", content]),
        ("GEOADD", "geo", vec!["1", "1", content, "1", "2", "b"]),
        ("PFADD", "hll", vec![content]),
    ] {
        let _: Value = cmd(name)
            .arg(key(kind))
            .arg(arguments)
            .query(connection)
            .unwrap();
    }
    let _: Value = ask(
        connection,
        &["XGROUP", "CREATE", &key("stream"), "group", "0"],
    )
    .unwrap();
}

/// An argument of a command, as `COMMAND DOCS` describes it.
#[derive(Debug, Default)]
struct Argument {
    kind: String,
    token: Option<String>,
    optional: bool,
    multiple: bool,
    parts: Vec<Argument>,
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(items) | Value::Set(items)) => items,
        _ => &[],
    }
}

/// A field of what RESP2 writes a map as.
fn field<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    list(Some(map))
        .chunks(2)
        .find(|pair| text(&pair[0]) == name)
        .and_then(|pair| pair.get(1))
}

fn arguments(of: &Value) -> Vec<Argument> {
    list(field(of, "arguments"))
        .iter()
        .map(|argument| {
            let flags: Vec<_> = list(field(argument, "flags")).iter().map(text).collect();
            Argument {
                kind: field(argument, "type").map(text).unwrap_or_default(),
                token: field(argument, "token")
                    .map(text)
                    .filter(|token| !token.is_empty()),
                optional: flags.iter().any(|flag| flag == "optional"),
                multiple: flags.iter().any(|flag| flag == "multiple"),
                parts: arguments(argument),
            }
        })
        .collect()
}

/// Every command and subcommand with its arguments.
fn commands(connection: &mut Connection) -> Vec<(String, Vec<Argument>)> {
    let docs: Value = cmd("COMMAND").arg("DOCS").query(connection).unwrap();
    let mut all = Vec::new();
    for pair in list(Some(&docs)).chunks(2) {
        match list(field(&pair[1], "subcommands")) {
            [] => all.push((text(&pair[0]), arguments(&pair[1]))),
            subcommands => all.extend(
                subcommands
                    .chunks(2)
                    .map(|sub| (text(&sub[0]), arguments(&sub[1]))),
            ),
        }
    }
    all
}

/// A small generator of numbers, the same at every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

/// Writes a command line that the server can mean something by. True when a key of bob's is in a
/// key's place.
fn write(arguments: &[Argument], dice: &mut Dice, line: &mut Vec<String>) -> bool {
    let mut bobs = false;
    for argument in arguments {
        let times = match (argument.optional, argument.multiple) {
            (true, _) => dice.roll(3),
            (false, true) => 1 + dice.roll(2),
            (false, false) => 1,
        };
        for _ in 0..times {
            if argument.kind != "oneof" {
                line.extend(argument.token.clone());
            }
            let owner = if dice.roll(3) == 0 { "bob" } else { "alice" };
            match argument.kind.as_str() {
                "pure-token" => {}
                "key" if owner == "bob" && dice.roll(6) == 0 => {
                    line.push("2fapi:{bob}".to_owned());
                    bobs = true;
                }
                "key" => {
                    line.push(format!("client:{owner}:{}", dice.pick(&KINDS)));
                    bobs |= owner == "bob";
                }
                // No wait is for ever.
                "integer" => line.push(dice.pick(&["1", "2"]).to_string()),
                "double" => line.push("0.001".to_owned()),
                "unix-time" => line.push("4102444800".to_owned()),
                "oneof" => {
                    let one = dice.roll(argument.parts.len().max(1));
                    if let Some(part) = argument.parts.get(one..=one) {
                        bobs |= write(part, dice, line);
                    }
                }
                "block" => bobs |= write(&argument.parts, dice, line),
                _ => line.push(
                    dice.pick(&[
                        "group",
                        "0",
                        "b",
                        "field",
                        "STREAMS",
                        "STORE",
                        "*",
                        "client:alice:*",
                        "client:bob:*",
                        "client:bob:string",
                    ])
                    .to_string(),
                ),
            }
        }
    }
    bobs
}

fn digests(connection: &mut Connection) -> Vec<String> {
    let mut keys: Vec<_> = KINDS
        .iter()
        .map(|kind| format!("client:bob:{kind}"))
        .collect();
    keys.push("client:bob:hidden-name".to_owned());
    keys.push("2fapi:{bob}".to_owned());
    cmd("DEBUG")
        .arg("DIGEST-VALUE")
        .arg(keys)
        .query(connection)
        .unwrap()
}

#[test]
fn no_command_of_a_clients_rule_reaches_the_keys_of_another() {
    let server = Server::start("enable-debug-command yes");
    let mut operator = server.connect();
    let rule = printed_client_rule("alice");
    let _: Value = cmd("ACL")
        .arg("SETUSER")
        .arg("client-alice")
        .arg(&rule)
        .arg(">secret")
        .query(&mut operator)
        .unwrap();
    let _bob = Client::enrolled("bob", &mut operator);
    fill(&mut operator, "bob", "bobs-secret");
    ask(
        &mut operator,
        &["SET", "client:bob:hidden-name", "bobs-secret"],
    )
    .unwrap();
    let before = digests(&mut operator);

    let mut alice = server.connect();
    ask(&mut alice, &["AUTH", "client-alice", "secret"]).unwrap();
    let mut dice = Dice(0x2fa);
    let (mut allowed, mut done) = (Vec::new(), 0);
    for (name, arguments) in commands(&mut operator) {
        if NOT_HERE.contains(&name.as_str()) {
            continue;
        }
        fill_again(&mut operator);
        let mut is_allowed = false;
        for _ in 0..120 {
            let mut line: Vec<String> = name.split('|').map(ToOwned::to_owned).collect();
            let has_bobs_key = write(&arguments, &mut dice, &mut line);
            let (first, rest) = line.split_first().unwrap();
            let answer: RedisResult<Value> = cmd(first).arg(rest).query(&mut alice);
            match &answer {
                Ok(value) => {
                    let shown = format!("{value:?}");
                    let shows = shown.contains("bobs-secret") || shown.contains("hidden-name");
                    assert!(!shows && !has_bobs_key, "{line:?}: {shown}");
                    (is_allowed, done) = (true, done + 1);
                }
                Err(error) => {
                    assert!(!error.is_io_error(), "{line:?}: {error}");
                    let refused = error.to_string();
                    if refused.contains("has no permissions to run") {
                        break;
                    }
                    assert!(!refused.contains("bobs-secret"), "{line:?}: {refused}");
                    // The number of words is looked at before the right to say them.
                    is_allowed |= error.code() != Some("NOPERM")
                        && !refused.contains("wrong number of arguments");
                }
            }
        }
        assert_eq!(digests(&mut operator), before, "after {name}");
        if is_allowed {
            allowed.push(name);
        }
    }
    // It was no idle run: the commands that an application needs are among them.
    for needed in [
        "get",
        "set",
        "zadd",
        "xreadgroup",
        "blpop",
        "ping",
        "watch",
        "client|setname",
    ] {
        assert!(
            allowed.iter().any(|name| name == needed),
            "{needed}: {allowed:?}"
        );
    }
    assert!(done > 500, "{done} of them did something");
    for wrong in [
        "georadius",
        "pfmerge",
        "georadiusbymember",
        "scan",
        "keys",
        "randomkey",
        "dbsize",
        "sort",
        "sort_ro",
        "client|list",
        "client|kill",
        "client|tracking",
        "eval",
        "fcall",
        "migrate",
        "restore",
        "flushall",
        "config|get",
        "acl|list",
        "2fapi.enroll",
        "2fapi.status",
        "2fapi.bycategory",
        "2fapi.apply",
    ] {
        assert!(!allowed.iter().any(|name| name == wrong), "{wrong}");
    }
}

/// Alice's keys as they were, whatever a command made of them.
fn fill_again(operator: &mut Connection) {
    let keys: Vec<_> = KINDS
        .iter()
        .map(|kind| format!("client:alice:{kind}"))
        .collect();
    let _: Value = cmd("DEL").arg(keys).query(operator).unwrap();
    fill(operator, "alice", "mine");
}
