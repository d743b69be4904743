//! A service under mixed load, with faults in between, for as long as is wanted: outside of the faults nothing fails, after
//! each it goes on by itself, and in the end it holds no more memory and no more files than it did.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use tokio::{io::AsyncWriteExt, net::TcpStream, runtime::Runtime};
use twofapi_tests_load::{
    Engine, Fault, Outcome, People, Place, Service, at_a_rate, descriptors, memory_of, open,
};

const CLIENTS: usize = 1000;
/// How long each fault is looked after.
const PATIENCE: Duration = Duration::from_secs(60);
const MIB: f64 = (1 << 20) as f64;

/// Runs a service under load and faults.
#[derive(Parser)]
struct Options {
    /// On which stores, one after the other
    #[arg(long, value_delimiter = ',', default_values = ["embedded", "redis", "postgres"])]
    stores: Vec<Engine>,
    /// How long on each, in seconds
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Logins a second
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// How long nothing happens between faults, in seconds
    #[arg(long, default_value_t = 8)]
    calm: u64,
}

struct Soak {
    place: Place,
    service: Service,
    people: Arc<People>,
    logins: u64,
    faults: usize,
    during_faults: usize,
    samples: Vec<(u64, usize)>,
}

impl Soak {
    async fn calm(&mut self, options: &Options) {
        let over = self.service.connections(16).await.expect("connections");
        let lasting = Duration::from_secs(options.calm);
        let (load, ()) = tokio::join!(
            at_a_rate(over, &self.people, CLIENTS, options.rate, lasting),
            self.mischief(lasting),
        );
        let (run, over) = load;
        assert!(run.failed.is_empty(), "without a fault: {:?}", run.failed);
        self.logins += run.logins;
        drop(over);
        self.sample().await;
    }

    /// What is to be refused, and is refused as it always was.
    async fn mischief(&self, lasting: Duration) {
        let start = Instant::now();
        let connected = self.service.connections(1).await;
        let mut over = connected.expect("connections").remove(0);
        while start.elapsed() < lasting {
            let Ok(Outcome::LetIn(proven)) = over.log_in(&self.people, 1).await else {
                panic!("not let in without a fault");
            };
            let again = over.show(&proven).await.expect("an answer");
            assert_eq!(again, Outcome::Denied);
            let stranger = over.log_in(&self.people, CLIENTS).await;
            assert_eq!(stranger.expect("an answer"), Outcome::Denied);
            let junk = over.show_bytes(b"{\"challenge_id\":").await;
            assert_eq!(junk.expect("an answer"), Outcome::Other(400));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// When all connections have been closed again.
    async fn sample(&mut self) {
        let pid = self.service.pid();
        let least = self.samples.iter().map(|(_, files)| *files).min();
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut files = descriptors(pid);
        while Some(files) > least && least.is_some() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(100)).await;
            files = descriptors(pid);
        }
        self.samples.push((memory_of(pid), files));
    }

    async fn fault(&mut self, options: &Options, runtime: &Runtime) {
        let turn = self.faults;
        self.faults += 1;
        let over = self.service.connections(8).await.expect("connections");
        let lasting = Duration::from_secs(7);
        let people = Arc::clone(&self.people);
        let rate = options.rate;
        let load =
            runtime.spawn(async move { at_a_rate(over, &people, CLIENTS, rate, lasting).await });
        match turn % 4 {
            0 => self.half_requests().await,
            1 => {
                // Longer than a server waits for its store.
                self.place.befall(Fault::Stands(Duration::from_secs(6)));
            }
            2 => self.service.stand_still(Duration::from_secs(1)),
            _ => self.place.befall(Fault::IsKilled),
        }
        let (run, _) = load.await.expect("no panic");
        self.logins += run.logins;
        self.during_faults += run.failed.len();
        self.goes_on().await;
    }

    /// Connections whose requests never end.
    async fn half_requests(&self) {
        let address = self.service.origin.trim_start_matches("http://");
        let mut held = Vec::new();
        for _ in 0..200 {
            let mut stream = TcpStream::connect(address).await.expect("a connection");
            let half =
                b"POST /auth/zkp/verify HTTP/1.1\r\nhost: a\r\ncontent-length: 300\r\n\r\n{\"";
            stream.write_all(half).await.expect("written");
            held.push(stream);
        }
    }

    async fn goes_on(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut in_a_row = 0;
        while in_a_row < 20 {
            let let_in = async {
                let mut over = self.service.connections(1).await.ok()?.remove(0);
                over.log_in(&self.people, in_a_row).await.ok()
            };
            match let_in.await {
                Some(Outcome::LetIn(_)) => in_a_row += 1,
                other => {
                    in_a_row = 0;
                    assert!(Instant::now() < deadline, "it does not go on: {other:?}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn ends_well(&self) {
        let quarter = self.samples.len() / 4;
        // The first quarter is for getting warm.
        let early = &self.samples[quarter..2 * quarter];
        let late = &self.samples[self.samples.len() - quarter..];
        let memory = |part: &[(u64, usize)]| {
            let mut part: Vec<_> = part.iter().map(|(memory, _)| *memory).collect();
            part.sort_unstable();
            part[part.len() / 2] as f64 / MIB
        };
        let files = |part: &[(u64, usize)]| part.iter().map(|(_, files)| *files).max();
        println!(
            "  {} logins, {} faults with {} failures during them; memory {:.1} MiB early and {:.1} MiB late, open files \
             {:?} and {:?}",
            self.logins,
            self.faults,
            self.during_faults,
            memory(early),
            memory(late),
            files(early).unwrap_or_default(),
            files(late).unwrap_or_default(),
        );
        assert!(memory(late) < 1.1 * memory(early) + 4.0, "memory grows");
        assert!(
            files(late) <= files(early).map(|files| files + 2),
            "files leak"
        );
    }
}

fn main() {
    let options = Options::parse();
    let runtime = Runtime::new().expect("a runtime");
    // One of them is enrolled nowhere.
    let people = People::new(CLIENTS + 1);
    for engine in &options.stores {
        println!("{} for {} s", engine.name(), options.seconds);
        let place = Place::new(*engine, None);
        runtime.block_on(async {
            let store = open(&place).await.expect("the store opens");
            people.enrol(CLIENTS, &store).await;
        });
        let (url, keys, dir) = (&place.store, &place.key_file, place.dir.path());
        // Challenges that live for long would fill the set of spent ones for as long.
        let service = Service::start_with(None, url, keys, dir, &["--challenge-ttl", "15"]);
        let mut soak = Soak {
            service,
            people: Arc::clone(&people),
            logins: 0,
            faults: 0,
            during_faults: 0,
            samples: Vec::new(),
            place,
        };
        let end = Instant::now() + Duration::from_secs(options.seconds);
        while Instant::now() < end || soak.samples.len() < 8 {
            runtime.block_on(soak.calm(&options));
            runtime.block_on(soak.fault(&options, &runtime));
        }
        soak.ends_well();
    }
}
