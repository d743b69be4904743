//! What an operator does to a store as a whole: backs it up while it is served, restores it, moves it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use twofapi_crypto_core::{ClientId, CredentialName, Record};
use twofapi_server::{Contents, EmbeddedContents, Mark, StorePlace};

use crate::{
    client::{CHALLENGE, Client, ROTATE, VERIFY, WHOAMI, credential, get, post, proven, rotation},
    process::{Process, command, mode, refusal, run, serve, stderr},
};

struct Scene {
    directory: TempDir,
}

impl Scene {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn store(&self, action: &[&str]) -> Output {
        run(&[&["--json", "store"], action].concat())
    }

    fn done(&self, action: &[&str]) -> Value {
        let output = self.store(action);
        assert!(output.status.success(), "{action:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, action: &[&str], code: i32, says: &str) {
        let output = self.store(action);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }

    /// A server does not start, and neither does the operator look into it.
    #[track_caller]
    fn is_refused(&self, name: &str, says: &str) {
        let refused = refusal(serve(&self.path(name), &[]));
        assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
        assert!(stderr(&refused).contains(says), "{}", stderr(&refused));
        let listed = run(&["clients", "list", "--store", &self.text(name)]);
        assert!(stderr(&listed).contains(says), "{}", stderr(&listed));
    }

    /// Ends a server, and keeps its log.
    fn stop(&self, mut server: Process, log: &str) -> String {
        fs::write(self.path(log), server.stop()).unwrap();
        self.text(log)
    }

    /// Clients that nobody is, enough for a copy to take a moment.
    fn many(&self, name: &str, count: usize) {
        let place = StorePlace::find(&self.path(name)).unwrap();
        let contents = EmbeddedContents::open(&place).unwrap();
        let record = Record::enrolled(credential().commitment(), CredentialName::unnamed(), 1);
        let client = |n| {
            (
                ClientId::parse(&format!("client-{n}")).unwrap(),
                record.clone(),
            )
        };
        let clients: Vec<_> = (0..count).map(client).collect();
        let filling = Mark::Filling {
            run: "0".into(),
            from: "a test".into(),
        };
        now(contents.change_mark(None, Some(&filling)));
        now(contents.put_clients(&filling, &clients));
        now(contents.change_mark(Some(&filling), None));
    }

    /// Its mark and how many clients are in it.
    fn seen(&self, name: &str) -> (Option<Mark>, usize) {
        let place = StorePlace::find(&self.path(name)).unwrap();
        let contents = EmbeddedContents::open(&place).unwrap();
        let clients = now(contents.clients_after(None, usize::MAX));
        (now(contents.mark()), clients.len())
    }
}

fn now<T, E: std::fmt::Debug>(work: impl Future<Output = Result<T, E>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(work).unwrap()
}

fn is_let_in(server: &Process, client: &Client) -> bool {
    let body = json!({ "client_id": client.id.as_str() });
    let challenge = post(&server.base_url, CHALLENGE, None, &body);
    let body = proven(client, &challenge, &server.binding());
    let answer = post(&server.base_url, VERIFY, None, &body);
    assert!([200, 401].contains(&answer.status), "{answer:?}");
    answer.status == 200
}

#[test]
fn a_store_is_backed_up_while_it_is_served_and_comes_back_when_somebody_has_looked() {
    let scene = Scene::new();
    let (lost, back) = (scene.path("lost"), scene.text("back"));
    let server = Process::start(&lost, &["--json-logs"]);
    let (alice, _) = server.enrol("alice", &lost);
    let (bob, _) = server.enrol("bob", &lost);
    let backup = scene.text("backup");
    let action = ["backup", &backup, "--store", &scene.text("lost")];
    assert_eq!(scene.done(&action)["clients"], 2);
    assert_eq!(mode(&scene.path("backup")), 0o600);
    scene.refused(&action, 2, "is there already");
    scene.is_refused("backup", "it is a backup");
    // Lost with the machine, but for the log.
    let revoked = run(&["clients", "revoke", "bob", "--store", &scene.text("lost")]);
    assert!(revoked.status.success(), "{}", stderr(&revoked));
    let (_, token) = server.log_in(&alice);
    let log = scene.stop(server, "log");

    let restored = scene.done(&["restore", &backup, "--store", &back]);
    assert_eq!(restored["clients"], 2);
    scene.is_refused("back", "2fapi store restored");
    scene.refused(
        &["restore", &backup, "--store", &back],
        3,
        "2fapi store restored",
    );
    scene.refused(&["restored", "--store", &back], 2, "--audit");
    scene.refused(
        &["restored", "--store", &back, "--audit", &backup],
        2,
        "no line of a log",
    );
    let seen = scene.done(&["restored", "--store", &back, "--audit", &log]);
    assert_eq!(seen["served"], false);
    let found = &seen["found"];
    assert_eq!(found.as_array().unwrap().len(), 1, "{seen}");
    assert_eq!(
        (&found[0]["client_id"], &found[0]["what"]),
        (&json!("bob"), &json!("revoked"))
    );
    scene.is_refused("back", "2fapi store restored");
    // A log that was cut off is not all that was done.
    let cut = fs::read_to_string(&log).unwrap();
    let (cut, _) = cut.split_at(cut.len() - 30);
    fs::write(scene.path("cut"), cut).unwrap();
    let cut = scene.text("cut");
    scene.refused(
        &["restored", "--store", &back, "--audit", &cut, "--apply"],
        2,
        "--incomplete",
    );

    let done = scene.done(&["restored", "--store", &back, "--audit", &log, "--apply"]);
    assert_eq!(done["served"], true);
    let server = Process::start(&scene.path("back"), &[]);
    assert!(is_let_in(&server, &alice) && !is_let_in(&server, &bob));
    assert_eq!(get(&server.base_url, WHOAMI, Some(&token)).status, 401);
    drop(server);
    scene.refused(&["restored", "--store", &back, "--waive"], 3, "--since");
}

#[test]
fn what_was_rotated_since_a_backup_lets_nobody_in_until_it_is_reset() {
    let scene = Scene::new();
    let store = scene.path("store");
    let server = Process::start(&store, &["--json-logs"]);
    let (old, _) = server.enrol("alice", &store);
    let (backup, back) = (scene.text("backup"), scene.text("back"));
    scene.done(&["backup", &backup, "--store", &scene.text("store")]);
    let new = rotated(&server, &old);
    let log = scene.stop(server, "log");
    scene.done(&["restore", &backup, "--store", &back]);
    let done = scene.done(&["restored", "--store", &back, "--audit", &log, "--apply"]);
    assert_eq!(done["found"][0]["what"], "rotated");
    let server = Process::start(&scene.path("back"), &[]);
    // The old one may be a thief's, and the new one is not known here.
    assert!(!is_let_in(&server, &old) && !is_let_in(&server, &new));
    // Left as it is, the old one is good again: that is what waiving means.
    let waived = scene.text("waived");
    scene.done(&["restore", &backup, "--store", &waived]);
    scene.done(&["restored", "--store", &waived, "--waive"]);
    let server = Process::start(&scene.path("waived"), &[]);
    assert!(is_let_in(&server, &old));
}

fn rotated(server: &Process, client: &Client) -> Client {
    let body = json!({ "client_id": client.id.as_str() });
    let challenge = post(&server.base_url, CHALLENGE, None, &body);
    let new = client.device();
    let body = rotation(client, &new.credential, &challenge, &server.binding());
    let answer = post(&server.base_url, ROTATE, None, &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    new
}

#[test]
fn a_store_is_copied_and_is_served_in_one_place_alone() {
    let scene = Scene::new();
    let (old, new) = (scene.text("old"), scene.text("new"));
    let server = Process::start(&scene.path("old"), &[]);
    let (alice, _) = server.enrol("alice", &scene.path("old"));
    let (_, token) = server.log_in(&alice);
    // A server that runs on it would go on.
    scene.refused(&["copy", &old, &new], 3, "another process has it open");
    assert!(!scene.path("new").exists(), "it was made for nothing");
    assert!(is_let_in(&server, &alice));
    scene.stop(server, "log");

    let copied = scene.done(&["copy", &old, &new]);
    assert_eq!(
        (&copied["clients"], &copied["signing_keys"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(mode(&scene.path("new")), 0o600);
    scene.is_refused("old", "it was moved to");
    scene.refused(
        &["backup", &scene.text("b"), "--store", &old],
        3,
        "it was moved to",
    );
    let server = Process::start(&scene.path("new"), &[]);
    assert!(is_let_in(&server, &alice));
    assert_eq!(
        get(&server.base_url, WHOAMI, Some(&token)).status,
        401,
        "of another origin"
    );
    scene.refused(&["copy", &old, &new], 3, "another process has it open");
    scene.refused(
        &["copy", "--abort", &old, &new],
        3,
        "another process has it open",
    );
    drop(server);
    scene.refused(&["copy", &old, &new], 3, "not empty");
    scene.refused(&["copy", "--abort", &old, &new], 3, "it is whole");
    scene.refused(&["copy", &old, &scene.text("third")], 3, "it was moved to");
    scene.is_refused("old", "it was moved to");
    // Back again, into a store that is empty.
    scene.done(&["copy", &new, &scene.text("third")]);
    scene.is_refused("new", "it was moved to");
}

#[test]
fn what_is_no_store_and_no_file_is_named_and_nothing_is_done() {
    let scene = Scene::new();
    let (a, b) = (scene.text("a"), scene.text("b"));
    scene.refused(&["copy", &a, &b], 3, "there is no store at");
    scene.refused(
        &["copy", "mysql://u:s3cret@h/d", &b],
        2,
        "a store is a file",
    );
    scene.refused(&["copy", "@/nowhere", &b], 2, "/nowhere");
    scene.refused(&["copy", "--target-is-lost", &a, &b], 2, "--abort");
    scene.refused(&["restore", &a, "--store", &b], 2, "there is no file");
    assert!(!scene.path("a").exists() && !scene.path("b").exists());
    scene.many("a", 1);
    scene.refused(&["restore", &a, "--store", &b], 3, "it is no backup");
    scene.refused(&["restored", "--store", &a, "--waive"], 3, "--since");
    scene.refused(&["copy", "--abort", &a, &b], 3, "it was not moved");
    scene.refused(&["copy", &a, &a], 3, "another process has it open");
    assert_eq!(scene.seen("a"), (None, 1));
}

#[test]
fn a_copy_that_is_killed_leaves_one_store_whole_and_none_that_is_served_beside_it() {
    const CLIENTS: usize = 20_000;
    let scene = Scene::new();
    scene.many("from", CLIENTS);
    let (from, to) = (scene.text("from"), scene.text("to"));
    for milliseconds in [0, 10, 30, 60, 100, 200] {
        let mut copy = command(&["store", "copy", &from, &to]);
        let mut copy = copy.spawn().unwrap();
        // Wherever that finds it.
        thread::sleep(Duration::from_millis(milliseconds));
        let _ = copy.kill();
        let _ = copy.wait();
        let (source, all) = scene.seen("from");
        assert_eq!(all, CLIENTS);
        if !scene.path("to").exists() {
            assert_eq!(source, None);
            continue;
        }
        match (source, scene.seen("to")) {
            // It had not begun, or had ended.
            (None, (None | Some(Mark::Filling { .. }), 0)) => {}
            (Some(Mark::Moved { .. }), (None, CLIENTS)) => return,
            (Some(Mark::Moved { .. }), (Some(Mark::Filling { .. }), _)) => {
                scene.done(&["copy", "--abort", &from, &to]);
                assert_eq!(scene.seen("from"), (None, CLIENTS));
                scene.is_refused("to", "is not whole");
            }
            other => panic!("{other:?}"),
        }
    }
    scene.done(&["copy", &from, &to]);
    assert_eq!(scene.seen("to"), (None, CLIENTS));
    scene.is_refused("from", "it was moved to");
}

/// Runs `2fapi` where this directory is a disk of so many kilobytes, and gives what is there then.
fn on_a_small_disk(disk: &Path, kilobytes: u32, action: &[&str]) -> (Output, String) {
    let place = disk.to_str().unwrap();
    let script = format!(
        "mount -t tmpfs -o size={kilobytes}k none {place} && chmod 700 {place}; \"$0\" \"$@\"; code=$?; ls {place} >&2; \
         exit $code"
    );
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.arg("--map-root-user");
    }
    let output = unshare
        .args(["--mount", "sh", "-c", &script, env!("CARGO_BIN_EXE_2fapi")])
        .args(action)
        .output()
        .unwrap();
    let said = stderr(&output);
    (output, said)
}

#[test]
fn a_disk_that_is_full_costs_a_backup_or_a_copy_and_nothing_else() {
    let scene = Scene::new();
    scene.many("store", 20_000);
    let store = scene.text("store");
    let disk = scene.path("disk");
    fs::create_dir(&disk).unwrap();
    let file = scene.text("disk/file");
    for kilobytes in [64, 2048] {
        let action = ["store", "backup", &file, "--store", &store];
        let (output, said) = on_a_small_disk(&disk, kilobytes, &action);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("No space left"), "{said}");
        assert!(
            !said.lines().any(|line| line == "file"),
            "a part is left: {said}"
        );
        assert_eq!(scene.seen("store"), (None, 20_000));
    }
    let (output, said) = on_a_small_disk(&disk, 2048, &["store", "copy", &store, &file]);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("--abort"), "{said}");
    assert_eq!(scene.seen("store").1, 20_000);
    // That disk is gone.
    scene.done(&["copy", "--abort", "--target-is-lost", &store, &file]);
    assert_eq!(scene.seen("store"), (None, 20_000));
}

#[test]
fn a_backup_whose_making_was_cut_off_is_none() {
    let scene = Scene::new();
    scene.many("store", 3);
    let store = scene.text("store");
    scene.done(&["backup", &scene.text("whole"), "--store", &store]);
    let part = StorePlace::find(&scene.path("part")).unwrap();
    let contents = EmbeddedContents::open(&part).unwrap();
    let filling = Mark::Filling {
        run: "0".into(),
        from: "a store".into(),
    };
    now(contents.change_mark(None, Some(&filling)));
    drop(contents);
    let to = scene.text("to");
    scene.refused(
        &["restore", &scene.text("part"), "--store", &to],
        3,
        "is not whole",
    );
    assert!(!scene.path("to").exists());
    // A backup is looked at and not changed.
    let before = fs::read(scene.path("whole")).unwrap();
    scene.done(&["restore", &scene.text("whole"), "--store", &to]);
    assert!(fs::read(scene.path("whole")).unwrap() == before);
    // A store that is in use takes none.
    scene.refused(
        &["restore", &scene.text("whole"), "--store", &store],
        3,
        "not empty",
    );
    assert_eq!(scene.seen("store"), (None, 3));
}
