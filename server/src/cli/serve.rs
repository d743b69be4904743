//! `2fapi serve`: the HTTP service on the embedded store.

use std::{
    io::Write,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, signal::unix::SignalKind, sync::Semaphore};
use twofapi_crypto_core::{Audience, ChallengeTtl};

use super::{
    Failure, Output,
    demo_page::{self, DemoPageArgs},
};
use crate::{
    Clock, Config, EmbeddedStore, RateLimit, Service, Sources, Store, SystemClock,
    admin::AdminSocket, application, router,
};

const HEADERS_WITHIN: Duration = Duration::from_secs(10);
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(10);
const HEADERS_MAX: usize = 64;
/// Bytes of a connection's read buffer, which the head of a request has to fit into.
const BUFFER_MAX: usize = 32 * 1024;

/// Options of `2fapi serve`.
#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:7250",
        env = "TWOFAPI_LISTEN"
    )]
    listen: SocketAddr,
    /// What clients know this server as, and prove to: its origin [default: http://ADDRESS:PORT]
    #[arg(long, value_name = "ORIGIN", env = "TWOFAPI_AUDIENCE")]
    audience: Option<Audience>,
    /// What tokens say of their issuer [default: the audience]
    #[arg(long, value_name = "NAME", env = "TWOFAPI_ISSUER")]
    issuer: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
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
    /// After how many days another key signs the tokens
    #[arg(long, value_name = "DAYS", default_value_t = 30, env = "TWOFAPI_ROTATE_KEYS_AFTER",
          value_parser = clap::value_parser!(u64).range(1..=365))]
    rotate_keys_after: u64,
    /// How many challenges can be spent within one challenge's life (48 bytes of memory each)
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000_000, env = "TWOFAPI_SPENT_CAPACITY",
          value_parser = clap::value_parser!(u32).range(2..=100_000_000))]
    spent_capacity: u32,
    /// How many attempts a second one source may make on average; 0 for any number
    #[arg(
        long,
        value_name = "PER_SECOND",
        default_value_t = 20,
        env = "TWOFAPI_RATE_LIMIT"
    )]
    rate_limit: u32,
    /// How many attempts one source may make at once
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "100",
        env = "TWOFAPI_RATE_BURST"
    )]
    rate_burst: NonZeroU32,
    /// How many proxies of yours add to X-Forwarded-For before this server; 0 ignores the field
    #[arg(
        long,
        value_name = "HOPS",
        default_value_t = 0,
        env = "TWOFAPI_TRUSTED_HOPS"
    )]
    trusted_hops: usize,
    /// How long a request may take, from its head to its answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, env = "TWOFAPI_REQUEST_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=600))]
    request_timeout: u64,
    /// How many connections may be open at once
    #[arg(long, value_name = "NUMBER", default_value_t = 1024, env = "TWOFAPI_MAX_CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections: u32,
    /// Listen on other than the loopback interface: a proxy of yours does TLS before this server
    #[arg(long, env = "TWOFAPI_BEHIND_TLS_PROXY")]
    behind_tls_proxy: bool,
    /// Log in JSON
    #[arg(long, env = "TWOFAPI_JSON_LOGS")]
    json_logs: bool,
}

/// Which store a command works on.
#[derive(Args, Clone, Debug)]
pub(crate) struct StoreArgs {
    /// The store's file [default: 2fapi/2fapi.redb in your data directory]
    #[arg(long = "store", value_name = "FILE", env = "TWOFAPI_STORE")]
    path: Option<PathBuf>,
}

impl StoreArgs {
    pub(crate) fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.path {
            return Ok(path.clone());
        }
        let directories = directories::BaseDirs::new().ok_or_else(|| {
            Failure::bad_input("this user has no home directory; say where with --store FILE")
        })?;
        Ok(directories.data_dir().join("2fapi").join("2fapi.redb"))
    }
}

pub(crate) fn run(args: ServeArgs, _out: Output) -> Result<(), Failure> {
    start_logging(args.json_logs);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("cannot start: {error}")))?
        .block_on(serve(args))
}

fn start_logging(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TWOFAPI_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let logging = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr);
    // A second subscriber is refused, which leaves the first: nothing to mend.
    let _ = if json {
        logging.json().try_init()
    } else {
        logging.with_ansi(false).try_init()
    };
}

async fn serve(args: ServeArgs) -> Result<(), Failure> {
    if !args.listen.ip().is_loopback() && !args.behind_tls_proxy {
        return Err(Failure::bad_input(format!(
            "{} is reachable from outside, and this server speaks plain HTTP: tokens could be read \
             on the way. Put a proxy that does TLS before it and say --behind-tls-proxy, or listen \
             on 127.0.0.1",
            args.listen
        )));
    }
    let unavailable = |error: std::io::Error| Failure::unavailable(error.to_string());
    let page = args.demo.page(args.listen)?;
    // Whoever opens the page may invite themselves: never into a store that is meant.
    let path = if page.is_some() {
        None
    } else {
        Some(args.store.path()?)
    };
    let store: Arc<dyn Store> = Arc::new(match &path {
        Some(path) => EmbeddedStore::open(path, args.spent_capacity)?,
        None => EmbeddedStore::in_memory(args.spent_capacity)?,
    });
    let admin = path
        .as_deref()
        .map(AdminSocket::bind)
        .transpose()
        .map_err(unavailable)?;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        Failure::unavailable(format!("cannot listen on {}: {error}", args.listen))
    })?;
    let origin = format!("http://{}", listener.local_addr().map_err(unavailable)?);

    let clock = Arc::new(SystemClock::new());
    let audience = match args.audience {
        Some(audience) => audience,
        None => origin.parse()?,
    };
    let config = Config {
        issuer: args.issuer,
        challenge_ttl: ChallengeTtl::from_seconds(args.challenge_ttl)?,
        token_ttl: args.token_ttl,
        rotate_keys_after: args.rotate_keys_after * 24 * 3600,
        ..Config::new(audience)
    };
    let place = path.as_deref().unwrap_or(Path::new("memory"));
    tracing::info!(store = %place.display(), audience = %config.audience, "starting");
    let service = Arc::new(Service::new(config, store.clone(), clock.clone()).await?);
    let limit = NonZeroU32::new(args.rate_limit).map(|per_second| RateLimit {
        per_second,
        burst: args.rate_burst,
    });
    let sources = Arc::new(Sources::new(limit, args.trusted_hops));
    let mut routes = router(service.clone(), sources);
    if let Some(page) = page {
        routes = routes.merge(demo_page::router(
            page,
            service,
            store.clone(),
            clock.clone(),
        ));
    }
    let app = application(routes, Duration::from_secs(args.request_timeout));

    let mut stop = Stop::listen().map_err(unavailable)?;
    announce(&origin)?;
    tokio::select! {
        () = accept_all(listener, app, args.max_connections as usize, &mut stop) => {}
        () = administer(admin, store, clock) => {}
    }
    tracing::info!("stopped");
    Ok(())
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

/// The signals that end a server in an orderly way.
struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: tokio::signal::unix::signal(SignalKind::terminate())?,
            interrupt: tokio::signal::unix::signal(SignalKind::interrupt())?,
        })
    }

    async fn requested(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Serves connections until it is told to stop, then lets those that are busy finish.
async fn accept_all(listener: TcpListener, app: axum::Router, at_once: usize, stop: &mut Stop) {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_MAX)
        .pipeline_flush(true);
    let places = Arc::new(Semaphore::new(at_once));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = stop.requested() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to be closed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let app = app
            .clone()
            .layer(axum::Extension(axum::extract::ConnectInfo(peer)));
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            // A client that hangs up or talks nonsense is not an event.
            let _ = connection.await;
        });
    }
    drop(listener);
    tracing::info!("stopping");
    let _ = tokio::time::timeout(SHUTDOWN_WITHIN, graceful.shutdown()).await;
}

/// Whether a store is there; commands that only look do not make one.
pub(crate) fn exists(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    Err(Failure::unavailable(format!(
        "there is no store at {}; start a server with 2fapi serve, or say where with --store FILE",
        path.display()
    )))
}
