//! Clients of several credentials against a real server: linked from one device and from two, unlinked, listed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdout, Stdio},
};

use serde_json::Value;
use support::{Home, Run, Server, commitment, read_json};

/// A command that is running, and talks.
struct Talk<'h> {
    home: &'h Home,
    child: Child,
    stdout: BufReader<ChildStdout>,
    said: String,
}

impl<'h> Talk<'h> {
    fn start(home: &'h Home, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut child = home
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self {
            home,
            child,
            stdout,
            said: String::new(),
        }
    }

    /// The next line that it says.
    #[track_caller]
    fn hears(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut stderr = String::new();
            let pipe = self.child.stderr.as_mut().unwrap();
            pipe.read_to_string(&mut stderr).unwrap();
            panic!("it says nothing: {stderr}");
        }
        self.said.push_str(&line);
        line.trim().to_owned()
    }

    fn says(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn cut_off(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn ends(mut self) -> Run {
        drop(self.child.stdin.take());
        self.stdout.read_to_string(&mut self.said).unwrap();
        let mut output = self.child.wait_with_output().unwrap();
        output.stdout = self.said.into_bytes();
        self.home.finish(output)
    }
}

/// `alice` with a phone that is enrolled, and the home of a second device.
struct Scene {
    phone: Home,
    laptop: Home,
    server: Server,
}

impl Scene {
    fn new() -> Self {
        let phone = Home::new();
        let server = Server::start(&phone);
        server.enrolled(&phone, "alice");
        Self {
            phone,
            laptop: Home::new(),
            server,
        }
    }

    /// The first device shows a code.
    fn link(&self) -> (Talk<'_>, String) {
        let arguments = ["link", "alice", "--server", &self.server.url];
        let mut link = Talk::start(&self.phone, arguments);
        let code = link.hears();
        assert!(code.starts_with("2fapi-link:1:ch-"), "{code}");
        (link, code)
    }

    /// A second device takes it, and shows a number.
    fn join<'h>(&self, home: &'h Home, code: &str) -> (Talk<'h>, String) {
        let arguments = [
            "join",
            code,
            "--server",
            &self.server.url,
            "--name",
            "laptop",
        ];
        let mut join = Talk::start(home, arguments);
        let number = join.hears();
        assert!(
            number.len() == 6 && number.bytes().all(|b| b.is_ascii_digit()),
            "{number}"
        );
        (join, number)
    }

    fn linked(&self) {
        let (mut link, code) = self.link();
        let (join, number) = self.join(&self.laptop, &code);
        link.says(&number);
        link.ends().succeeds();
        join.ends().succeeds();
    }

    fn login(&self, home: &Home) -> Run {
        home.run(["login", "alice", "--server", &self.server.url])
    }

    fn list(&self, home: &Home) -> Value {
        home.run([
            "--json",
            "credentials",
            "alice",
            "--server",
            &self.server.url,
        ])
        .succeeds()
        .json()
    }

    fn names(&self, home: &Home) -> Vec<String> {
        let list = self.list(home);
        let listed = list["credentials"].as_array().unwrap().iter();
        listed
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    }

    fn unlink(&self, home: &Home, which: &[&str]) -> Run {
        let mut command = home.command(["--json", "unlink", "alice", "--server", &self.server.url]);
        command.args(which);
        home.run_command(command)
    }

    fn link_here(&self, name: &str, file: &str) -> Run {
        self.phone.run([
            "--json",
            "link",
            "alice",
            "--server",
            &self.server.url,
            "--here",
            name,
            file,
        ])
    }
}

fn id_in(home: &Home) -> String {
    let file = read_json(&home.credential("alice")).unwrap();
    file["credential_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_second_device_is_linked_by_the_number_that_its_user_types() {
    let scene = Scene::new();
    let (mut link, code) = scene.link();
    let (join, number) = scene.join(&scene.laptop, &code);
    link.says(&number);
    let linked = link.ends().succeeds();
    assert!(
        linked.stdout.contains("linked \"laptop\" to alice"),
        "{linked:?}"
    );
    // The number is for the second device to show: the first one does not.
    assert!(!linked.stdout.contains(&number) && !linked.stderr.contains(&number));
    let joined = join.ends().succeeds();
    assert!(joined.stderr.contains("alice") && joined.stderr.contains(&scene.server.url));
    let id = id_in(&scene.laptop);
    assert!(linked.stdout.contains(&id) && joined.stdout.contains(&id));

    for home in [&scene.phone, &scene.laptop] {
        scene.login(home).succeeds();
        assert_eq!(scene.names(home), ["first", "laptop"]);
        let list = scene.list(home);
        assert_eq!(list["credentials"][1]["credential_id"], id);
    }
    assert_eq!(scene.list(&scene.laptop)["this"], id);
    let shown = scene
        .laptop
        .run(["credentials", "alice", "--server", &scene.server.url])
        .succeeds();
    assert_eq!(shown.stdout.matches("(this one)").count(), 1);
    // The first device's file is as it was: hosts of before go on reading what it sends.
    let first = read_json(&scene.phone.credential("alice")).unwrap();
    assert!(first.get("credential_id").is_none());
}

#[test]
fn a_wrong_number_links_nothing() {
    let scene = Scene::new();
    let (mut link, code) = scene.link();
    let join = [
        "join",
        &code,
        "--server",
        &scene.server.url,
        "--name",
        "laptop",
        "--wait",
        "2",
    ];
    let mut join = Talk::start(&scene.laptop, join);
    let number = join.hears();
    let wrong = if number == "000000" {
        "000001"
    } else {
        "000000"
    };
    link.says(wrong);
    link.ends().fails(1, "nothing was linked");
    join.ends().fails(1, "has not linked this one");
    assert_eq!(scene.names(&scene.phone), ["first"]);
    scene.login(&scene.laptop).fails(1, "");

    // Nor does no number at all.
    let (link, code) = scene.link();
    let tablet = Home::new();
    let (join, _) = scene.join(&tablet, &code);
    link.ends().fails(2, "no number was typed");
    join.cut_off();
    assert_eq!(scene.names(&scene.phone), ["first"]);
}

#[test]
fn two_devices_that_join_by_one_code_are_told_and_neither_is_linked() {
    let scene = Scene::new();
    let thief = Home::new();
    let (mut link, code) = scene.link();
    let (join, number) = scene.join(&scene.laptop, &code);
    let run = thief.run([
        "join",
        &code,
        "--server",
        &scene.server.url,
        "--name",
        "thief",
    ]);
    run.fails(1, "another device may have joined");
    link.says(&number);
    // It has seen one device or both, and links neither.
    link.ends().fails(1, "");
    join.cut_off();
    assert_eq!(scene.names(&scene.phone), ["first"]);
    for home in [&scene.laptop, &thief] {
        scene.login(home).fails(1, "");
    }
}

#[test]
fn a_code_of_another_server_is_refused_before_anything_is_made_or_sent() {
    let scene = Scene::new();
    let (mut link, code) = scene.link();
    let run = scene.laptop.run([
        "--json",
        "join",
        &code,
        "--server",
        "https://api.example.com",
    ]);
    let run = run.fails(2, "this code is for");
    assert_eq!(run.error_code(), "audience_mismatch");
    assert!(!scene.laptop.credential("alice").exists());

    // Without a server the user is asked in words, and anything but yes is no.
    for typed in ["", "no", "y", "YES!", "yes please"] {
        let run = scene
            .laptop
            .run_with_stdin(["--json", "join", &code], typed);
        assert_eq!(run.code, 1, "{typed} {run:?}");
        let error = run.stderr.lines().last().unwrap_or_default().to_owned();
        assert!(error.contains("not_confirmed"), "{run:?}");
        assert!(run.stderr.contains(&scene.server.url) && run.stderr.contains("alice"));
        assert!(!scene.laptop.credential("alice").exists());
    }
    let mut join = Talk::start(&scene.laptop, ["join", "--name", "laptop"]);
    join.says(&code);
    join.says("yes");
    let number = join.hears();
    link.says(&number);
    link.ends().succeeds();
    join.ends().succeeds();
    scene.login(&scene.laptop).succeeds();
}

#[test]
fn what_is_no_code_is_refused_and_not_quoted() {
    let home = Home::new();
    for code in ["2fapi-link:1:secret-part", "2fapi-link:2:x", "", "alice"] {
        let run = home.run_with_stdin(["join", "--server", "http://127.0.0.1:1"], code);
        let run = run.fails(2, "link code must be");
        assert!(!run.stderr.contains("secret-part"), "{run:?}");
    }
}

#[test]
fn a_code_that_nobody_takes_ends() {
    let scene = Scene::new();
    let arguments = [
        "link",
        "alice",
        "--server",
        &scene.server.url,
        "--wait",
        "0",
    ];
    scene.phone.run(arguments).fails(1, "no device has joined");
    // An old code is worth nothing once there is a newer one.
    let (link, first) = scene.link();
    link.cut_off();
    let (link, _) = scene.link();
    let run = scene
        .laptop
        .run(["join", &first, "--server", &scene.server.url, "--name", "x"]);
    run.fails(1, "the code may be old");
    link.cut_off();
}

#[test]
fn a_credential_is_linked_here_listed_and_unlinked_and_the_last_one_is_not() {
    let scene = Scene::new();
    let spare = scene.phone.path("spare.json");
    let spare = spare.to_str().unwrap();
    let linked = scene.link_here("spare key", spare).succeeds().json();
    assert_eq!(linked["commitment_version"], 2);
    let id = linked["credential_id"].as_str().unwrap();
    let with_spare = [
        "login",
        "--credential",
        spare,
        "--server",
        &scene.server.url,
    ];
    scene.phone.run(with_spare).succeeds();
    assert_eq!(scene.names(&scene.phone), ["first", "spare key"]);
    // The same command again finds that it is done.
    let again = scene.link_here("spare key", spare).succeeds().json();
    assert_eq!(again["credential_id"], id);
    assert_eq!(scene.names(&scene.phone).len(), 2);

    // It rotates under its name, and goes on being named.
    let before = commitment(spare.as_ref());
    let run = [
        "rotate",
        "--credential",
        spare,
        "--server",
        &scene.server.url,
    ];
    scene.phone.run(run).succeeds();
    assert_ne!(commitment(spare.as_ref()), before);
    scene.phone.run(with_spare).succeeds();
    let rotated = read_json(spare.as_ref()).unwrap();
    let rotated = rotated["credential_id"].as_str().unwrap();
    assert_ne!(rotated, id);

    // The old id is of none any longer.
    scene
        .unlink(&scene.phone, &["--id", id])
        .fails(2, "has no credential");
    scene.unlink(&scene.phone, &["--id", rotated]).succeeds();
    scene.phone.run(with_spare).fails(1, "");
    scene.login(&scene.phone).succeeds();
    assert_eq!(scene.names(&scene.phone), ["first"]);
    scene
        .unlink(&scene.phone, &["--this"])
        .fails(1, "the last credential of a client is not unlinked");
    scene.login(&scene.phone).succeeds();
}

#[test]
fn a_linked_device_takes_the_first_one_away_and_has_the_account() {
    let scene = Scene::new();
    scene.linked();
    let token = scene.login(&scene.phone).succeeds().line().to_owned();
    let of_laptop = scene.login(&scene.laptop).succeeds().line().to_owned();
    let whoami = |token: &str| {
        let arguments = ["whoami", "--server", &scene.server.url, "--token-file", "-"];
        scene.phone.run_with_stdin(arguments, token)
    };
    whoami(&token).succeeds();
    let list = scene.list(&scene.laptop);
    let first = list["credentials"][0]["credential_id"].as_str().unwrap();
    scene.unlink(&scene.laptop, &["--id", first]).succeeds();
    scene.login(&scene.phone).fails(1, "");
    // Its token has ended, the other one's has not.
    whoami(&token).fails(1, "");
    whoami(&of_laptop).succeeds();
    scene.unlink(&scene.laptop, &["--this"]).fails(1, "");
    scene.login(&scene.laptop).succeeds();
}

#[test]
fn a_link_never_overwrites_a_file_and_a_join_that_was_cut_off_is_taken_up() {
    let scene = Scene::new();
    scene.laptop.run(["keygen", "alice"]).succeeds();
    let (mut link, code) = scene.link();
    let run = scene
        .laptop
        .run(["--json", "join", &code, "--server", &scene.server.url]);
    let run = run.fails(2, "never overwritten");
    assert_eq!(run.error_code(), "file_exists");
    fs::remove_file(scene.laptop.credential("alice")).unwrap();

    let (join, number) = scene.join(&scene.laptop, &code);
    join.cut_off();
    let kept = commitment(&scene.laptop.credential("alice"));
    // The same code and the same credential: the same number.
    let (join, again) = scene.join(&scene.laptop, &code);
    assert_eq!(again, number);
    link.says(&number);
    link.ends().succeeds();
    join.ends().succeeds();
    assert_eq!(commitment(&scene.laptop.credential("alice")), kept);
    // One that is linked already is told so.
    let done = scene
        .laptop
        .run(["join", &code, "--server", &scene.server.url]);
    assert!(done.succeeds().stdout.contains("linked to alice"));
}

#[test]
fn who_lost_every_credential_is_reset_and_what_was_lost_is_out() {
    let scene = Scene::new();
    scene.linked();
    let token = scene.login(&scene.laptop).succeeds().line().to_owned();
    let new = Home::new();
    new.run(["keygen", "alice"]).succeeds();
    let reset = scene
        .server
        .operator(&scene.phone, ["invite", "alice", "--reset"])
        .succeeds();
    let enroll = [
        "--json",
        "enroll",
        "alice",
        "--server",
        &scene.server.url,
        "--token",
        "-",
    ];
    let done = new.run_with_stdin(enroll, reset.line()).succeeds().json();
    assert_eq!(
        (&done["status"], &done["commitment_version"]),
        (&Value::from("active"), &Value::from(3))
    );
    for lost in [&scene.phone, &scene.laptop] {
        scene.login(lost).fails(1, "");
    }
    let whoami = ["whoami", "--server", &scene.server.url, "--token-file", "-"];
    new.run_with_stdin(whoami, &token).fails(1, "");
    scene.login(&new).succeeds();
    assert_eq!(scene.names(&new), ["first"]);
}
