//! `2fapi serve` under load: no limit by source, room for what is accepted, and a log in a file, as in use.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    connection::{Connection, Failure},
    processes::{Cpus, stand_still},
};

/// A running service.
pub struct Service {
    process: Child,
    /// What clients know it as.
    pub origin: String,
}

impl Service {
    /// Starts one on the measured processor, and waits until it listens. Its log is in `dir`.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(cpus: Option<Cpus>, store: &str, key_file: &Path, dir: &Path) -> Self {
        Self::start_with(cpus, store, key_file, dir, &[])
    }

    /// As [`Service::start`], with more options.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start_with(
        cpus: Option<Cpus>,
        store: &str,
        key_file: &Path,
        dir: &Path,
        options: &[&str],
    ) -> Self {
        let command = env::var("TWOFAPI_COMMAND").expect("TWOFAPI_COMMAND, set by tests/load/run");
        let mut words = cpus.map_or(Vec::new(), |cpus| cpus.prefix().to_vec());
        words.push(command);
        let log = dir.join("log");
        let file = fs::OpenOptions::new().create(true).append(true).open(&log);
        let mut process = Command::new(&words[0])
            .args(&words[1..])
            .args(["serve", "--listen", "127.0.0.1:0", "--rate-limit", "0"])
            .args(["--max-connections-per-source", "1024"])
            .args(["--spent-capacity", "2000000"])
            .args(options)
            .env("TWOFAPI_STORE", store)
            .env("TWOFAPI_KEY_FILE", key_file)
            .env("HOME", dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file.expect("a log"))
            .spawn()
            .expect("2fapi serve");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("a line");
        let Some(origin) = line.trim().strip_prefix("listening on ") else {
            let said = fs::read_to_string(&log).unwrap_or_default();
            panic!("the service does not listen:\n{said}");
        };
        Self {
            process,
            origin: origin.into(),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Has it stand still for so long.
    ///
    /// # Panics
    /// When it is gone.
    pub fn stand_still(&self, lasting: Duration) {
        stand_still(self.pid(), lasting);
    }

    /// Connects to it so often.
    ///
    /// # Errors
    /// What a connection says.
    pub async fn connections(&self, count: usize) -> Result<Vec<Connection>, Failure> {
        let address = self.origin.trim_start_matches("http://");
        let mut connections = Vec::new();
        for _ in 0..count {
            connections.push(Connection::to(address, &self.origin).await?);
        }
        Ok(connections)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
