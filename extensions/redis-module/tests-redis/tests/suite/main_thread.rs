//! Proofs are looked at elsewhere than on the thread that serves everybody.

use std::{fs, path::Path, thread, time::Duration};

use redis::Value;
use twofapi_crypto_core::{Authentication, Nonce, Proof, verify};
use twofapi_tests_redis::{Client, Server};

/// How long a thread has been running on a processor; waiting for one does not count.
fn processor_time(task: &Path) -> Duration {
    let stat = fs::read_to_string(task.join("schedstat")).unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// That of each of the server's threads for proofs.
pub(crate) fn processor_time_of_workers(server: &Server) -> Vec<Duration> {
    fs::read_dir(format!("/proc/{}/task", server.pid()))
        .unwrap()
        .map(|task| task.unwrap().path())
        .filter(|task| {
            let name = fs::read_to_string(task.join("comm")).unwrap();
            name.starts_with("2fapi-verify")
        })
        .map(|task| processor_time(&task))
        .collect()
}

/// That of the thread that serves everybody.
pub(crate) fn processor_time_of_main_thread(server: &Server) -> Duration {
    processor_time(Path::new(&format!("/proc/{0}/task/{0}", server.pid())))
}

/// What the mathematics of so many verifications takes, measured on this thread.
fn processor_time_of_verifying(client: &Client, times: u32) -> Duration {
    let nonce = Nonce::from_bytes(&[7; 16]).unwrap();
    let statement = Authentication {
        client_id: &client.id,
        nonce: &nonce,
        binding: &client.binding,
    };
    let proof = hex::decode(twofapi_tests_redis::proof_of(
        &client.credential,
        &statement,
    ));
    let proof = Proof::from_bytes(&proof.unwrap()).unwrap();
    let this = Path::new("/proc/thread-self");
    let before = processor_time(this);
    for _ in 0..times {
        verify(client.credential.commitment(), &statement, &proof).unwrap();
    }
    processor_time(this) - before
}

#[test]
fn verifying_is_done_by_the_worker_threads() {
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
    let workers = processor_time_of_workers(&server);
    assert_eq!(workers.len(), 2);
    let workers: Duration = workers.iter().sum();
    let all = 10 * processor_time_of_verifying(&clients[0], 1200);
    assert!(
        workers > all * 3 / 4,
        "the worker threads took {workers:?}, verifying takes {all:?}"
    );
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
