//! Which ACL users clients become, and who may say so.

use redis::{Connection, RedisResult, Value};
use twofapi_tests_redis::{Client, Server};

use crate::{ask, prefix};

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

fn set_user(operator: &mut Connection, name: &str, rules: &str) {
    let line = format!("ACL SETUSER {name} reset on {rules}");
    assert_eq!(ask(operator, &words(&line)), Ok(Value::Okay), "{line}");
}

fn logged_in(server: &Server, user: &str) -> Connection {
    let mut connection = server.connect();
    ask(&mut connection, &["AUTH", user, "secret"]).unwrap();
    connection
}

fn enrol(client: &Client, connection: &mut Connection, user: &str) -> RedisResult<Value> {
    client.enroll(connection, &["USER", user])
}

/// Who a connection is after its client has proved itself, or what it was answered.
fn becomes(client: &Client, server: &Server) -> String {
    let mut connection = server.connect();
    match client.log_in(&mut connection) {
        Err(error) => error.code().unwrap_or_default().to_owned(),
        Ok(_) => redis::cmd("ACL")
            .arg("WHOAMI")
            .query(&mut connection)
            .unwrap(),
    }
}

const HARMLESS: &str = "resetpass ~client:x:* -@all +@read +@write -@dangerous +acl|whoami";

#[test]
fn who_may_enrol_makes_nobody_an_operator() {
    let server = Server::start_hardened(&[]);
    let mut operator = server.connect();
    ask(
        &mut operator,
        &["AUTH", "operator", twofapi_tests_redis::OPERATOR_PASSWORD],
    )
    .unwrap();
    set_user(&mut operator, "desk", ">secret -@all +2fapi.enroll");
    set_user(&mut operator, "client-alice", HARMLESS);
    let mut desk = logged_in(&server, "desk");
    let mole = Client::new("mole");
    for user in ["operator", "replica", "sentinel", "desk", "nobody-yet"] {
        let possession = mole.possession();
        let answer = mole.enroll(&mut desk, &["PROOF", &possession, "USER", user]);
        let message = answer.unwrap_err().to_string();
        assert!(message.contains("2fapi.acl-users"), "{user}: {message}");
    }
    assert_eq!(becomes(&mole, &server), "DENIED");
    let alice = Client::new("alice");
    let possession = alice.possession();
    assert_eq!(
        alice.enroll(&mut desk, &["PROOF", &possession, "USER", "client-alice"]),
        Ok(Value::Okay)
    );
    assert_eq!(becomes(&alice, &server), "client-alice");
}

#[test]
fn no_client_becomes_a_user_with_administrative_rights() {
    let server = Server::start("2fapi.acl-mapping yes");
    let mut operator = server.connect();
    for (number, rights) in [
        "+@all",
        "~* +@all -flushall -flushdb -config -acl -debug -module -shutdown",
        "-@all +acl|setuser",
        "-@all +config|get",
        "-@all +client|kill",
        "-@all +debug",
        "-@all +replicaof",
        "-@all +psync",
        "-@all +monitor",
        "~client:x:* -@all +@read +@write",
        "-@all +flushall",
        "-@all +flushdb",
        "-@all +swapdb",
        "-@all +2fapi.enroll",
        "-@all +2fapi.resume",
        "~client:x:* +@read (~* +@admin)",
        "~client:x:* +@read (~2fapi:* +del)",
        "~* -@all +del",
        "~2fapi:* -@all +restore",
        "~*{own}* -@all +set",
        "%W~* -@all +del",
        "~* -@all +rename",
        "~* -@all +sunionstore",
        "~* -@all +expire",
    ]
    .iter()
    .enumerate()
    {
        // The id is in a pattern above, as a client's hash tag would be.
        let id = if rights.contains("{own}") {
            "own".to_owned()
        } else {
            format!("client{number}")
        };
        let user = format!("client-{number}");
        set_user(&mut operator, &user, rights);
        let client = Client::new(&id);
        let message = enrol(&client, &mut operator, &user)
            .expect_err(rights)
            .to_string();
        assert!(
            [
                "administers the server",
                "may change the keys",
                "takes the clients along"
            ]
            .iter()
            .any(|reason| message.contains(reason)),
            "{rights}: {message}"
        );
        // Enrolled while the user was harmless, it is looked at again when the client logs in.
        set_user(&mut operator, &user, HARMLESS);
        assert_eq!(enrol(&client, &mut operator, &user), Ok(Value::Okay));
        assert_eq!(becomes(&client, &server), user);
        set_user(&mut operator, &user, rights);
        assert_eq!(becomes(&client, &server), "DENIED", "{rights}");
        assert!(server.log().contains(&format!("ACL user {user}, which")));
    }
    for (number, rights) in [
        "~client:x:* -@all +@read +@write +@connection -@dangerous -@admin",
        "~* -@all +@read",
        "%R~* ~client:x:* +@read +@write -@dangerous",
        "%R~* ~client:x:* +@read +del +set",
    ]
    .iter()
    .enumerate()
    {
        let user = format!("client-good-{number}");
        set_user(&mut operator, &user, &format!("{rights} +acl|whoami"));
        let client = Client::new(&format!("good{number}"));
        assert_eq!(enrol(&client, &mut operator, &user), Ok(Value::Okay));
        assert_eq!(becomes(&client, &server), user, "{rights}");
    }
}

#[test]
fn a_record_that_names_a_user_who_is_not_allowed_opens_no_session() {
    let elsewhere = Server::start("2fapi.acl-users boss*");
    let server = Server::start("2fapi.acl-mapping yes");
    let mut operator = server.connect();
    set_user(&mut operator, "boss", HARMLESS);
    let mole = Client::new("mole");
    enrol(&mole, &mut elsewhere.connect(), "boss").unwrap();
    let record: Vec<u8> = redis::cmd("DUMP")
        .arg("2fapi:{mole}")
        .query(&mut elsewhere.connect())
        .unwrap();
    let _: Value = redis::cmd("RESTORE")
        .arg("2fapi:{mole}")
        .arg(0)
        .arg(record)
        .query(&mut operator)
        .unwrap();
    assert_eq!(becomes(&mole, &server), "DENIED");
    ask(&mut operator, &["CONFIG", "SET", "2fapi.acl-users", "boss"]).unwrap();
    assert_eq!(becomes(&mole, &server), "boss");
}

#[test]
fn a_category_gives_nobody_an_operators_command() {
    let server = Server::start("");
    let mut operator = server.connect();
    let commands = operators_commands(&mut operator);
    assert!(commands.len() >= 6, "{commands:?}");
    let has_category = ask(&mut operator, &["ACL", "CAT", "2fapi"]).is_ok();
    for rules in [
        "+@all -@dangerous",
        "+@all -@admin",
        "+@all -flushall -flushdb -config -acl -debug -module -shutdown",
        "+@all -acl -config",
        "+@read +@write +@admin -acl -config",
        "-@all +@dangerous -acl -config",
        "+@fast +@slow -acl -config",
        "-@all +@2fapi",
    ] {
        if rules.contains("@2fapi") && !has_category {
            continue;
        }
        set_user(&mut operator, "app", &format!(">secret ~* &* {rules}"));
        let mut app = logged_in(&server, "app");
        for line in &commands {
            assert_eq!(
                prefix(&ask(&mut app, &words(line))),
                "NOPERM",
                "{rules}: {line}"
            );
        }
        if !rules.starts_with("+@all") {
            continue;
        }
        let script = "return redis.call('2FAPI.STATUS', 'alice')";
        let refused = ask(&mut app, &["EVAL", script, "0"])
            .unwrap_err()
            .to_string();
        // With categories of its own the server says it before the module does.
        let is_said = refused.contains("by name") || refused.contains("ermission");
        assert!(is_said, "{rules}: {refused}");
    }
    for line in &commands {
        let name = line.split(' ').next().unwrap().to_lowercase();
        set_user(&mut operator, "desk", &format!(">secret -@all +{name}"));
        let mut desk = logged_in(&server, "desk");
        for other in &commands {
            let refused = matches!(&ask(&mut desk, &words(other)), Err(error) if error.code() == Some("NOPERM"));
            assert_eq!(refused, line != other, "{name} allowed, {other}");
        }
        // The operator is everybody's operator.
        let answer = ask(&mut operator, &words(line));
        assert!(
            !matches!(&answer, Err(e) if e.code() == Some("NOPERM")),
            "{line}"
        );
    }
}

/// Every command of the module that the server knows to be administrative, with arguments of the right
/// number.
fn operators_commands(connection: &mut Connection) -> Vec<String> {
    let names: Vec<String> = redis::cmd("COMMAND")
        .arg(&["LIST", "FILTERBY", "MODULE", "2fapi"])
        .query(connection)
        .unwrap();
    let mut commands = Vec::new();
    for name in names {
        let Ok(Value::Array(about)) = ask(connection, &["COMMAND", "INFO", &name]) else {
            panic!("{name}");
        };
        let Some(Value::Array(about)) = about.first() else {
            panic!("{name}");
        };
        let is_admin = format!("{:?}", about[2]).contains("admin");
        let Value::Int(arity) = about[1] else {
            panic!("{name}")
        };
        let is_internal = ["2fapi.bycategory", "2fapi.apply"].contains(&&*name.to_lowercase());
        if is_admin && !is_internal {
            let arguments = " nobody".repeat(arity.unsigned_abs() as usize - 1);
            commands.push(format!("{name}{arguments}"));
        }
    }
    commands
}
