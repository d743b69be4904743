//! The configuration file: what goes over what, what is refused, and that no secret is shown.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    client::get,
    process::{Process, command, refusal, run, stderr},
};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn config(&self, text: &str) -> String {
        self.write("2fapi.toml", text, 0o644)
    }
}

/// Refused as bad input, with these words.
#[track_caller]
fn refused(command: Command, says: &str) {
    let refused = refusal(command);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains(says),
        "no {says:?} in {}",
        stderr(&refused)
    );
    assert!(!stderr(&refused).contains("s3cret"), "{}", stderr(&refused));
}

fn shown(mut show: Command) -> Value {
    let output = show.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_environment_goes_over_the_file_and_flags_over_both() {
    let folder = Folder::new();
    let config = folder.config(
        "issuer = 'file'\nchallenge_ttl = 60\ntoken_ttl = 60\njson_logs = true\n\
         allow_origin = ['https://a.example', 'https://b.example']\n",
    );
    let mut show = command(&["--json", "config", "show", "--token-ttl", "300"]);
    show.env("TWOFAPI_CONFIG", &config)
        .env("TWOFAPI_CHALLENGE_TTL", "30")
        .env("TWOFAPI_TOKEN_TTL", "30")
        .env("TWOFAPI_AUDIENCE", "");
    let shown = shown(show);
    assert_eq!(shown["file"], config.as_str());
    let setting = |name: &str| &shown["settings"][name];
    assert_eq!(setting("issuer")["value"], "file");
    assert_eq!(
        (&setting("issuer")["source"], &setting("issuer")["line"]),
        (&"file".into(), &1.into())
    );
    assert_eq!(setting("challenge_ttl")["value"], "30");
    assert_eq!(
        setting("challenge_ttl")["variable"],
        "TWOFAPI_CHALLENGE_TTL"
    );
    assert_eq!(setting("token_ttl")["value"], "300");
    assert_eq!(setting("token_ttl")["source"], "flag");
    assert_eq!(setting("json_logs")["value"], "true");
    assert_eq!(setting("allow_origin")["value"][1], "https://b.example");
    assert_eq!(setting("rate_limit")["source"], "default");
    assert_eq!(setting("audience")["source"], "unset");

    // A switch of the file is switched off by its variable.
    let mut show = command(&["--json", "config", "show", "--config", &config]);
    show.env("TWOFAPI_JSON_LOGS", "no");
    assert_eq!(self::shown(show)["settings"]["json_logs"]["value"], "false");
}

#[test]
fn a_server_and_its_operators_commands_go_by_the_file() {
    let folder = Folder::new();
    let config = folder.config(&format!(
        "listen = '127.0.0.1:0'\nstore = '{}'\njson_logs = true\naudience = 'https://auth.example.com'\n",
        folder.path("own.redb")
    ));
    let mut server = Process::spawn(command(&["serve", "--config", &config]));
    assert_eq!(get(&server.base_url, "/healthz", None).status, 200);
    let invited = run(&["invite", "alice", "--config", &config]);
    assert!(invited.status.success(), "{}", stderr(&invited));
    let log = server.stop();
    let first: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(first["fields"]["audience"], "https://auth.example.com");
    assert!(Path::new(&folder.path("own.redb")).exists());
}

#[test]
fn what_is_not_known_or_wrong_in_the_file_ends_the_command_whatever_goes_over_it() {
    let folder = Folder::new();
    for (text, says) in [
        (
            "listen = '127.0.0.1:0'\nlisten_on = 'x'\n",
            "2fapi.toml:2: listen_on is not known",
        ),
        ("trusted-hops = 1\n", "is trusted_hops meant?"),
        ("config = 'x'\n", "config is not known"),
        ("demo = true\n", "demo is not known"),
        (
            "[serve]\nlisten = ':1'\n",
            "2fapi.toml:1: [serve] is not known",
        ),
        (
            "challenge_ttl = 'soon'\n",
            "2fapi.toml:1: invalid value 'soon' for 'challenge_ttl'",
        ),
        ("token_ttl = 0\n", "token_ttl"),
        ("rate_limit = -1\n", "rate_limit"),
        (
            "behind_tls_proxy = 'yes'\n",
            "behind_tls_proxy is true or false",
        ),
        (
            "audience = 'https://a.example/'\n",
            "here https://a.example",
        ),
        ("audience = ''\n", "audience is empty"),
        ("listen = ['127.0.0.1:0']\n", "listen is one value"),
        ("store = 'mysql://u:s3cret@h/d'\n", "chmod o="),
        ("log = 'twofapi=loud'\n", "invalid value"),
        (
            "listen = '127.0.0.1:0'\nlisten = '127.0.0.1:0'\n",
            "2fapi.toml:2: duplicate key",
        ),
        ("store 's3cret'\n", "2fapi.toml:1:"),
    ] {
        let config = folder.config(text);
        for args in [&["serve"][..], &["config", "check"], &["invite", "alice"]] {
            let mut command = command(args);
            command
                .args(["--config", &config])
                .env("TWOFAPI_LISTEN", "127.0.0.1:0")
                .env("TWOFAPI_TOKEN_TTL", "60")
                .env("TWOFAPI_STORE", folder.path("2fapi.redb"));
            refused(command, says);
        }
    }
    refused(
        command(&["config", "check", "--config", &folder.path("gone")]),
        "gone: No such file",
    );
    assert!(!Path::new(&folder.path("2fapi.redb")).exists());
}

#[test]
fn settings_that_do_not_fit_together_are_refused_wherever_they_come_from() {
    let folder = Folder::new();
    let config = folder.config("behind_tls_proxy = true\n");
    refused(
        command(&["config", "check", "--config", &config]),
        "--audience https://",
    );
    refused(
        command(&["serve", "--config", &config]),
        "--audience https://",
    );
    let config = folder.config("behind_tls_proxy = true\naudience = 'https://a.example'\n");
    refused(
        command(&["serve", "--demo", "--config", &config]),
        "no place behind a proxy",
    );
    let config = folder.config("listen = '0.0.0.0:1'\n");
    refused(
        command(&["config", "check", "--config", &config]),
        "--behind-tls-proxy",
    );
    let config = folder.config("store = 'redis://h/0'\n");
    refused(
        command(&["config", "check", "--config", &config]),
        "--key-file FILE",
    );
    let good = folder.config("behind_tls_proxy = true\naudience = 'https://a.example'\n");
    let good = run(&["config", "check", "--config", &good]);
    assert!(good.status.success(), "{}", stderr(&good));
}

#[test]
fn a_secret_comes_from_a_private_file_a_variable_or_systemd_and_is_never_shown() {
    let folder = Folder::new();
    let url = "postgres://u:s3cret@db.example/d";
    let keys = folder.path("keys");
    assert!(run(&["keys", "new", &keys]).status.success());
    let of_file = |name: &str| {
        let show = command(&["--json", "config", "show", "--config", name]);
        shown(show)["settings"]["store"].clone()
    };

    let open = folder.write("open.toml", &format!("store = '{url}'\n"), 0o644);
    refused(
        command(&["config", "show", "--config", &open]),
        "every user of this machine",
    );
    let private = folder.write("private.toml", &format!("store = '{url}'\n"), 0o640);
    assert_eq!(of_file(&private)["value"], "postgres://u:…@db.example/d");
    let mut show = command(&["config", "show"]);
    show.env("TWOFAPI_STORE", url);
    let text = show.output().unwrap();
    assert!(!String::from_utf8_lossy(&text.stdout).contains("s3cret"));

    // A file of its own, which nobody else may read.
    let store = folder.write("url", &format!("{url}\n"), 0o600);
    let config = folder.config(&format!("store_file = '{store}'\nkey_file = '{keys}'\n"));
    let check = || command(&["config", "check", "--config", &config]);
    assert!(check().status().unwrap().success());
    let mut twice = check();
    twice.env("TWOFAPI_STORE", "x.redb");
    refused(twice, "named twice");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o644)).unwrap();
    refused(check(), "chmod 600");

    // What systemd hands on.
    let credentials = folder.path("credentials");
    fs::create_dir(&credentials).unwrap();
    folder.write("credentials/2fapi.store", &format!("{url}\n"), 0o400);
    let key_file = folder.write(
        "credentials/2fapi.key_file",
        &fs::read_to_string(&keys).unwrap(),
        0o400,
    );
    folder.write("credentials/somebody-elses", "x", 0o400);
    let config = folder.config("key_file = '/nowhere'\n");
    let with_credentials = |args: &[&str]| {
        let mut command = command(args);
        command
            .args(["--config", &config])
            .env("CREDENTIALS_DIRECTORY", &credentials);
        command
    };
    let shown = shown(with_credentials(&["--json", "config", "show"]));
    assert_eq!(shown["settings"]["key_file"]["value"], key_file.as_str());
    assert_eq!(shown["settings"]["store"]["name"], "2fapi.store");
    assert!(!shown.to_string().contains("s3cret"));
    assert!(
        with_credentials(&["config", "check"])
            .status()
            .unwrap()
            .success()
    );
    folder.write("credentials/2fapi.stor", "x", 0o400);
    refused(
        with_credentials(&["config", "check"]),
        "2fapi.stor is for no setting",
    );
}

#[test]
fn a_file_that_everybody_can_write_is_not_gone_by() {
    let folder = Folder::new();
    let config = folder.write("2fapi.toml", "issuer = 'x'\n", 0o666);
    refused(
        command(&["config", "check", "--config", &config]),
        "chmod o-w",
    );
}

#[test]
fn a_value_that_is_refused_is_named_with_the_variable_it_came_from() {
    let mut serve = command(&["serve"]);
    serve.env("TWOFAPI_RATE_BURST", "0");
    refused(serve, "'--rate-burst <NUMBER> [TWOFAPI_RATE_BURST]'");
    let mut serve = command(&["serve", "--rate-burst=0"]);
    serve.env("TWOFAPI_RATE_BURST", "1");
    refused(serve, "'--rate-burst <NUMBER>'");
}
