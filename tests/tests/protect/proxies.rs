//! nginx, Caddy and Envoy, each with its file of `docs/protect`.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    application::Application,
    raw::{Answer, send},
    scene::Scene,
};

struct Proxy {
    name: &'static str,
    address: SocketAddr,
    process: Child,
    dir: TempDir,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn envoy() -> PathBuf {
    let named = std::env::var_os("TWOFAPI_ENVOY");
    named
        .expect("bindings/server-js/scripts/test says where Envoy is")
        .into()
}

impl Proxy {
    /// With its file as it is, but for the three addresses and where nginx keeps what it keeps.
    fn start(name: &'static str, file: &str, scene: &Scene, application: &Application) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protect");
        let service = scene.server.base_url().strip_prefix("http://");
        let service = service.expect("an address");
        let port = free_port();
        let mut text = fs::read_to_string(docs.join(file)).expect("the file");
        assert!(text.contains("8080"), "{file} does not have the port 8080");
        text = text.replace("8080", &port.to_string());
        let apart = |address: &str| {
            let (host, port) = address.rsplit_once(':').expect("an address");
            format!("address: {host}, port_value: {port}")
        };
        for (written, meant) in [
            ("127.0.0.1:7250", service.to_owned()),
            ("127.0.0.1:3000", application.address.to_string()),
        ] {
            assert!(text.contains(written), "{file} does not have {written}");
            text = text
                .replace(written, &meant)
                .replace(&apart(written), &apart(&meant));
        }
        let own = dir.path().display().to_string();
        let kept = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {own}/{kind};"));
        text = text.replace(
            "http {",
            &format!("http {{ access_log off; {}", kept.concat()),
        );
        let config = dir.path().join(file);
        fs::write(&config, text).expect("a file");
        let log = fs::File::create(dir.path().join("log")).expect("a file");
        let mut command = match name {
            "nginx" => {
                let mut nginx = Command::new("nginx");
                nginx.args(["-p", &own, "-e", "stderr", "-c"]).arg(&config);
                nginx.args(["-g", &format!("daemon off; pid {own}/pid;")]);
                nginx
            }
            "Caddy" => {
                let mut caddy = Command::new("caddy");
                caddy.args(["run", "--adapter", "caddyfile", "--config"]);
                caddy.arg(&config).env("HOME", &own);
                caddy
            }
            _ => {
                let mut envoy = Command::new(envoy());
                envoy.args([
                    "--disable-hot-restart",
                    "--concurrency",
                    "1",
                    "-l",
                    "warning",
                ]);
                envoy.arg("-c").arg(&config);
                envoy
            }
        };
        let process = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut proxy = Self {
            name,
            address: ([127, 0, 0, 1], port).into(),
            process,
            dir,
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(proxy.address).is_err() {
            let ended = proxy.process.try_wait().expect("a process");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{}",
                proxy.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
        proxy
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn get(&self, path: &str, lines: &[String]) -> Answer {
        send(self.address, &format!("GET {path}"), lines, "")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx has children, which it ends when it is told to.
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("--- log of {} ---\n{}", self.name, self.log());
        }
    }
}

/// The fields by which an application knows who it is.
const FIELDS: [&str; 3] = ["x-2fapi-client-id", "x-2fapi-scope", "x-2fapi-tenant"];

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// What a stranger or a client may write to be taken for somebody else.
fn spoofed() -> Vec<Vec<String>> {
    let mut spoofed = Vec::new();
    for name in ["Client-Id", "Scope", "Tenant"] {
        for line in [
            format!("X-2FApi-{name}: root"),
            format!("x-2fapi-{name}: root").to_lowercase(),
            format!("X_2FApi_{name}: root").replace('-', "_"),
            format!("X-2FApi_{name}: root"),
        ] {
            spoofed.push(vec![line]);
        }
        let twice = format!("X-2FApi-{name}: root");
        spoofed.push(vec![twice.clone(), twice.clone()]);
        // As a field of this connection, which a proxy takes away.
        let dropped = format!("Connection: close, X-2FApi-{name}");
        spoofed.push(vec![twice, dropped]);
    }
    spoofed
}

/// `here` are addresses among which the proxy finds this machine's.
fn protects(name: &'static str, file: &str, here: &str) {
    let (scene, application) = (Scene::new(&["--trusted-hops", "1"]), Application::start());
    let proxy = Proxy::start(name, file, &scene, &application);
    let (alice, bob) = (scene.token(&scene.alice), scene.token(&scene.bob));

    // Nobody gets to the application without a good token, whoever it claims to be.
    let mut strangers: Vec<Vec<String>> = vec![
        vec![],
        vec![bearer("a.b.c")],
        vec![bearer(&alice[..alice.len() - 4])],
        vec![bearer(&alice), bearer(&bob)],
        vec!["Authorization: Basic YTpi".into()],
    ];
    strangers.extend(spoofed());
    for lines in &strangers {
        for path in ["/", "/reports/1"] {
            let answer = proxy.get(path, lines);
            assert!(matches!(answer.status, 400 | 401), "{lines:?}: {answer:?}");
            if lines.is_empty() {
                assert!(
                    answer.head.contains("www-authenticate: bearer"),
                    "{answer:?}"
                );
            }
        }
    }
    assert_eq!(application.asked(), 0, "somebody got through {name}");

    // Who has one is known, and is nobody else, whatever it says.
    let answer = proxy.get("/anything?a=b", &[bearer(&alice)]);
    assert!(
        answer.asked()["request"]
            .as_str()
            .expect("a line")
            .starts_with("GET /anything?a=b ")
    );
    assert_eq!(answer.fields(FIELDS[0]), ["alice"]);
    assert_eq!(answer.fields(FIELDS[1]), ["reports:read other"]);
    assert_eq!(
        answer.fields("authorization"),
        [""; 0],
        "the token is passed on"
    );
    let said = FIELDS.map(|field| answer.fields(field));
    for mut lines in spoofed() {
        lines.push(bearer(&alice));
        let answer = proxy.get("/", &lines);
        if answer.status == 400 {
            continue;
        }
        for (field, said) in FIELDS.iter().zip(&said) {
            let got = answer.fields(field);
            // What it had the proxy take away is nobody's, and the application lets nobody in then.
            let is_gone = got.is_empty() && lines.iter().any(|line| line.starts_with("Connection"));
            assert!(got == *said || is_gone, "{lines:?}: {got:?}");
        }
    }

    // With the scope, and without.
    let answer = proxy.get("/reports/1", &[bearer(&alice)]);
    assert_eq!(answer.fields(FIELDS[0]), ["alice"]);
    let before = application.asked();
    for path in [
        "/reports/1",
        "//reports/1",
        "/x/../reports/1",
        "/%72eports/1",
        "/reports/1?scope=other",
    ] {
        let answer = proxy.get(path, &[bearer(&bob)]);
        assert!(
            matches!(answer.status, 400 | 403 | 404),
            "{path}: {answer:?}"
        );
    }
    assert_eq!(application.asked(), before);
    assert_eq!(proxy.get("/", &[bearer(&bob)]).fields(FIELDS[0]), ["bob"]);

    // A request that is let through is whole.
    let answer = send(proxy.address, "POST /notes", &[bearer(&bob)], "a note");
    assert_eq!(answer.asked()["body"], "a note");
    // What is asked within the proxy is asked by nobody else.
    let answer = proxy.get("/check-token", &[]);
    assert!(matches!(answer.status, 401 | 404), "{answer:?}");

    // Where a client is, is what the proxy sees and not what the client says.
    scene.operator(&["clients", "set", "bob", "--sources", "198.51.100.7"]);
    for forged in [
        "X-Forwarded-For: 198.51.100.7",
        "Forwarded: for=198.51.100.7",
        "X-Real-IP: 198.51.100.7",
    ] {
        let answer = proxy.get("/", &[bearer(&bob), forged.into()]);
        assert_eq!(answer.status, 401, "{forged}: {answer:?}");
    }
    scene.operator(&["clients", "set", "bob", "--sources", here]);
    assert_eq!(proxy.get("/", &[bearer(&bob)]).fields(FIELDS[0]), ["bob"]);
    // And whoever is suspended is out at once.
    scene.operator(&["clients", "suspend", "bob"]);
    assert_eq!(proxy.get("/", &[bearer(&bob)]).status, 401);
}

#[test]
fn nginx_lets_in_who_has_a_token_and_tells_the_application_who_that_is() {
    protects("nginx", "nginx.conf", "127.0.0.0/8");
}

#[test]
fn caddy_lets_in_who_has_a_token_and_tells_the_application_who_that_is() {
    protects("Caddy", "Caddyfile", "127.0.0.0/8");
}

#[test]
fn envoy_lets_in_who_has_a_token_and_tells_the_application_who_that_is() {
    // It takes another address of the machine for who comes over the loopback interface.
    protects("Envoy", "envoy.yaml", "0.0.0.0/0");
}
