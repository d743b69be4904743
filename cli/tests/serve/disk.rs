//! A disk that is full for a while: what cannot be kept is refused, what need not be kept goes on, and
//! when there is room again the server works as before.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::json;

use crate::{
    client::{CHALLENGE, ENROLL, VERIFY, WHOAMI, credential, get, possession, post, proven},
    process::Process,
};

/// A server whose store is on a small file system of its own, and where that is seen from here.
fn start(directory: &tempfile::TempDir) -> (Process, PathBuf) {
    let place = directory.path().to_str().unwrap();
    // In a name space of its own, so that nothing is left mounted.
    let script = format!(
        "mount -t tmpfs -o size=8m none {place} && chmod 700 {place} && exec \"$0\" serve --listen \
         127.0.0.1:0 --store {place}/2fapi.redb"
    );
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.arg("--map-root-user");
    }
    let mut child = unshare
        .args(["--mount", "sh", "-c", &script, env!("CARGO_BIN_EXE_2fapi")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let base_url = line
        .trim()
        .strip_prefix("listening on ")
        .unwrap()
        .to_owned();
    let seen = format!("/proc/{}/root{place}", child.id());
    (Process::of(child, base_url), seen.into())
}

fn fill(file: &std::path::Path) {
    let mut file = fs::File::create(file).unwrap();
    for size in [1 << 16, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn a_disk_that_was_full_is_written_to_again_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (server, seen) = start(&directory);
    let store = seen.join("2fapi.redb");
    let (alice, _) = server.enrol("alice", &store);
    let invitations: Vec<_> = (0..200)
        .map(|n| {
            (
                format!("client-{n}"),
                crate::process::invite(&format!("client-{n}"), &store),
            )
        })
        .collect();
    let (_, token) = server.log_in(&alice);

    fill(&seen.join("fill"));
    let mut refused = None;
    for (client_id, invitation) in &invitations {
        let body = possession(client_id, &credential());
        let answer = post(&server.base_url, ENROLL, Some(invitation), &body);
        if answer.status != 201 {
            assert_eq!(answer.problem(), (503, "unavailable"));
            refused = Some((invitation.clone(), body));
            break;
        }
    }
    let (invitation, body) = refused.expect("the disk is not full");
    assert_eq!(get(&server.base_url, "/healthz", None).status, 503);
    // A restart would make no room.
    assert_eq!(get(&server.base_url, "/livez", None).status, 200);
    // Nothing of this has to be written.
    assert_eq!(get(&server.base_url, WHOAMI, Some(&token)).status, 200);
    let challenge = post(
        &server.base_url,
        CHALLENGE,
        None,
        &json!({ "client_id": "alice" }),
    );
    let answer = post(
        &server.base_url,
        VERIFY,
        None,
        &proven(&alice, &challenge, &server.binding()),
    );
    assert_eq!(answer.status, 200, "{answer:?}");

    fs::remove_file(seen.join("fill")).unwrap();
    thread::sleep(Duration::from_millis(100));
    assert_eq!(get(&server.base_url, "/healthz", None).status, 200);
    let answer = post(&server.base_url, ENROLL, Some(&invitation), &body);
    assert!([201, 401].contains(&answer.status), "{answer:?}");
    server.enrol("late", &store);
    assert_eq!(get(&server.base_url, WHOAMI, Some(&token)).status, 200);
}
