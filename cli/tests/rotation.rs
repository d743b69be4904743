//! A rotation that is cut off anywhere loses nothing, and the next command completes it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::{MetadataExt, chown, symlink},
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use support::{Home, Run, Server, commitment, mode, read_json};

/// What happens to a rotation on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Passes,
    /// The request never reaches the server.
    LostOnTheWay,
    /// The server says yes, and nobody hears it.
    AnswerLost,
    /// The server says yes, and the answer takes for ever.
    AnswerHeld,
}

/// Passes requests on to a server, one connection for each, until a rotation meets its fate.
struct Proxy {
    url: String,
    fate: Arc<Mutex<Fate>>,
    /// Says when the server has answered a rotation.
    answered: mpsc::Receiver<()>,
}

impl Proxy {
    fn before(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = server.url.strip_prefix("http://").unwrap().to_owned();
        let fate = Arc::new(Mutex::new(Fate::Passes));
        let (sender, answered) = mpsc::channel();
        let shared = fate.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (upstream, fate, sender) = (upstream.clone(), shared.clone(), sender.clone());
                thread::spawn(move || pass_on(stream.unwrap(), &upstream, &fate, &sender));
            }
        });
        Self {
            url,
            fate,
            answered,
        }
    }

    fn set(&self, fate: Fate) {
        *self.fate.lock().unwrap() = fate;
    }
}

fn pass_on(mut client: TcpStream, upstream: &str, fate: &Mutex<Fate>, answered: &mpsc::Sender<()>) {
    while let Some(request) = message(&mut client) {
        let rotation = request.starts_with(b"POST /auth/zkp/rotate ");
        let fate = *fate.lock().unwrap();
        if rotation && fate == Fate::LostOnTheWay {
            return;
        }
        let mut server = TcpStream::connect(upstream).unwrap();
        server.write_all(&request).unwrap();
        let Some(answer) = message(&mut server) else {
            return;
        };
        if rotation {
            let _ = answered.send(());
            match fate {
                Fate::AnswerLost => return,
                Fate::AnswerHeld => thread::sleep(Duration::from_secs(60)),
                _ => {}
            }
        }
        if client.write_all(&answer).is_err() {
            return;
        }
    }
}

/// One HTTP message with its body; `None` at the end of the connection.
fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |length| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    bytes.extend(body);
    Some(bytes)
}

/// Alice, enrolled at a server, with a proxy on the way.
struct Scene {
    home: Home,
    server: Server,
    proxy: Proxy,
    /// Alice's credential, the one that is to follow, and the one before.
    current: PathBuf,
    next: PathBuf,
    previous: PathBuf,
    first: String,
}

impl Scene {
    fn new() -> Self {
        let home = Home::new();
        let server = Server::start(&home);
        server.enrolled(&home, "alice");
        let current = home.credential("alice");
        let beside = |suffix| PathBuf::from(format!("{}{suffix}", current.display()));
        Self {
            proxy: Proxy::before(&server),
            first: commitment(&current),
            next: beside(".next"),
            previous: beside(".previous"),
            current,
            server,
            home,
        }
    }

    fn run(&self, command: &str) -> Run {
        let server = &self.proxy.url;
        let audience = &self.server.url;
        self.home
            .run([command, "alice", "--server", server, "--audience", audience])
    }

    /// The commitment that the server has.
    fn enrolled(&self) -> String {
        let run = self
            .server
            .operator(&self.home, ["--json", "clients", "show", "alice"]);
        run.succeeds().json()["commitment"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The rotation took place, and the files say so.
    #[track_caller]
    fn is_complete(&self, new: &str) {
        assert_eq!(self.enrolled(), new);
        assert_eq!(commitment(&self.current), new);
        assert_eq!(commitment(&self.previous), self.first);
        assert!(!self.next.exists());
        for path in [&self.current, &self.previous] {
            assert_eq!(mode(path), 0o600);
        }
        self.run("login").succeeds();
    }
}

#[test]
fn a_rotation_replaces_the_credential_and_ends_what_the_old_one_opened() {
    let scene = Scene::new();
    let token = scene.run("login").succeeds().line().to_owned();
    let rotated = scene.run("rotate").succeeds();
    assert!(rotated.stdout.contains("(version 2)"));
    let new = commitment(&scene.current);
    assert!(rotated.stdout.contains(&new));
    assert_ne!(new, scene.first);
    scene.is_complete(&new);
    let whoami = ["whoami", "--server", &scene.server.url, "--token-file", "-"];
    scene
        .home
        .run_with_stdin(whoami, &token)
        .fails(1, "not accepted");
    let previous = scene.previous.to_str().unwrap();
    scene
        .home
        .run([
            "login",
            "--credential",
            previous,
            "--server",
            &scene.server.url,
        ])
        .fails(1, "not accepted");

    let again = scene
        .home
        .run(["--json", "rotate", "alice", "--server", &scene.server.url]);
    assert_eq!(again.succeeds().json()["commitment_version"], 3);
    assert_eq!(commitment(&scene.previous), new);
}

#[test]
fn when_the_answer_is_lost_the_next_login_finds_the_new_credential_in_force() {
    let scene = Scene::new();
    scene.proxy.set(Fate::AnswerLost);
    scene
        .run("rotate")
        .fails(3, "whether the rotation took place is not known");
    let new = commitment(&scene.next);
    assert_eq!(
        (commitment(&scene.current), scene.enrolled()),
        (scene.first.clone(), new.clone())
    );
    assert_eq!(mode(&scene.next), 0o600);
    scene.proxy.set(Fate::Passes);
    let login = scene.run("login").succeeds();
    assert!(
        login.stderr.contains("the new credential is in force"),
        "{login:?}"
    );
    scene.is_complete(&new);
}

#[test]
fn when_the_answer_is_lost_the_next_rotation_finds_itself_done() {
    let scene = Scene::new();
    scene.proxy.set(Fate::AnswerLost);
    scene.run("rotate").fails(3, "is kept in");
    let new = commitment(&scene.next);
    scene.proxy.set(Fate::Passes);
    let rotated = scene.run("rotate").succeeds();
    assert!(
        rotated.stderr.contains("an earlier attempt had succeeded"),
        "{rotated:?}"
    );
    scene.is_complete(&new);
}

#[test]
fn when_the_request_is_lost_the_old_credential_stays_and_the_rotation_is_taken_up_again() {
    let scene = Scene::new();
    scene.proxy.set(Fate::LostOnTheWay);
    scene.run("rotate").fails(3, "is kept in");
    let new = commitment(&scene.next);
    scene.run("login").succeeds();
    assert_eq!(
        (commitment(&scene.current), scene.enrolled()),
        (scene.first.clone(), scene.first.clone())
    );
    assert_eq!(commitment(&scene.next), new);
    scene.run("rotate").fails(3, "is kept in");
    assert_eq!(commitment(&scene.next), new);
    scene.proxy.set(Fate::Passes);
    scene.run("rotate").succeeds();
    scene.is_complete(&new);
}

#[test]
fn a_client_killed_while_it_waits_for_the_yes_has_the_new_credential_on_disk() {
    let scene = Scene::new();
    scene.proxy.set(Fate::AnswerHeld);
    let mut command = scene
        .home
        .command(["rotate", "alice", "--server", &scene.proxy.url]);
    let mut child = command
        .args(["--audience", &scene.server.url])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    scene
        .proxy
        .answered
        .recv_timeout(Duration::from_secs(20))
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let new = commitment(&scene.next);
    scene.proxy.set(Fate::Passes);
    scene.run("login").succeeds();
    scene.is_complete(&new);
}

#[test]
fn a_client_killed_between_its_two_renames_completes_them() {
    let scene = Scene::new();
    scene.proxy.set(Fate::AnswerLost);
    scene.run("rotate").fails(3, "is kept in");
    let new = commitment(&scene.next);
    // The first step was done, the second was not.
    fs::copy(&scene.current, &scene.previous).unwrap();
    scene.proxy.set(Fate::Passes);
    scene.run("login").succeeds();
    scene.is_complete(&new);
}

#[test]
fn a_rotation_that_is_refused_loses_neither_credential() {
    let scene = Scene::new();
    scene
        .server
        .operator(&scene.home, ["clients", "suspend", "alice"])
        .succeeds();
    scene.run("rotate").fails(1, "is kept in");
    let new = commitment(&scene.next);
    assert_eq!(commitment(&scene.current), scene.first);
    scene.run("login").fails(1, "not accepted");
    assert_eq!(
        (commitment(&scene.current), commitment(&scene.next)),
        (scene.first.clone(), new.clone())
    );
    scene
        .server
        .operator(&scene.home, ["clients", "resume", "alice"])
        .succeeds();
    scene.run("login").succeeds();
    scene.run("rotate").succeeds();
    scene.is_complete(&new);
}

#[test]
fn rotations_at_once_wait_for_each_other_and_logins_among_them_succeed() {
    let scene = Scene::new();
    let start = |command| {
        scene
            .home
            .command([command, "alice", "--server", &scene.server.url])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let commands = [
        "rotate", "login", "rotate", "login", "rotate", "login", "rotate",
    ];
    let children: Vec<_> = (0..3).flat_map(|_| commands.map(start)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let run = scene
        .server
        .operator(&scene.home, ["--json", "clients", "show", "alice"]);
    assert_eq!(run.succeeds().json()["commitment_version"], 13);
    assert_eq!(commitment(&scene.current), scene.enrolled());
    assert!(!scene.next.exists());
}

#[test]
fn a_sealed_credential_is_followed_by_one_under_the_same_passphrase() {
    let home = Home::new();
    let server = Server::start(&home);
    let passphrase = home.path("passphrase");
    fs::write(&passphrase, "correct horse").unwrap();
    let passphrase = passphrase.to_str().unwrap();
    home.run(["keygen", "alice", "--passphrase-file", passphrase])
        .succeeds();
    let token = server.invite(&home, "alice");
    let with = |command| {
        let arguments = [
            command,
            "alice",
            "--server",
            &server.url,
            "--passphrase-file",
            passphrase,
        ];
        home.command(arguments)
    };
    let mut enroll = with("enroll");
    enroll.env("TWOFAPI_ENROLMENT_TOKEN", &token);
    home.run_command(enroll).succeeds();
    home.run_command(with("rotate")).succeeds();
    let current = home.credential("alice");
    for path in [
        current.clone(),
        PathBuf::from(format!("{}.previous", current.display())),
    ] {
        assert!(read_json(&path).unwrap()["secret"].is_null());
    }
    home.run_command(with("login")).succeeds();
}

#[test]
fn a_credential_behind_a_link_is_rotated_where_it_is() {
    let scene = Scene::new();
    let folder = scene.home.path("elsewhere");
    fs::create_dir(&folder).unwrap();
    let real = folder.join("real.json");
    fs::rename(&scene.current, &real).unwrap();
    symlink(&real, &scene.current).unwrap();
    scene.run("login").succeeds();
    scene.run("rotate").succeeds();
    let new = commitment(&real);
    assert_ne!(new, scene.first);
    assert_eq!(scene.enrolled(), new);
    assert!(scene.current.is_symlink(), "the link was replaced");
    assert_eq!(commitment(&folder.join("real.json.previous")), scene.first);
    for login in [&scene.current, &real] {
        let path = login.to_str().unwrap();
        let arguments = ["login", "--credential", path, "--server", &scene.server.url];
        scene.home.run(arguments).succeeds();
    }
}

#[test]
fn a_rotation_by_root_leaves_the_files_to_their_owner() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: only root rotates for others");
        return;
    }
    let scene = Scene::new();
    chown(&scene.current, Some(65534), Some(65534)).unwrap();
    scene.proxy.set(Fate::AnswerLost);
    scene.run("rotate").fails(3, "is kept in");
    assert_eq!(fs::metadata(&scene.next).unwrap().uid(), 65534);
    scene.proxy.set(Fate::Passes);
    scene.run("rotate").succeeds();
    for file in [&scene.current, &scene.previous] {
        assert_eq!(
            (fs::metadata(file).unwrap().uid(), mode(file)),
            (65534, 0o600)
        );
    }
}
