//! Credential files: private, whole, never overwritten, and read with suspicion.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    process::Stdio,
    thread,
    time::Duration,
};

use proptest::prelude::*;
use serde_json::json;
use support::{Home, commitment, mode, read_json};

const NONCE: &str = "00112233445566778899aabbccddeeff";

#[test]
fn keygen_makes_a_private_file_that_show_reads() {
    let home = Home::new();
    let made = home.run(["--json", "keygen", "alice"]).succeeds().json();
    let path = home.credential("alice");
    assert_eq!(made["file"], path.display().to_string());
    assert_eq!(made["commitment"], commitment(&path));
    assert_eq!(made["under_passphrase"], false);
    assert_eq!(mode(&path), 0o600);
    for directory in ["data", "data/2fapi", "data/2fapi/credentials"] {
        assert_eq!(mode(&home.path(directory)), 0o700, "{directory}");
    }
    assert_eq!(
        home.run(["--json", "show", "alice"]).succeeds().json(),
        made
    );
    let path = path.display().to_string();
    let shown = home.run(["show", "--credential", &path]).succeeds();
    assert!(shown.stdout.contains(made["commitment"].as_str().unwrap()));
}

#[test]
fn a_credential_file_is_private_whatever_the_umask() {
    let home = Home::new();
    let mut command = std::process::Command::new("sh");
    command
        .env("XDG_DATA_HOME", home.path("data"))
        .args(["-c", "umask 000; exec \"$0\" keygen alice"])
        .arg(env!("CARGO_BIN_EXE_2fapi"));
    home.run_command(command).succeeds();
    assert_eq!(mode(&home.credential("alice")), 0o600);
    assert_eq!(mode(home.credential("alice").parent().unwrap()), 0o700);
}

#[test]
fn a_recovery_phrase_makes_the_same_credential_again() {
    let home = Home::new();
    let made = home.run(["--json", "keygen", "alice", "--mnemonic"]);
    let made = made.succeeds().json();
    let phrase = made["recovery_phrase"].as_str().unwrap();
    assert_eq!(phrase.split(' ').count(), 24);
    let typed = format!("{}\n", phrase.to_uppercase().replace(' ', "\n "));
    let again = home.run_with_stdin(["--json", "keygen", "again", "--recover", "-"], &typed);
    let again = again.succeeds().json();
    assert_eq!(again["commitment"], made["commitment"]);
    assert_eq!(again.get("recovery_phrase"), None);
    let (old, new) = (home.credential("alice"), home.credential("again"));
    for field in ["secret", "blinding", "commitment"] {
        let value = |path| read_json(path).unwrap()[field].clone();
        assert_eq!(value(&old), value(&new));
    }

    let shown = home.run(["keygen", "carol", "--mnemonic"]).succeeds();
    assert!(shown.stdout.contains("24 ") && shown.stdout.contains("on paper"));
    let plain = home.run(["keygen", "dave"]).succeeds();
    assert!(!plain.stdout.contains("on paper"));
}

#[test]
fn a_wrong_phrase_makes_no_file_and_is_not_quoted() {
    let home = Home::new();
    let wrong = ["abandon"; 24].join(" ");
    for phrase in [wrong.as_str(), "", "abandon ability", "\u{0}"] {
        let run = home.run_with_stdin(["keygen", "alice", "--recover", "-"], phrase);
        let run = run.fails(2, "recovery phrase");
        assert!(!run.stderr.contains("abandon"), "{run:?}");
        assert!(!home.credential("alice").exists());
    }
}

#[test]
fn keygen_recovers_every_phrase_of_the_vectors() {
    let vectors = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../spec/vectors/recovery-phrase-v1.json");
    let vectors = read_json(&vectors).unwrap();
    let cases = vectors["valid"].as_array().unwrap();
    assert!(cases.len() > 10);
    for case in cases {
        let home = Home::new();
        let phrase = case["phrase"].as_str().unwrap();
        let run = home.run_with_stdin(["--json", "keygen", "alice", "--recover", "-"], phrase);
        assert_eq!(run.succeeds().json()["commitment"], case["commitment"]);
    }
    for case in vectors["invalid"].as_array().unwrap() {
        let home = Home::new();
        let phrase = case["phrase"].as_str().unwrap();
        let run = home.run_with_stdin(["--json", "keygen", "alice", "--recover", "-"], phrase);
        assert_eq!(run.fails(2, "phrase").error_code(), "invalid_phrase");
    }
}

#[test]
fn keygen_never_overwrites() {
    let home = Home::new();
    home.run(["keygen", "alice"]).succeeds();
    let before = fs::read(home.credential("alice")).unwrap();
    let again = home
        .run(["--json", "keygen", "alice"])
        .fails(2, "never overwritten");
    assert_eq!(again.error_code(), "file_exists");
    assert_eq!(fs::read(home.credential("alice")).unwrap(), before);

    let out = home.path("mine.json");
    let out = out.to_str().unwrap();
    fs::write(out, "something of mine").unwrap();
    home.run(["keygen", "alice", "--out", out])
        .fails(2, "exists already");
    assert_eq!(fs::read_to_string(out).unwrap(), "something of mine");

    let link = home.path("link.json");
    symlink(home.path("nowhere"), &link).unwrap();
    home.run(["keygen", "alice", "--out", link.to_str().unwrap()])
        .fails(2, "exists already");
    assert!(!home.path("nowhere").exists());
}

#[test]
fn of_many_that_make_the_same_file_at_once_exactly_one_succeeds() {
    let home = Home::new();
    let children: Vec<_> = (0..8)
        .map(|_| {
            home.command(["--json", "keygen", "alice"])
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let outputs = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap());
    let made: Vec<_> = outputs.filter(|output| output.status.success()).collect();
    assert_eq!(made.len(), 1);
    let made: serde_json::Value = serde_json::from_slice(&made[0].stdout).unwrap();
    assert_eq!(made["commitment"], commitment(&home.credential("alice")));
}

#[test]
fn keygen_killed_at_any_moment_leaves_a_whole_file_or_none() {
    let home = Home::new();
    for attempt in 0..60_u64 {
        let path = home.path(&format!("{attempt}.json"));
        let path = path.to_str().unwrap();
        let mut child = home
            .command(["keygen", "alice", "--out", path])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_micros(200 * attempt));
        child.kill().unwrap();
        child.wait().unwrap();
        if fs::exists(path).unwrap() {
            home.run(["show", "--credential", path]).succeeds();
        }
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let home = Home::new();
    let out = home.path("nowhere/alice.json");
    home.run(["keygen", "alice", "--out", out.to_str().unwrap()])
        .fails(2, "there is no directory");
}

#[test]
fn a_client_id_that_breaks_the_syntax_is_refused_with_the_rule() {
    let home = Home::new();
    for (id, problem) in [
        ("../x", "not permitted"),
        (".x", "begins with neither"),
        ("a/b", "not permitted"),
        ("2fapi-admin", "reserved"),
        ("", "empty"),
    ] {
        home.run(["keygen", id]).fails(2, problem);
    }
    assert!(!home.path("data").exists());
}

#[test]
fn a_file_that_others_can_read_is_refused_with_the_remedy() {
    let home = Home::new();
    home.run(["keygen", "alice"]).succeeds();
    let path = home.credential("alice");
    for open in [0o640, 0o604, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
        let remedy = format!("chmod 600 {}", path.display());
        home.run(["show", "alice"]).fails(2, &remedy);
        home.run(["prove", "alice", "--enrollment"])
            .fails(2, &remedy);
        home.run(["login", "alice", "--server", "http://127.0.0.1:1"])
            .fails(2, &remedy);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    home.run(["show", "alice"]).succeeds();
}

#[test]
fn a_missing_file_says_how_to_make_one() {
    let home = Home::new();
    let run = home
        .run(["--json", "show", "alice"])
        .fails(2, "2fapi keygen alice");
    assert_eq!(run.error_code(), "no_such_file");
}

#[test]
fn the_file_of_another_client_is_refused() {
    // So it is found where file names have no case.
    let home = Home::new();
    home.run(["keygen", "alice"]).succeeds();
    fs::rename(home.credential("alice"), home.credential("Alice")).unwrap();
    home.run(["show", "Alice"])
        .fails(2, "is the credential of alice, not of Alice");
}

#[test]
fn a_sealed_file_needs_its_passphrase_and_shows_nothing() {
    let home = Home::new();
    let (right, wrong) = (home.path("right"), home.path("wrong"));
    fs::write(&right, "correct horse\nsecond line\n").unwrap();
    fs::write(&wrong, "battery staple\n").unwrap();
    let (right, wrong) = (right.to_str().unwrap(), wrong.to_str().unwrap());
    let made = home
        .run(["--json", "keygen", "alice", "--passphrase-file", right])
        .succeeds();
    assert_eq!(made.json()["under_passphrase"], true);

    let file = read_json(&home.credential("alice")).unwrap();
    assert!(file["secret"].is_null() && file["blinding"].is_null());
    assert_eq!(file["cipher"], "XChaCha20-Poly1305");
    let kdf = &file["kdf"];
    assert_eq!(
        (
            &kdf["name"],
            &kdf["memory_kib"],
            &kdf["passes"],
            &kdf["lanes"]
        ),
        (&json!("argon2id"), &json!(65536), &json!(3), &json!(4))
    );
    home.run(["show", "alice"]).succeeds();

    let prove = |passphrase| {
        let arguments = [
            "--json",
            "prove",
            "alice",
            "--enrollment",
            "--passphrase-file",
        ];
        let mut command = home.command(arguments);
        command.arg(passphrase);
        home.run_command(command)
    };
    prove(right).succeeds();
    assert_eq!(
        prove(wrong).fails(1, "passphrase is wrong").error_code(),
        "wrong_passphrase"
    );
    prove("/dev/null").fails(2, "is empty");
    prove("/nowhere").fails(2, "cannot read the passphrase file");

    let mut command = home.command(["prove", "alice", "--enrollment"]);
    command.env("TWOFAPI_PASSPHRASE", "correct horse");
    home.run_command(command).succeeds();

    let arguments = ["prove", "alice", "--enrollment"];
    home.run_command(home.command_without_terminal(&arguments))
        .fails(2, "--passphrase-file FILE or set TWOFAPI_PASSPHRASE");
}

#[test]
fn without_a_terminal_no_credential_is_made_without_the_passphrase_that_was_asked_for() {
    let home = Home::new();
    let arguments = ["keygen", "alice", "--passphrase"];
    home.run_command(home.command_without_terminal(&arguments))
        .fails(2, "no terminal to ask at");
    assert!(!home.credential("alice").exists());
}

#[test]
fn a_passphrase_in_the_environment_is_used_for_a_new_file() {
    let home = Home::new();
    let mut command = home.command(["keygen", "alice"]);
    command.env("TWOFAPI_PASSPHRASE", "correct horse");
    home.run_command(command).succeeds();
    assert!(read_json(&home.credential("alice")).unwrap()["secret"].is_null());
}

#[test]
fn a_new_file_is_not_left_open_because_a_passphrase_came_out_empty() {
    let home = Home::new();
    let mut command = home.command(["keygen", "alice"]);
    command.env("TWOFAPI_PASSPHRASE", "");
    home.run_command(command).fails(2, "is empty");
    assert!(!home.credential("alice").exists());

    // To open a file, an empty variable is none: whoever has a terminal is asked.
    let mut command = home.command(["keygen", "alice"]);
    command.env("TWOFAPI_PASSPHRASE", "correct horse");
    home.run_command(command).succeeds();
    let mut command = home.command_without_terminal(&["prove", "alice", "--enrollment"]);
    command.env("TWOFAPI_PASSPHRASE", "");
    home.run_command(command).fails(2, "no terminal to ask at");
}

#[test]
fn hostile_files_are_bad_input() {
    let home = Home::new();
    let path = home.path("hostile.json");
    let good = {
        home.run(["keygen", "alice"]).succeeds();
        read_json(&home.credential("alice")).unwrap()
    };
    let sealed = {
        let mut command = home.command(["keygen", "bob"]);
        command.env("TWOFAPI_PASSPHRASE", "x");
        home.run_command(command).succeeds();
        read_json(&home.credential("bob")).unwrap()
    };
    let with = |file: &serde_json::Value, pointer: &str, value| {
        let mut file = file.clone();
        *file.pointer_mut(pointer).unwrap() = value;
        file.to_string().into_bytes()
    };
    let text = good.to_string();
    for (what, contents) in [
        ("empty", vec![]),
        ("null", b"null".to_vec()),
        ("truncated", text.as_bytes()[..text.len() / 2].to_vec()),
        ("not UTF-8", vec![0xff; 100]),
        ("deep", vec![b'['; 10_000]),
        ("long", vec![b' '; 1 << 20]),
        ("twice", format!("{text}{text}").into_bytes()),
        ("newer", with(&good, "/version", json!(2))),
        (
            "another format",
            with(&good, "/format", json!("2fapi-session")),
        ),
        ("another suite", with(&good, "/suite", json!("2FApi-v9"))),
        (
            "not canonical",
            with(&good, "/secret", json!("f".repeat(64))),
        ),
        ("zero", with(&good, "/blinding", json!("0".repeat(64)))),
        (
            "identity",
            with(&good, "/commitment", json!("0".repeat(64))),
        ),
        ("short", with(&good, "/secret", json!("00"))),
        ("number", with(&good, "/secret", json!(7))),
        ("1 TiB", with(&sealed, "/kdf/memory_kib", json!(1 << 30))),
        (
            "beyond u32",
            with(&sealed, "/kdf/memory_kib", json!(1_u64 << 40)),
        ),
        ("for ever", with(&sealed, "/kdf/passes", json!(u32::MAX))),
        ("lanes", with(&sealed, "/kdf/lanes", json!(0xff_ffff))),
        ("argon2d", with(&sealed, "/kdf/name", json!("argon2d"))),
        ("no cipher", with(&sealed, "/cipher", json!("none"))),
        ("short nonce", with(&sealed, "/nonce", json!("00"))),
    ] {
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut command = home.command(["--json", "prove", "--enrollment", "--credential"]);
        command.arg(&path).env("TWOFAPI_PASSPHRASE", "x");
        let run = home.run_command(command);
        assert_eq!(run.code, 2, "{what}: {run:?}");
        run.error_code();
    }
    home.run(["show", "--credential", home.path("").to_str().unwrap()])
        .fails(2, "is a directory");
}

#[test]
fn an_answer_that_cannot_be_written_is_no_success() {
    let home = Home::new();
    home.run(["keygen", "alice"]).succeeds();
    let mut command = home.command(["show", "alice"]);
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else {
        return;
    };
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_damaged_file_never_proves_as_somebody_else(at in 0_usize..400, byte: u8) {
        let home = Home::new();
        let made = home.run(["--json", "keygen", "alice"]).succeeds().json();
        let path = home.credential("alice");
        let mut contents = fs::read(&path).unwrap();
        let at = at % contents.len();
        contents[at] = byte;
        fs::write(&path, &contents).unwrap();
        let path = path.to_str().unwrap();
        let run = home.run(["--json", "prove", "--nonce", NONCE, "--credential", path]);
        prop_assert!(run.code == 0 || run.code == 2, "{:?}", run);
        if run.code == 0 {
            prop_assert_eq!(&run.json()["commitment"], &made["commitment"]);
        }
    }
}

#[test]
fn a_url_that_is_refused_is_not_repeated_for_it_may_have_a_password() {
    let home = Home::new();
    for arguments in [
        ["login", "alice", "--server", "https://u:s3cret@h/"],
        ["clients", "list", "--store", "postgers://u:s3cret@h/d"],
    ] {
        let run = home.run(arguments).fails(2, "a URL, not repeated here");
        assert!(!run.stderr.contains("s3cret"), "{run:?}");
        let mut command = home.command(["--json"].iter().chain(&arguments));
        command.stdin(Stdio::null());
        let run = home.run_command(command).fails(2, "not repeated");
        assert!(!run.stderr.contains("s3cret"), "{run:?}");
    }
}
