//! Whose store it is: other users of the machine, links, long paths and file systems that cannot be
//! written to.
//!
//! What takes a second user needs root, and says so where the tests run as somebody else.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown, symlink},
        net::UnixListener,
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
};

use rustix::{
    process::{Uid, geteuid},
    thread::set_thread_res_uid,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, command, invite, refusal, run, serve, stderr};

/// `nobody` on Debian; any user without rights will do.
const STRANGER: u32 = 65534;

fn can_be_two_users() -> bool {
    let root = geteuid().is_root();
    if !root {
        eprintln!("not run: a second user takes root");
    }
    root
}

/// A directory that other users can reach, with the program in it.
struct Town {
    directory: TempDir,
    program: PathBuf,
}

impl Town {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), mode).unwrap();
        let program = directory.path().join("2fapi");
        // By a child: a program that this process writes cannot be run while a child of another test
        // still holds the file open (ETXTBSY).
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_2fapi"))
            .arg(&program)
            .status();
        assert!(copied.unwrap().success());
        Self { directory, program }
    }

    fn folder(&self, name: &str, owner: u32, mode: u32) -> PathBuf {
        let folder = self.directory.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        chown(&folder, Some(owner), Some(owner)).unwrap();
        folder
    }

    fn as_stranger(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env_clear().uid(STRANGER).gid(STRANGER);
        command
    }

    fn serve_as_stranger(&self, store: &Path) -> Command {
        let store = store.to_str().unwrap();
        self.as_stranger(&["serve", "--listen", "127.0.0.1:0", "--store", store])
    }
}

fn operator(action: &[&str], store: &Path) -> Output {
    let store = store.to_str().unwrap();
    run(&[&["--json"], action, &["--store", store]].concat())
}

/// Listens as somebody else, answers every request with an invitation, and reports each.
fn listen_as_stranger(socket: &Path) -> mpsc::Receiver<String> {
    let (ready, is_ready) = mpsc::channel();
    let (sender, requests) = mpsc::channel();
    let socket = socket.to_owned();
    thread::spawn(move || {
        // This thread alone: what it listens on is the stranger's.
        let stranger = Some(Uid::from_raw(STRANGER));
        set_thread_res_uid(stranger, stranger, Some(Uid::ROOT)).unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
        ready.send(()).unwrap();
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = String::new();
            let _ = BufReader::new(&stream).read_line(&mut request);
            let _ = sender.send(request);
            let answer = r#"{"invited":{"token":"TOKEN-OF-THE-STRANGER","expires_at":1}}"#;
            let _ = stream.write_all(format!("{answer}\n").as_bytes());
        }
    });
    is_ready.recv().unwrap();
    requests
}

#[track_caller]
fn refused(output: &Output, says: &str) {
    assert_eq!(output.status.code(), Some(3), "{}", stderr(output));
    assert!(stderr(output).contains(says), "{}", stderr(output));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_socket_of_a_stranger_beside_the_store_is_asked_nothing() {
    if !can_be_two_users() {
        return;
    }
    let town = Town::new();
    let folder = town.folder("pub", 0, 0o1777);
    let store = folder.join("2fapi.redb");
    let socket = folder.join("2fapi.redb.admin");
    let requests = listen_as_stranger(&socket);
    for action in [&["invite", "alice"][..], &["clients", "list"]] {
        if action[0] == "clients" {
            // Looking is for a store that is there.
            fs::write(&store, "").unwrap();
            fs::set_permissions(&store, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let output = operator(action, &store);
        refused(&output, "untrusted_server");
        refused(&output, "nothing was asked");
    }
    // Handed over, it is still the stranger who listens.
    chown(&socket, Some(0), Some(0)).unwrap();
    refused(
        &operator(&["clients", "revoke", "alice"], &store),
        "untrusted_server",
    );
    let asked: Vec<_> = requests
        .try_iter()
        .filter(|request| !request.is_empty())
        .collect();
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn a_link_to_the_socket_of_another_store_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let (mine, other) = (
        directory.path().join("mine"),
        directory.path().join("other"),
    );
    Process::start(&mine, &[]).stop();
    let _server = Process::start(&other, &[]);
    symlink(
        directory.path().join("other.admin"),
        directory.path().join("mine.admin"),
    )
    .unwrap();
    refused(&operator(&["invite", "alice"], &mine), "not a socket");
}

#[test]
fn roots_first_invitation_leaves_a_store_that_the_service_opens() {
    if !can_be_two_users() {
        return;
    }
    let town = Town::new();
    let folder = town.folder("var", STRANGER, 0o700);
    for store in [folder.join("2fapi.redb"), folder.join("new/er/2fapi.redb")] {
        let made = command(&["invite", "alice", "--store", store.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
        assert!(stderr(&made).contains("(uid 65534)"), "{}", stderr(&made));
        assert_eq!(fs::metadata(&store).unwrap().uid(), STRANGER);
        let mut server = Process::spawn(town.serve_as_stranger(&store));
        // Root is an operator of the service, and the service's user is one.
        invite("bob", &store);
        let path = store.to_str().unwrap();
        let own = town
            .as_stranger(&["invite", "carl", "--store", path])
            .output();
        assert!(own.unwrap().status.success());
        server.stop();
    }
}

#[test]
fn whoever_may_not_open_a_store_is_told_whose_it_is() {
    if !can_be_two_users() {
        return;
    }
    let town = Town::new();
    let folder = town.folder("var", 0, 0o755);
    let store = folder.join("2fapi.redb");
    invite("alice", &store);
    let refusal = refusal(town.serve_as_stranger(&store));
    refused(&refusal, "belongs to root (uid 0)");
    refused(&refusal, "this runs as");
    let path = store.to_str().unwrap();
    let server = Process::start(&store, &[]);
    let foreign = town
        .as_stranger(&["invite", "bob", "--store", path])
        .output();
    refused(&foreign.unwrap(), "root (uid 0)");
    drop(server);
}

#[test]
fn root_does_not_use_a_store_that_a_stranger_has_laid_out() {
    if !can_be_two_users() {
        return;
    }
    let town = Town::new();
    let folder = town.folder("pub", 0, 0o1777);
    let store = folder.join("2fapi.redb");
    fs::write(&store, "").unwrap();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o600)).unwrap();
    chown(&store, Some(STRANGER), None).unwrap();
    refused(&refusal(serve(&store, &[])), "belongs to");
    refused(&operator(&["invite", "alice"], &store), "belongs to");
    let link = folder.join("link");
    symlink("/dev/null", &link).unwrap();
    std::os::unix::fs::lchown(&link, Some(STRANGER), None).unwrap();
    refused(&operator(&["invite", "alice"], &link), "symbolic link of");
    assert_eq!(fs::read(&store).unwrap(), b"");
    // In a folder that only root writes to, root has put it there.
    let folder = town.folder("srv", 0, 0o755);
    fs::rename(&store, folder.join("2fapi.redb")).unwrap();
    invite("alice", &folder.join("2fapi.redb"));
}

#[test]
fn a_store_is_served_and_administered_however_long_its_path_is() {
    let directory = tempfile::tempdir().unwrap();
    let mut folder = directory.path().to_owned();
    while folder.as_os_str().len() < 300 {
        folder.push("a-folder-with-a-name-of-forty-characters");
    }
    let store = folder.join("2fapi.redb");
    let mut server = Process::start(&store, &[]);
    assert!(folder.join("2fapi.redb.admin").exists());
    invite("alice", &store);
    server.stop();
    assert!(!folder.join("2fapi.redb.admin").exists());

    let store = directory.path().join("never").join("x".repeat(120));
    for output in [
        refusal(serve(&store, &[])),
        operator(&["invite", "bob"], &store),
    ] {
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("too long"), "{}", stderr(&output));
    }
    assert!(
        !directory.path().join("never").exists(),
        "something was made"
    );
}

#[test]
fn a_store_behind_a_link_is_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let [real, link, twice] =
        ["real.redb", "link.redb", "twice.redb"].map(|name| directory.path().join(name));
    symlink("real.redb", &link).unwrap();
    symlink(&link, &twice).unwrap();
    for (served, asked) in [(&real, &link), (&link, &real), (&twice, &link)] {
        let mut server = Process::start(served, &[]);
        assert!(directory.path().join("real.redb.admin").exists());
        invite("alice", asked);
        server.stop();
    }
    assert!(link.is_symlink() && twice.is_symlink() && real.is_file());
    let circle = directory.path().join("circle");
    symlink("circle", &circle).unwrap();
    refused(&refusal(serve(&circle, &[])), "too many symbolic links");
}

#[test]
fn what_is_no_regular_file_is_no_store() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    let made = Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(&pipe)
        .status();
    assert!(made.unwrap().success());
    for (path, code) in [
        (pipe.as_path(), 3),
        (Path::new("/dev/null"), 3),
        (directory.path(), 3),
    ] {
        let output = refusal(serve(path, &[]));
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(!stderr(&output).contains("chmod"), "{}", stderr(&output));
    }
}

/// Runs the command where the file system below a directory cannot be written to.
fn read_only(below: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "sh", "-ec"])
        .arg(
            "mount --bind \"$0\" \"$0\"; mount -o remount,bind,ro \"$0\"; ! touch \"$0/x\" 2>&-; \
             exec \"$@\"",
        )
        .arg(below)
        .arg(env!("CARGO_BIN_EXE_2fapi"))
        .args(args);
    command.output().unwrap()
}

#[test]
fn clients_are_listed_where_nothing_can_be_written() {
    let mut namespace = Command::new("unshare");
    namespace.args(["-rm", "true"]).stderr(Stdio::null());
    if !namespace.status().is_ok_and(|status| status.success()) {
        eprintln!("not run: there are no namespaces to be had here");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let path = store.to_str().unwrap();
    let mut server = Process::start(&store, &[]);
    server.enrol("alice", &store);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    // Killed first, closed in an orderly way then.
    for round in 0..2 {
        if round == 1 {
            Process::start(&store, &[]).stop();
        }
        let before = fs::read(&store).unwrap();
        let list = read_only(
            directory.path(),
            &["--json", "clients", "list", "--store", path],
        );
        assert!(list.status.success(), "{}", stderr(&list));
        let list: Value = serde_json::from_slice(&list.stdout).unwrap();
        assert_eq!(list["clients"][0]["client_id"], "alice");
        let show = ["--json", "clients", "show", "alice", "--store", path];
        assert!(read_only(directory.path(), &show).status.success());
        let show = ["--json", "clients", "show", "bob", "--store", path];
        let nobody = read_only(directory.path(), &show);
        assert!(
            stderr(&nobody).contains("not_enrolled"),
            "{}",
            stderr(&nobody)
        );
        let suspend = ["clients", "suspend", "alice", "--store", path];
        let refused = read_only(directory.path(), &suspend);
        assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
        assert!(
            stderr(&refused).contains("ead-only"),
            "{}",
            stderr(&refused)
        );
        assert_eq!(fs::read(&store).unwrap(), before);
    }
}

#[test]
fn an_invitation_goes_to_a_private_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let file = directory.path().join("token");
    let path = file.to_str().unwrap();
    let made = operator(&["invite", "alice", "--out", path], &store);
    assert!(made.status.success(), "{}", stderr(&made));
    let answer: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(answer["file"], path);
    assert_eq!(answer.get("token"), None);
    assert_eq!(crate::process::mode(&file), 0o600);
    let token = fs::read_to_string(&file).unwrap();
    let printed = invite("bob", &store);
    assert_eq!(token.trim().len(), printed.len());

    // Nothing is overwritten, and there is no invitation that nobody has.
    let size = || fs::metadata(&store).unwrap().mtime_nsec();
    let before = size();
    for taken in [path, "/nowhere/token"] {
        let again = operator(&["invite", "alice", "--out", taken], &store);
        assert_eq!(again.status.code(), Some(2), "{}", stderr(&again));
    }
    assert_eq!(size(), before);
    assert_eq!(fs::read_to_string(&file).unwrap(), token);
}
