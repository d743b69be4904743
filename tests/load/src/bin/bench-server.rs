//! What a login costs the service and its store in CPU time, how long it takes at 70 % of what there is, and what a million
//! clients change in that: on each store, in one run.

use std::{sync::Arc, time::Duration};

use clap::Parser;
use tokio::runtime::Runtime;
use twofapi_tests::figures::record;
use twofapi_tests_load::{
    Connection, Cpus, Engine, People, Place, Run, Service, Spent, as_fast_as_may_be, at_a_rate,
    memory_of, open,
};

const FEW: usize = 1000;
const SHARE: f64 = 0.7;

/// Measures logins on each store.
#[derive(Parser)]
struct Options {
    /// On which stores
    #[arg(long, value_delimiter = ',', default_values = ["embedded", "redis", "postgres"])]
    stores: Vec<Engine>,
    /// How many clients the large store has
    #[arg(long, default_value_t = 1_000_000)]
    clients: usize,
    /// How many connections there are
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// How long a turn is, in seconds
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// How many turns small and large store take
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// A service on a store with so many clients in it.
struct Stage {
    place: Place,
    service: Service,
    among: usize,
    /// Of each turn: CPU seconds a login, and logins a second.
    turns: Vec<(f64, f64)>,
}

impl Stage {
    fn with(engine: Engine, among: usize, people: &Arc<People>, bench: &Bench) -> Self {
        let place = Place::new(engine, Some(bench.cpus));
        bench.runtime.block_on(async {
            let store = open(&place).await.expect("the store opens");
            people.enrol(among, &store).await;
        });
        place.settle();
        let (url, keys, dir) = (&place.store, &place.key_file, place.dir.path());
        let service = Service::start(Some(bench.cpus), url, keys, dir);
        Self {
            place,
            service,
            among,
            turns: Vec::new(),
        }
    }

    fn pids(&self) -> Vec<u32> {
        let mut pids = self.place.pids();
        pids.push(self.service.pid());
        pids
    }

    /// For one turn: what is silent for long is closed.
    fn connected(&self, bench: &Bench) -> Vec<Connection> {
        let connections = self.service.connections(bench.options.connections);
        bench.runtime.block_on(connections).expect("connections")
    }

    fn turn(&mut self, people: &Arc<People>, bench: &Bench, counts: bool) {
        let lasting = Duration::from_secs(bench.options.seconds);
        let over = self.connected(bench);
        let before = Spent::by(&self.pids());
        let ran = as_fast_as_may_be(over, people, self.among, lasting);
        let (run, _) = bench.runtime.block_on(ran);
        let spent = Spent::by(&self.pids()).since(before);
        all_let_in(&run);
        if counts {
            self.turns.push((spent / run.logins as f64, run.rate()));
        }
    }

    fn cost(&self) -> f64 {
        median(self.turns.iter().map(|(cost, _)| *cost))
    }

    fn rate(&self) -> f64 {
        median(self.turns.iter().map(|(_, rate)| *rate))
    }
}

struct Bench {
    options: Options,
    cpus: Cpus,
    runtime: Runtime,
}

impl Bench {
    fn measure(&self, engine: Engine, people: &Arc<People>) {
        let name = engine.name();
        let mut few = Stage::with(engine, FEW, people, self);
        let empty = few.place.size();
        let mut many = Stage::with(engine, people.count(), people, self);
        let full = many.place.size();
        for round in 0..=self.options.rounds {
            few.turn(people, self, round > 0);
            many.turn(people, self, round > 0);
        }
        // Of each round, so that what disturbs the machine disturbs both.
        let pairs = few.turns.iter().zip(&many.turns);
        let growth = median(pairs.map(|((few, _), (many, _))| few / many));
        let per_second = SHARE * few.rate();
        let over = few.connected(self);
        let lasting = Duration::from_secs(3 * self.options.seconds);
        let at_rate = at_a_rate(over, people, FEW, per_second, lasting);
        let (at_rate, _) = self.runtime.block_on(at_rate);
        all_let_in(&at_rate);
        println!(
            "{name:9} {:7.1} µs a login, {:6.0} logins per busy vCPU ({:.0} a second over {} connections); at 70 %: \
             p50 {:.2} ms, p99 {:.2} ms; {} clients: {growth:.3}",
            few.cost() * 1e6,
            1.0 / few.cost(),
            few.rate(),
            self.options.connections,
            at_rate.milliseconds(0.5),
            at_rate.milliseconds(0.99),
            people.count(),
        );
        let million = 1e6 / (people.count() - FEW) as f64 / f64::from(1 << 20);
        println!(
            "{name:9} a million clients: {:.0} MiB of the engine's memory, {:.0} MiB on disk; the service holds {:.0} MiB \
             with a thousand and {:.0} MiB with {}",
            full.0.saturating_sub(empty.0) as f64 * million,
            full.1.saturating_sub(empty.1) as f64 * million,
            memory_of(few.service.pid()) as f64 / f64::from(1 << 20),
            memory_of(many.service.pid()) as f64 / f64::from(1 << 20),
            people.count(),
        );
        let mut figures = vec![
            (
                format!("server.logins_per_busy_vcpu_{name}"),
                1.0 / few.cost(),
            ),
            (
                format!("server.login_p99_ms_70_{name}"),
                at_rate.milliseconds(0.99),
            ),
        ];
        // A smaller number is for trying out, and is no figure.
        if people.count() == 1_000_000 {
            figures.push((format!("server.growth_1m_vs_1k_{name}"), growth));
        }
        let figures: Vec<_> = figures
            .iter()
            .map(|(name, figure)| (name.as_str(), *figure))
            .collect();
        record(&figures).expect("target/bench.json");
    }
}

/// What is measured is logins, and nothing else.
fn all_let_in(run: &Run) {
    assert!(run.failed.is_empty(), "{:?}", run.failed.first());
    assert!(run.logins > 0, "nobody was let in");
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let options = Options::parse();
    assert!(options.clients > FEW, "more clients than {FEW}");
    let cpus = Cpus::share_out().expect("two processors");
    let runtime = Runtime::new().expect("a runtime");
    let bench = Bench {
        options,
        cpus,
        runtime,
    };
    let people = People::new(bench.options.clients);
    for engine in &bench.options.stores {
        bench.measure(*engine, &people);
    }
}
