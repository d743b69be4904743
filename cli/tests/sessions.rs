//! `2fapi sessions` and `2fapi clients sessions` against a real server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use serde_json::Value;
use support::{Home, Run, Server};

struct Scene {
    home: Home,
    server: Server,
}

impl Scene {
    fn new() -> Self {
        let home = Home::new();
        let server = Server::start(&home);
        server.enrolled(&home, "alice");
        Self { home, server }
    }

    fn login(&self) -> String {
        let login = ["login", "alice", "--server", &self.server.url];
        self.home.run(login).succeeds().line().to_owned()
    }

    fn whoami(&self, token: &str) -> Run {
        let whoami = ["whoami", "--server", &self.server.url, "--token-file", "-"];
        self.home.run_with_stdin(whoami, token)
    }

    /// What a client's command answers.
    fn sessions<const N: usize>(&self, more: [&str; N]) -> Run {
        let url = self.server.url.as_str();
        let mut command = self.home.command(["--json", "sessions", "alice"]);
        command.args(["--server", url]).args(more);
        self.home.run_command(command)
    }

    fn operator<const N: usize>(&self, more: [&str; N]) -> Run {
        let mut command = self.home.command(["--json", "clients", "sessions"]);
        command.arg("--store").arg(self.home.path("store.redb"));
        command.args(more);
        self.home.run_command(command)
    }
}

fn ids(list: &Value) -> Vec<String> {
    let sessions = list["sessions"].as_array().unwrap().iter();
    let id = |session: &Value| session["session_id"].as_str().unwrap().to_owned();
    sessions.map(id).collect()
}

#[test]
fn a_client_lists_its_sessions_and_ends_one_or_all() {
    let scene = Scene::new();
    let nothing = scene.sessions([]).succeeds().json();
    assert_eq!(ids(&nothing).len(), 0, "{nothing}");
    let tokens = [scene.login(), scene.login(), scene.login()];
    // What the command itself logs in with is over with it.
    for _ in 0..2 {
        let list = scene.sessions([]).succeeds().json();
        assert_eq!(ids(&list).len(), 3, "{list}");
        assert_eq!(list["sessions"][0]["source"], "127.0.0.1");
    }
    let first = ids(&scene.sessions([]).succeeds().json())[0].clone();
    let left = scene.sessions(["--end", &first]).succeeds().json();
    assert_eq!((ids(&left).len(), &left["ended"]), (2, &1.into()));
    scene
        .sessions(["--end", &first])
        .fails(2, "no such session");
    let good = |token: &String| scene.whoami(token).code == 0;
    assert_eq!(tokens.iter().filter(|token| good(token)).count(), 2);
    let left = scene.sessions(["--end-all"]).succeeds().json();
    assert_eq!((ids(&left).len(), &left["ended"]), (0, &2.into()));
    for token in &tokens {
        scene.whoami(token).fails(1, "");
    }
    scene
        .sessions(["--end", "first"])
        .fails(2, "32 lower-case hex");
    let shown = ["sessions", "alice", "--server", &scene.server.url];
    let shown = scene.home.run(shown).succeeds();
    assert_eq!(shown.line(), "alice has no sessions");
}

#[test]
fn the_operator_lists_the_sessions_of_a_client_and_ends_one() {
    let scene = Scene::new();
    let tokens = [scene.login(), scene.login()];
    let list = scene.operator(["alice"]).succeeds().json();
    assert_eq!(ids(&list).len(), 2, "{list}");
    let first = ids(&list)[0].clone();
    let left = scene.operator(["alice", "--end", &first]).succeeds().json();
    assert_eq!((ids(&left).len(), &left["ended"]), (1, &1.into()));
    let good = tokens.iter().filter(|token| scene.whoami(token).code == 0);
    assert_eq!(good.count(), 1);
    scene
        .operator(["alice", "--end", &first])
        .fails(2, "no such session");
    scene.operator(["bob"]).fails(2, "");
    let mut command = scene.home.command(["clients", "sessions", "alice"]);
    command.arg("--store").arg(scene.home.path("store.redb"));
    let shown = scene.home.run_command(command).succeeds();
    assert_eq!(shown.stdout.lines().count(), 2, "{shown:?}");
}
