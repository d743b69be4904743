//! nginx before several servers.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::service::Replica;

/// nginx, which passes requests on to any of the servers.
pub struct Nginx {
    port: u16,
    process: Child,
    _dir: TempDir,
}

impl Nginx {
    /// Starts it, and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn before(replicas: &[Replica]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let servers = replicas
            .iter()
            .map(|replica| format!("server {} max_fails=0;\n", replica.address));
        let (here, servers) = (dir.path().display(), servers.collect::<String>());
        // Started by root, its workers are root's as well here, and may write where the test may.
        let configuration = format!(
            "daemon off;\nuser root;\nworker_processes 1;\npid {here}/pid;\nerror_log {here}/error.log;\n\
             events {{ worker_connections 512; }}\n\
             http {{\n access_log off;\n client_body_temp_path {here}/body;\n proxy_temp_path {here}/proxy;\n\
             fastcgi_temp_path {here}/fastcgi;\n uwsgi_temp_path {here}/uwsgi;\n scgi_temp_path {here}/scgi;\n\
             upstream servers {{\n{servers} keepalive 8;\n }}\n\
             server {{\n listen 127.0.0.1:{port};\n location / {{\n proxy_pass http://servers;\n\
             proxy_http_version 1.1;\n proxy_set_header Connection \"\";\n proxy_set_header Host $host;\n\
             proxy_set_header X-Forwarded-For $remote_addr;\n }}\n }}\n}}\n"
        );
        let file = dir.path().join("nginx.conf");
        fs::write(&file, configuration).expect("a file");
        let process = Command::new("nginx")
            .args([
                "-p".as_ref(),
                dir.path().as_os_str(),
                "-c".as_ref(),
                file.as_os_str(),
            ])
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx");
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "nginx does not answer");
            thread::sleep(Duration::from_millis(20));
        }
        Self {
            port,
            process,
            _dir: dir,
        }
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-s", "QUIT", &id]).status();
        let _ = self.process.wait();
    }
}
