//! The module under valgrind: no access to memory that is not its own, nothing freed twice.

use std::{fs, thread};

use redis::{Value, cmd};
use tempfile::NamedTempFile;
use twofapi_tests_redis::{Client, Server};

use crate::ask;

/// All that commands can make the module do, good and bad.
fn exercise(server: &Server) {
    let mut connection = server.connect();
    let mut alice = Client::new("alice");
    alice
        .enroll(
            &mut connection,
            &["PROOF", &alice.possession(), "USER", "client-app"],
        )
        .unwrap();
    let bob = Client::enrolled("bob", &mut connection);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = server.connect();
                for _ in 0..10 {
                    assert_eq!(bob.log_in(&mut connection), Ok(Value::Okay));
                    assert!(Client::new("nobody").log_in(&mut connection).is_err());
                    assert!(Client::new("bob").log_in(&mut connection).is_err());
                }
            });
        }
    });
    alice.log_in(&mut connection).unwrap();
    alice.rotate(&mut connection).unwrap();
    alice.log_in(&mut connection).unwrap();
    let (laptop, tablet) = (alice.another(), alice.another());
    alice.link(&mut connection, &laptop, "laptop").unwrap();
    for name in ["tablet", "a thief's", "again"] {
        let offer = alice.challenge(&mut connection).unwrap();
        ask(&mut connection, &["2FAPI.OFFER", &offer.id]).unwrap();
        tablet.join(&mut connection, &offer, name).unwrap();
        if name == "a thief's" {
            assert!(laptop.join(&mut connection, &offer, name).is_err());
        }
        ask(&mut connection, &["2FAPI.PENDING"]).unwrap();
    }
    let challenge = alice.challenge(&mut connection).unwrap();
    let proof = alice.linking_proof(&challenge, &tablet);
    alice
        .link_by(&mut connection, &challenge, &proof, &tablet, &[])
        .unwrap();
    laptop.log_in(&mut server.connect()).unwrap();
    tablet.unlink(&mut connection, &laptop).unwrap();
    assert!(alice.unlink(&mut connection, &laptop).is_err());
    let new = Client::new("alice");
    let possession = new.possession();
    let reset = [
        "2FAPI.RESET",
        "alice",
        &new.commitment(),
        "PROOF",
        &possession,
    ];
    for line in [
        "2FAPI.CREDENTIALS",
        "2FAPI.SHOW alice",
        "2FAPI.ATTRIBUTES alice SCOPES a,b CLAIMS {\"a\":1} SOURCES ::/0 RATE 1 TENANT t",
        "2FAPI.SHOW alice",
        "2FAPI.EXPIREAT alice 4000000000",
        "2FAPI.ENDSESSIONS alice",
        &reset.join(" "),
        "2FAPI.WHOAMI",
        "2FAPI.INFO",
        "INFO everything",
        "2FAPI.STATUS bob",
        "2FAPI.LOGOUT",
        "COMMAND DOCS",
        "CONFIG GET 2fapi.*",
        "CONFIG SET 2fapi.audience x://y",
        "CONFIG SET 2fapi.audience z",
        "COPY 2fapi:{bob} copy",
        "RENAME copy moved",
        "MEMORY USAGE moved",
        "DEBUG RELOAD",
        "DEBUG DIGEST",
        "2FAPI.SUSPEND bob",
        "RESET",
        "DEL moved",
        "BGREWRITEAOF",
        "2FAPI.REVOKE bob",
        "FLUSHALL",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(ask(&mut connection, &words).is_ok(), "{line}");
    }
    for line in [
        "2FAPI.ENROLL x y",
        "2FAPI.VERIFY bob ch-1 00",
        "2FAPI.CHALLENGE a:b",
        "2FAPI.APPLY k r",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(ask(&mut connection, &words).is_err(), "{line}");
    }
    let damaged: redis::RedisResult<Value> = cmd("RESTORE")
        .arg("k")
        .arg(0)
        .arg("damaged")
        .query(&mut connection);
    assert!(damaged.is_err());
}

#[test]
fn nothing_is_read_written_or_freed_that_is_not_ours() {
    let report = NamedTempFile::new().unwrap();
    let log_file = format!("--log-file={}", report.path().display());
    let mut server = Server::start_under(
        // The server brings an allocator of its own, which valgrind has to be told of.
        &[
            "valgrind",
            "--soname-synonyms=somalloc=libjemalloc*",
            "--num-callers=40",
            "--fair-sched=yes",
            &log_file,
        ],
        "enable-debug-command yes\nappendonly yes\n2fapi.verify-threads 2",
    );
    exercise(&server);
    server.shut_down();
    let report = fs::read_to_string(report.path()).unwrap();
    assert!(report.contains("ERROR SUMMARY"), "{report}");
    // An error is a paragraph, between lines that hold nothing but the process's number. The server's
    // compression of strings reads what it has not written, with and without a module.
    let ours: Vec<String> = report
        .lines()
        .map(|line| line.splitn(3, "==").last().unwrap_or_default().trim())
        .collect::<Vec<_>>()
        .split(|line| line.is_empty())
        .map(|paragraph| paragraph.join("\n"))
        .filter(|error| error.contains("redis_2fapi") && !error.contains("lzf_compress"))
        .filter(|error| error.contains("\nby 0x") || error.contains("\nat 0x"))
        .collect();
    assert!(ours.is_empty(), "{ours:#?}");
}
