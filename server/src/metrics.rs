//! What is measured, in the text format that Prometheus reads. Labels are few and bounded, and none says who a
//! client is.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use crate::{Service, store::failures};

/// Routes where a client logs in.
const LOGINS: [&str; 2] = ["/auth/zkp/verify", "/oauth/token"];
const CHALLENGES: [&str; 2] = ["/auth/zkp/challenge", "/oauth/challenge"];

/// From half a millisecond to thirty seconds.
const SECONDS: [f64; 11] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0,
];

/// What is counted, and what is looked at when somebody asks.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<On, Histogram, fn() -> Histogram>,
    logins: Family<Login, Counter>,
    challenges: Counter,
    throttled: Counter,
    now: Gauges,
    store_errors: Counter,
}

/// What is set when somebody asks.
#[derive(Default)]
struct Gauges {
    ready: Gauge,
    store_up: Gauge,
    store_check: Gauge<f64, AtomicU64>,
    spent: Gauge,
    spent_capacity: Gauge,
    key_age: Gauge,
    connections: Gauge,
    in_flight: Gauge,
    waiting: Gauge,
    certificate: Gauge,
}

/// What a server knows beside its service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Serving {
    /// Connections that have a place.
    pub connections: usize,
    /// Attempts that are worked on, and that wait for it.
    pub attempts: (usize, usize),
    /// The last second of the certificate, in Unix seconds, if the server has one.
    pub certificate_until: Option<u64>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct On {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Login {
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "they are written as they are named")]
enum Outcome {
    accepted,
    denied,
    malformed,
    throttled,
    unavailable,
    failed,
}

impl Outcome {
    const ALL: [Self; 6] = [
        Self::accepted,
        Self::denied,
        Self::malformed,
        Self::throttled,
        Self::unavailable,
        Self::failed,
    ];

    const fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200..=299 => Self::accepted,
            401 | 403 => Self::denied,
            429 => Self::throttled,
            400..=499 => Self::malformed,
            503 => Self::unavailable,
            _ => Self::failed,
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("twofapi");
        let version = env!("CARGO_PKG_VERSION");
        registry.register(
            "build",
            "The version that runs",
            Info::new(Build { version }),
        );
        let requests = Family::default();
        registry.register(
            "http_requests",
            "Requests that were answered",
            requests.clone(),
        );
        let seconds: Family<On, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        let help = "From the head of a request to its answer";
        registry.register("http_request_seconds", help, seconds.clone());
        let logins = Family::<Login, Counter>::default();
        // There from the beginning, so that the first refusal is an increase.
        for outcome in Outcome::ALL {
            drop(logins.get_or_create(&Login { outcome }));
        }
        registry.register("logins", "Logins, by how they ended", logins.clone());
        let counter = |registry: &mut Registry, name, help| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let challenges = counter(&mut registry, "challenges", "Challenges that were issued");
        let help = "Requests beyond a limit by source, or beyond what is worked on at once";
        let throttled = counter(&mut registry, "throttled", help);
        let help = "Calls that the store could not do";
        let store_errors = counter(&mut registry, "store_errors", help);
        let now = Gauges::default();
        now.register(&mut registry);
        Self(Arc::new(Inner {
            registry,
            requests,
            seconds,
            logins,
            challenges,
            throttled,
            now,
            store_errors,
        }))
    }

    /// The same application, whose answers are counted.
    pub fn measure(&self, app: Router) -> Router {
        app.layer(from_fn_with_state(self.clone(), measured))
    }

    /// All of it, as it is now.
    pub async fn text(&self, service: &Service, serving: Serving) -> String {
        let now = &self.0.now;
        let asked = Instant::now();
        let store = service.check_store().await;
        now.store_check.set(asked.elapsed().as_secs_f64());
        now.store_up.set(i64::from(store.is_ok()));
        now.ready
            .set(i64::from(store.is_ok() && !service.is_stopping()));
        if let Some(stats) = service.spent() {
            now.spent.set(stats.held.into());
            now.spent_capacity.set(stats.capacity.into());
        }
        if let Ok(age) = service.signing_key_age().await {
            now.key_age.set(signed(age));
        }
        now.connections.set(signed(serving.connections as u64));
        now.in_flight.set(signed(serving.attempts.0 as u64));
        now.waiting.set(signed(serving.attempts.1 as u64));
        now.certificate
            .set(signed(serving.certificate_until.unwrap_or_default()));
        let errors = failures().saturating_sub(self.0.store_errors.get());
        self.0.store_errors.inc_by(errors);
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}

impl Gauges {
    fn register(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            ("ready", "Whether requests are to come here", &self.ready),
            ("store_up", "Whether the store answers", &self.store_up),
            (
                "spent_challenges",
                "Challenges in the spent set of this process",
                &self.spent,
            ),
            (
                "spent_capacity",
                "How many there can be",
                &self.spent_capacity,
            ),
            (
                "signing_key_age_seconds",
                "Since when the key signs that signs now",
                &self.key_age,
            ),
            (
                "connections",
                "Connections that have a place",
                &self.connections,
            ),
            (
                "attempts_in_flight",
                "Attempts that are worked on",
                &self.in_flight,
            ),
            (
                "attempts_waiting",
                "Attempts that wait for that",
                &self.waiting,
            ),
            (
                "tls_certificate_until_seconds",
                "The last second of the certificate, in Unix time; 0 without one",
                &self.certificate,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        let help = "How long the store took to answer just now";
        registry.register("store_check_seconds", help, self.store_check.clone());
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

async fn measured(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    // What strangers ask for that is not there is one route.
    let route = path.map_or("other", MatchedPath::as_str).to_owned();
    let begun = Instant::now();
    let answer = next.run(request).await;
    let metrics = &metrics.0;
    let status = answer.status();
    if LOGINS.contains(&route.as_str()) {
        let outcome = Outcome::of(status);
        metrics.logins.get_or_create(&Login { outcome }).inc();
    }
    if CHALLENGES.contains(&route.as_str()) && status.is_success() {
        metrics.challenges.inc();
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        metrics.throttled.inc();
    }
    let on = On { route };
    metrics
        .seconds
        .get_or_create(&on)
        .observe(begun.elapsed().as_secs_f64());
    let answered = Answered {
        route: on.route,
        status: status.as_u16(),
    };
    metrics.requests.get_or_create(&answered).inc();
    answer
}
