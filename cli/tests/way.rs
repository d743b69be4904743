//! The way from the command to a server: what a name stands for, and the proxies that the environment
//! names.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::mpsc,
    thread,
};

use support::{Home, Run, Server, has_namespaces};

/// Runs the command with another `/etc/hosts`, and reaches no network but this machine if `cut_off`.
fn with_hosts(home: &Home, hosts: &str, cut_off: bool, args: &[&str]) -> Run {
    let file = home.path("hosts");
    fs::write(&file, hosts).unwrap();
    let inner = home.command(args);
    let mut command = Command::new("unshare");
    command.args(["-r", "-m"]).args(cut_off.then_some("-n"));
    command
        .args(["sh", "-ec", "mount --bind \"$0\" /etc/hosts; exec \"$@\""])
        .arg(file)
        .arg(inner.get_program())
        .args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    home.run_command(command)
}

#[test]
fn a_name_below_localhost_gets_nothing_unless_it_stands_for_loopback_only() {
    if !has_namespaces() {
        return;
    }
    let home = Home::new();
    home.run(["keygen", "alice"]).succeeds();
    // Addresses for documentation (RFC 5737, RFC 3849), in a network of their own.
    for hosts in [
        "192.0.2.1 evil.localhost localhost",
        "127.0.0.1 evil.localhost localhost\n192.0.2.1 evil.localhost localhost",
        "2001:db8::1 evil.localhost localhost",
    ] {
        for name in ["evil.localhost", "localhost"] {
            let server = format!("http://{name}:7399");
            let args = [
                "--json", "enroll", "alice", "--server", &server, "--token", "x",
            ];
            let run = with_hosts(&home, hosts, true, &args);
            assert_eq!((run.code, run.error_code().as_str()), (2, "insecure_http"));
            assert!(run.stderr.contains("another machine"), "{run:?}");
        }
    }

    let server = Server::start(&home);
    server.enrolled(&home, "bob");
    let named = server.url.replace("127.0.0.1", "good.localhost");
    let args = [
        "login",
        "bob",
        "--server",
        &named,
        "--audience",
        &server.url,
    ];
    with_hosts(&home, "127.0.0.2 good.localhost", false, &args).fails(3, "no answer");
    with_hosts(&home, "127.0.0.1 good.localhost", false, &args).succeeds();
}

/// Copies in one direction until it ends.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// A SOCKS5 proxy (RFC 1928) without authentication that leads every name to one address, and reports
/// which names it was asked for.
fn socks(target: &str) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("socks5h://{}", listener.local_addr().unwrap());
    let (sender, asked) = mpsc::channel();
    let target = target.to_owned();
    thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let read = |client: &mut TcpStream, length: usize| {
                let mut bytes = vec![0; length];
                client.read_exact(&mut bytes).map(|()| bytes)
            };
            let greeting = read(&mut client, 2).unwrap();
            read(&mut client, greeting[1].into()).unwrap();
            client.write_all(&[5, 0]).unwrap();
            let request = read(&mut client, 5).unwrap();
            assert_eq!(request[..4], [5, 1, 0, 3]);
            let name = read(&mut client, request[4].into()).unwrap();
            read(&mut client, 2).unwrap();
            sender.send(String::from_utf8(name).unwrap()).unwrap();
            client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).unwrap();
            let server = TcpStream::connect(&target).unwrap();
            let (back_from, back_to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || copy(client, server));
            thread::spawn(move || copy(back_from, back_to));
        }
    });
    (url, asked)
}

#[test]
fn a_proxy_that_the_environment_names_is_the_way_or_the_command_ends() {
    let home = Home::new();
    let server = Server::start(&home);
    server.enrolled(&home, "alice");
    let address = server.url.strip_prefix("http://").unwrap();
    let (proxy, asked) = socks(address);
    let login = |url: &str, variables: &[(&str, &str)]| {
        let mut command = home.command(["--json", "login", "alice", "--server", url]);
        command.args(["--insecure-http", "--audience", &server.url]);
        for (name, value) in variables {
            command.env(name, value);
        }
        home.run_command(command)
    };
    let far = "http://server.example:7399";
    for variable in ["ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"] {
        login(
            far,
            &[(variable, &proxy), ("HTTPS_PROXY", "http://127.0.0.1:9")],
        )
        .succeeds();
        assert_eq!(asked.recv().unwrap(), "server.example");
    }
    let _ = asked.try_iter().count();
    for unusable in [
        "ftp://user:hunter2@127.0.0.1:9",
        "socks9://127.0.0.1:9",
        "http://",
    ] {
        let run = login(far, &[("ALL_PROXY", unusable)]);
        assert_eq!((run.code, run.error_code().as_str()), (2, "bad_proxy"));
        assert!(
            run.stderr.contains("ALL_PROXY") && !run.stderr.contains("hunter2"),
            "{run:?}"
        );
    }
    let run = login(far, &[("http_proxy", "socks5://127.0.0.1:9")]).fails(3, "http_proxy");
    assert_eq!(run.error_code(), "unavailable");
    // This machine is asked directly, and so is what NO_PROXY names.
    login(&server.url, &[("ALL_PROXY", &proxy)]).succeeds();
    login(&server.url, &[("ALL_PROXY", "")]).succeeds();
    let around = [("ALL_PROXY", proxy.as_str()), ("NO_PROXY", ".invalid")];
    login("http://server.invalid", &around).fails(3, "server.invalid");
    assert_eq!(asked.try_iter().count(), 0);
}
