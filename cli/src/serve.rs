//! `2fapi serve`: the HTTP service, on the store of one server or on one that servers share.

use std::{io::Write, path::PathBuf, sync::Arc, time::Duration};

use axum::http::{HeaderName, HeaderValue, Method, header};
use clap::{Args, ValueEnum, builder::BoolishValueParser};
use tower_http::cors::CorsLayer;
use tracing_subscriber::EnvFilter;
use twofapi_crypto_core::{Audience, ChallengeTtl};

use super::{
    Output,
    demo_page::{self, DemoPageArgs},
    ending::{LOG_WITHIN, Stop, until_stopped},
    listen::Listen,
    log::Log,
    network::{LimitArgs, NetworkArgs},
    operations::{Operations, View},
    store::{Opened, StoreArgs},
    workloads,
};
use twofapi_client::{Failure, Origin};
use twofapi_server::{
    Clock, Config, Connections, EmbeddedStore, Service, SigningAlgorithm, Store, SystemClock,
    Workloads, admin::AdminSocket, application, router,
};

/// How long a browser may go by what a preflight request was told.
const PREFLIGHT_GOOD_FOR: Duration = Duration::from_secs(600);
/// Options of `2fapi serve`.
#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes a free one. :PORT is 127.0.0.1, or all addresses with
    /// --behind-tls-proxy or TLS; unix:PATH is a socket file
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:7250",
        env = "TWOFAPI_LISTEN"
    )]
    listen: Listen,
    /// What clients know this server as, and prove to: its origin, as they compute it from its URL,
    /// such as https://api.example.com [default: http://ADDRESS:PORT]
    #[arg(long, value_name = "ORIGIN", env = "TWOFAPI_AUDIENCE", value_parser = Origin::parse)]
    pub(crate) audience: Option<Origin>,
    /// Let the pages of another origin call this server from a browser (CORS); may be given often, in
    /// the environment with commas between
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "TWOFAPI_ALLOW_ORIGIN",
        value_delimiter = ',',
        value_parser = Origin::parse
    )]
    allow_origin: Vec<Origin>,
    /// What tokens say of their issuer [default: the audience]
    #[arg(long, value_name = "NAME", env = "TWOFAPI_ISSUER")]
    issuer: Option<String>,
    /// By whose tokens workloads enrol (Kubernetes, GitHub Actions, SPIFFE): a file of rules in TOML
    #[arg(long, value_name = "FILE", env = "TWOFAPI_WORKLOAD_RULES")]
    workload_rules: Option<PathBuf>,
    /// Whether tokens are bound to a key of their client (DPoP, RFC 9449); nothing is negotiated, the clients have
    /// to be told
    #[arg(
        long,
        value_name = "WHETHER",
        default_value = "off",
        env = "TWOFAPI_DPOP"
    )]
    dpop: Dpop,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    demo: DemoPageArgs,
    /// How long a challenge lives, in seconds (1 to 900)
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 120,
        env = "TWOFAPI_CHALLENGE_TTL"
    )]
    challenge_ttl: u32,
    /// How long an access token lives, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900, env = "TWOFAPI_TOKEN_TTL",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    token_ttl: u64,
    /// How tokens are signed: es256 for libraries that have no EdDSA. Where it is changed, a key of the other algorithm
    /// takes its turn, as when keys rotate; servers of a shared store say the same
    #[arg(
        long,
        value_name = "ALGORITHM",
        default_value = "eddsa",
        env = "TWOFAPI_TOKEN_ALGORITHM"
    )]
    token_algorithm: TokenAlgorithm,
    /// After how many days another key signs the tokens
    #[arg(long, value_name = "DAYS", default_value_t = 30, env = "TWOFAPI_ROTATE_KEYS_AFTER",
          value_parser = clap::value_parser!(u64).range(1..=365))]
    rotate_keys_after: u64,
    /// How many challenges can be spent within one challenge's life (64 bytes of memory each)
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000_000, env = "TWOFAPI_SPENT_CAPACITY",
          value_parser = clap::value_parser!(u32).range(2..=100_000_000))]
    spent_capacity: u32,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// Log in JSON
    #[arg(long, env = "TWOFAPI_JSON_LOGS", value_parser = BoolishValueParser::new())]
    json_logs: bool,
    /// What is logged: trace, debug, info, warn, error or off, also by part (warn,twofapi_server=debug)
    #[arg(long, value_name = "FILTER", default_value = "info", env = "TWOFAPI_LOG",
          value_parser = directives)]
    log: String,
}

/// How tokens are signed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum TokenAlgorithm {
    /// Ed25519
    Eddsa,
    /// ECDSA over P-256
    Es256,
}

impl From<TokenAlgorithm> for SigningAlgorithm {
    fn from(algorithm: TokenAlgorithm) -> Self {
        match algorithm {
            TokenAlgorithm::Eddsa => Self::EdDsa,
            TokenAlgorithm::Es256 => Self::Es256,
        }
    }
}

/// Whether tokens are bound to keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dpop {
    Off,
    Required,
}

pub(crate) fn run(args: ServeArgs, _out: Output) -> Result<(), Failure> {
    let cannot_start = |error| Failure::unavailable(format!("cannot start: {error}"));
    args.checked()?;
    let log = Log::start(args.json_logs, filter(&args.log)?).map_err(cannot_start)?;
    let served = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(cannot_start)?
        .block_on(serve(args, &log));
    log.flush_within(LOG_WITHIN);
    served
}

/// What is to be logged, if that makes sense.
fn directives(text: &str) -> Result<String, String> {
    let filter = EnvFilter::builder().parse(text);
    filter
        .map(|_| text.into())
        .map_err(|error| error.to_string())
}

fn filter(directives: &str) -> Result<EnvFilter, Failure> {
    let filter = EnvFilter::builder().parse(directives);
    filter.map_err(|error| Failure::bad_input(error.to_string()))
}

impl ServeArgs {
    /// What has to fit together of all that was said, from wherever it comes: looked at before anything is
    /// opened.
    ///
    /// # Errors
    /// Bad input, saying what to do.
    pub(crate) fn checked(&self) -> Result<(), Failure> {
        let listen = self.listening();
        let behind = self.network.behind_tls_proxy;
        if !listen.is_loopback() && !behind && !self.network.speaks_tls() {
            return Err(Failure::bad_input(format!(
                "{listen} is reachable from outside, and this server speaks plain HTTP: tokens could be \
                 read on the way. Have it speak TLS with --tls-certificate and --tls-key, put a proxy that \
                 does TLS before it and say --behind-tls-proxy, or listen on 127.0.0.1",
            )));
        }
        if behind && !self.audience.as_ref().is_some_and(Origin::is_secure) {
            return Err(Failure::bad_input(
                "clients behind the proxy know this server by the proxy's origin and prove to that: say \
                 what it is with --audience, such as --audience https://api.example.com",
            ));
        }
        if self.network.speaks_tls() && self.audience.as_ref().is_some_and(|it| !it.is_secure()) {
            return Err(Failure::bad_input(
                "clients reach this server over TLS, so the audience begins with https://",
            ));
        }
        if listen.is_unix() && self.audience.is_none() {
            return Err(Failure::bad_input(
                "no client knows this server by a socket file: say what it is known as with --audience",
            ));
        }
        self.network.checked()?;
        self.demo.checked(behind)?;
        ChallengeTtl::from_seconds(self.challenge_ttl)?;
        cors(&self.allow_origin)?;
        self.workloads()?;
        self.store.checked()
    }

    fn workloads(&self) -> Result<Option<Arc<Workloads>>, Failure> {
        let rules = self.workload_rules.as_deref();
        rules.map(workloads::read).transpose()
    }

    fn listening(&self) -> Listen {
        let from_outside = self.network.behind_tls_proxy || self.network.speaks_tls();
        self.listen.settled(from_outside)
    }
}

async fn serve(args: ServeArgs, log: &Log) -> Result<(), Failure> {
    let listen = args.listening();
    let unavailable = |error: std::io::Error| Failure::unavailable(error.to_string());
    let page = args.demo.page(listen.is_loopback())?;
    let workloads = args.workloads()?;
    // Whoever opens the page may invite themselves: never into a store that is meant.
    let Opened { store, place, keys } = match page.is_some() {
        true => Opened {
            store: Arc::new(EmbeddedStore::in_memory(args.spent_capacity)?),
            place: None,
            keys: None,
        },
        false => args.store.make()?.open(args.spent_capacity).await?,
    };
    // Read once: what challenges are computed from is what the store is sealed under.
    let keys = match keys {
        Some(keys) => Some(keys),
        None => args.store.keys()?,
    };
    let admin = place
        .as_ref()
        .map(AdminSocket::bind)
        .transpose()
        .map_err(unavailable)?;
    let scheme = match args.network.speaks_tls() {
        true => "https",
        false => "http",
    };
    let listener = listen
        .bind(scheme)
        .await
        .map_err(|error| Failure::unavailable(format!("cannot listen on {listen}: {error}")))?;
    let origin = listener.origin().to_owned();

    let clock = Arc::new(SystemClock::new());
    let audience: Audience = args
        .audience
        .as_ref()
        .map_or(origin.as_str(), Origin::as_str)
        .parse()?;
    let config = Config {
        issuer: args.issuer,
        challenge_ttl: ChallengeTtl::from_seconds(args.challenge_ttl)?,
        token_ttl: args.token_ttl,
        rotate_keys_after: args.rotate_keys_after * 24 * 3600,
        signing_algorithm: args.token_algorithm.into(),
        operator_keys: keys,
        require_dpop: args.dpop == Dpop::Required,
        workloads,
        ..Config::new(audience)
    };
    let limits = args.limits.connections(&args.network, &listen);
    let at = match &place {
        Some(place) => place.path().display().to_string(),
        None if store.is_shared() => "shared".into(),
        None => "memory".into(),
    };
    tracing::info!(store = at, audience = %config.audience, "starting");
    let service = Arc::new(Service::new(config, store.clone(), clock.clone()).await?);
    let sources = Arc::new(args.limits.sources(&args.network)?);
    let mut routes = router(service.clone(), sources.clone());
    if let Some(page) = page {
        routes = routes.merge(demo_page::router(
            page,
            service.clone(),
            store.clone(),
            clock.clone(),
        ));
    }
    let app = application(routes, args.limits.request_timeout());
    let app = match cors(&args.allow_origin)? {
        Some(cors) => app.layer(cors),
        None => app,
    };
    #[cfg(feature = "metrics")]
    let metrics = twofapi_server::Metrics::new();
    #[cfg(feature = "metrics")]
    let app = metrics.measure(app);

    let connections = args.network.around(Connections::new(app, limits))?;
    #[cfg(feature = "tls")]
    let tls = args.network.tls()?;
    #[cfg(feature = "tls")]
    let connections = match &tls {
        Some(tls) => connections.within(tls.clone()),
        None => connections,
    };
    let operations = match args.network.operations_listen() {
        Some(at) => {
            let view = View {
                service: service.clone(),
                sources,
                connections: connections.clone(),
                #[cfg(feature = "metrics")]
                metrics,
                #[cfg(all(feature = "metrics", feature = "tls"))]
                tls: tls.clone(),
            };
            Some(Operations::listen(at, &args.limits, view).await?)
        }
        None => None,
    };
    let stop = Stop::listen().map_err(unavailable)?;
    announce(&origin)?;
    let say = || service.stop();
    #[cfg(feature = "tls")]
    let watched = watched(tls.as_ref());
    #[cfg(not(feature = "tls"))]
    let watched = std::future::pending::<()>();
    tokio::select! {
        () = until_stopped(listener, &connections, stop, args.network.drain(), say, log) => {}
        () = administer(admin, store, clock) => {}
        () = Operations::serve(operations) => {}
        () = watched => {}
    }
    tracing::info!("stopped");
    Ok(())
}

/// Looks after the certificate, if there is one.
#[cfg(feature = "tls")]
async fn watched(tls: Option<&twofapi_server::Tls>) {
    if let Some(tls) = tls {
        tls.watch().await;
    }
    std::future::pending().await
}

/// Lets pages of these origins send what the service takes, and read what a client has to know of the
/// answer. Cookies have no part in it.
fn cors(origins: &[Origin]) -> Result<Option<CorsLayer>, Failure> {
    if origins.is_empty() {
        return Ok(None);
    }
    let origins: Vec<HeaderValue> = origins
        .iter()
        .map(|origin| HeaderValue::from_str(origin.as_str()))
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::bad_input(error.to_string()))?;
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("dpop"),
        ])
        .expose_headers([
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            HeaderName::from_static("dpop-nonce"),
        ])
        .max_age(PREFLIGHT_GOOD_FOR);
    Ok(Some(cors))
}

/// Nobody administers a store in memory.
async fn administer(admin: Option<AdminSocket>, store: Arc<dyn Store>, clock: Arc<SystemClock>) {
    match admin {
        Some(admin) => admin.serve(store, move || clock.wall()).await,
        None => std::future::pending().await,
    }
}

/// Whoever started the server may be waiting for this line.
fn announce(origin: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening on {origin}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::unavailable(format!("cannot write to standard output: {error}")))
}
