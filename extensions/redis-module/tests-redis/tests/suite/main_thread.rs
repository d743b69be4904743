//! Proofs are looked at elsewhere than on the thread that serves everybody.

use std::{fs, thread};

use redis::Value;
use twofapi_tests_redis::{Client, Server};

/// Processor time of each of the server's threads, by name, in clock ticks. The first is called `main`.
fn processor_time(server: &Server) -> Vec<(String, u64)> {
    fs::read_dir(format!("/proc/{}/task", server.pid()))
        .unwrap()
        .filter_map(|entry| {
            let thread = entry.ok()?;
            let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
            let is_main = thread.file_name().to_str() == Some(&server.pid().to_string());
            let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
            let fields: Vec<&str> = rest.split_whitespace().collect();
            // Fields 14 and 15 of the whole line: user and system time.
            let ticks = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
            Some((if is_main { "main" } else { name }.to_owned(), ticks))
        })
        .collect()
}

#[test]
fn verifying_costs_the_worker_threads_and_hardly_the_main_thread() {
    let server = Server::start("2fapi.verify-threads 2");
    let clients: Vec<Client> = (0..8)
        .map(|number| Client::enrolled(&format!("c{number}"), &mut server.connect()))
        .collect();
    thread::scope(|scope| {
        for client in &clients {
            let mut connection = server.connect();
            scope.spawn(move || {
                for _ in 0..1500 {
                    assert_eq!(client.log_in(&mut connection), Ok(Value::Okay));
                }
            });
        }
    });
    let times = processor_time(&server);
    let workers: u64 = times
        .iter()
        .filter(|(name, _)| name.starts_with("2fapi-verify"))
        .map(|(_, ticks)| ticks)
        .sum();
    assert_eq!(
        times
            .iter()
            .filter(|(name, _)| name.starts_with("2fapi-verify"))
            .count(),
        2
    );
    // The main thread also talks to eight connections; what it must not do is the mathematics.
    let main = times.iter().find(|(name, _)| name == "main").unwrap().1;
    assert!(workers > main / 2, "{times:?}");
    let mut connection = server.connect();
    let stats: String = redis::cmd("INFO")
        .arg("commandstats")
        .query(&mut connection)
        .unwrap();
    assert!(
        stats.contains("cmdstat_2FAPI.VERIFY:calls=12000"),
        "{stats}"
    );
}
