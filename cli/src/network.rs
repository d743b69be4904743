//! What `2fapi serve` speaks with whom: TLS, proxies, limits, and the port of its operators.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use clap::{Args, builder::BoolishValueParser};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use twofapi_client::Failure;
use twofapi_server::{Connections, ForwardedBy, Limits, Patience, Proxies, RateLimit, Sources};

use super::listen::Listen;

const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// What a source may have of the connections unless the operator says otherwise: a quarter of them,
/// but no fewer than these.
const SOURCE_MIN: u32 = 16;
/// Files that are open besides connections: the store, the sockets, the log, the lobby.
const OTHER_FILES: u64 = 128;
/// How many sources' limits a subnet has unless the operator says otherwise.
const SUBNET: u32 = 8;
/// Connections of operators: what scrapes and what looks whether the server lives.
const OPERATIONS: usize = 32;

#[derive(Args, Debug)]
pub(crate) struct NetworkArgs {
    /// Speak TLS, HTTP/2 as well, with the chain of certificates of this file (PEM); taken anew when it changes
    #[arg(long, value_name = "FILE", env = "TWOFAPI_TLS_CERTIFICATE")]
    tls_certificate: Option<PathBuf>,
    /// The key of the certificate (PEM), which not everybody may be able to read
    #[arg(long, value_name = "FILE", env = "TWOFAPI_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Listen on other than the loopback interface: a proxy of yours does TLS before this server
    #[arg(long, env = "TWOFAPI_BEHIND_TLS_PROXY", value_parser = BoolishValueParser::new())]
    pub(crate) behind_tls_proxy: bool,
    /// Which addresses are proxies of yours, such as 10.0.0.0/8: they say whom a request is from. May be given
    /// often, in the environment with commas between; 127.0.0.1 is what comes through a Unix socket too
    #[arg(long, value_name = "ADDRESSES", env = "TWOFAPI_TRUSTED_PROXIES", value_delimiter = ',',
          value_parser = network)]
    trusted_proxies: Vec<String>,
    /// Where the proxies say it: x-forwarded-for or forwarded (RFC 7239); the other one is ignored
    #[arg(
        long,
        value_name = "FIELD",
        default_value = "x-forwarded-for",
        env = "TWOFAPI_FORWARDED_BY"
    )]
    forwarded_by: ForwardedBy,
    /// In the place of --trusted-proxies: how many proxies of yours add to X-Forwarded-For before this server;
    /// 0 ignores the field
    #[arg(
        long,
        value_name = "HOPS",
        default_value_t = 0,
        env = "TWOFAPI_TRUSTED_HOPS"
    )]
    trusted_hops: usize,
    /// The trusted proxies begin each connection with a header of the PROXY protocol, version 2; others are
    /// not served
    #[arg(long, env = "TWOFAPI_PROXY_PROTOCOL", value_parser = BoolishValueParser::new())]
    proxy_protocol: bool,
    /// Answer health (/livez, /readyz) and metrics (/metrics) at an address of their own, in plain HTTP
    #[arg(long, value_name = "ADDRESS:PORT", env = "TWOFAPI_OPERATIONS_LISTEN")]
    operations_listen: Option<Listen>,
    /// How long to serve on after being told to end, no longer ready, in seconds: what a load balancer needs
    /// to notice
    #[arg(long, value_name = "SECONDS", default_value_t = 0, env = "TWOFAPI_DRAIN",
          value_parser = clap::value_parser!(u64).range(0..=300))]
    drain: u64,
}

#[derive(Args, Debug)]
pub(crate) struct LimitArgs {
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
    /// How many attempts a second an IPv4 /24 or an IPv6 /48 may make together; 0 for any number
    /// [default: eight times --rate-limit]
    #[arg(long, value_name = "PER_SECOND", env = "TWOFAPI_SUBNET_RATE_LIMIT")]
    subnet_rate_limit: Option<u32>,
    /// How many attempts they may make at once [default: eight times --rate-burst]
    #[arg(long, value_name = "NUMBER", env = "TWOFAPI_SUBNET_RATE_BURST")]
    subnet_rate_burst: Option<NonZeroU32>,
    /// How many servers share the load: each takes its part of the rates, which is right on average
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "1",
        env = "TWOFAPI_SERVERS"
    )]
    servers: NonZeroU32,
    /// How many attempts are worked on at once; others wait, and subnets take turns
    #[arg(long, value_name = "NUMBER", default_value_t = 256, env = "TWOFAPI_WORK_AT_ONCE",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    work_at_once: u32,
    /// How long a request may take, from its head to its answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, env = "TWOFAPI_REQUEST_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=600))]
    request_timeout: u64,
    /// How many connections may be open at once
    #[arg(long, value_name = "NUMBER", default_value_t = 1024, env = "TWOFAPI_MAX_CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections: u32,
    /// How many connections one source may have open at once: an IPv4 address or an IPv6 /64
    /// [default: a quarter of --max-connections; as many where proxies or a Unix socket are before]
    #[arg(long, value_name = "NUMBER", env = "TWOFAPI_MAX_CONNECTIONS_PER_SOURCE",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections_per_source: Option<u32>,
    /// How long a connection may be idle between requests, in seconds; longer than the proxy before
    /// this server keeps its connections
    #[arg(long, value_name = "SECONDS", default_value_t = 75, env = "TWOFAPI_IDLE_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    idle_timeout: u64,
}

fn network(text: &str) -> Result<String, String> {
    Proxies::new([text], ForwardedBy::default())
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

impl NetworkArgs {
    /// What has to fit together.
    ///
    /// # Errors
    /// Bad input, saying what to do.
    pub(crate) fn checked(&self) -> Result<(), Failure> {
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return Err(Failure::bad_input(
                "TLS needs both: --tls-certificate FILE and --tls-key FILE",
            ));
        }
        if self.speaks_tls() && self.behind_tls_proxy {
            return Err(Failure::bad_input(
                "TLS is done by this server or by the proxy before it: leave out --tls-certificate, or \
                 --behind-tls-proxy",
            ));
        }
        if self.proxy_protocol && self.trusted_proxies.is_empty() {
            return Err(Failure::bad_input(
                "with --proxy-protocol whoever connects says who it is: name the addresses that may with \
                 --trusted-proxies",
            ));
        }
        if self.trusted_hops > 0 && !self.trusted_proxies.is_empty() {
            return Err(Failure::bad_input(
                "proxies are known by their addresses or by their number: leave out --trusted-proxies or \
                 --trusted-hops",
            ));
        }
        #[cfg(not(feature = "tls"))]
        if self.speaks_tls() {
            return Err(Failure::bad_input("this 2fapi was built without TLS"));
        }
        self.tls().map(drop)
    }

    pub(crate) const fn speaks_tls(&self) -> bool {
        self.tls_certificate.is_some()
    }

    pub(crate) const fn operations_listen(&self) -> Option<&Listen> {
        self.operations_listen.as_ref()
    }

    pub(crate) const fn drain(&self) -> Duration {
        Duration::from_secs(self.drain)
    }

    #[cfg(feature = "tls")]
    pub(crate) fn tls(&self) -> Result<Option<twofapi_server::Tls>, Failure> {
        let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) else {
            return Ok(None);
        };
        let tls = twofapi_server::Tls::read(certificate, key);
        tls.map(Some)
            .map_err(|error| Failure::bad_input(error.to_string()))
    }

    #[cfg(not(feature = "tls"))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "there is none in this build"
    )]
    fn tls(&self) -> Result<Option<()>, Failure> {
        Ok(None)
    }

    /// Whether anybody is trusted to say whom a request is from.
    pub(crate) const fn knows_proxies(&self) -> bool {
        self.trusted_hops > 0 || !self.trusted_proxies.is_empty()
    }

    pub(crate) fn trusts_everybody(&self) -> bool {
        self.trusted_proxies
            .iter()
            .any(|network| network.ends_with("/0"))
    }

    fn proxies(&self) -> Result<Option<Proxies>, Failure> {
        if self.trusted_proxies.is_empty() {
            return Ok(None);
        }
        let networks = self.trusted_proxies.iter().map(String::as_str);
        Ok(Some(Proxies::new(networks, self.forwarded_by)?))
    }

    /// The connections as they are to be served.
    pub(crate) fn around(&self, connections: Connections) -> Result<Connections, Failure> {
        Ok(match self.proxies()? {
            Some(proxies) if self.proxy_protocol => connections.behind(proxies),
            _ => connections,
        })
    }

    /// Whether all that comes, comes from few addresses.
    fn has_proxies(&self, listen: &Listen) -> bool {
        self.trusted_hops > 0
            || (!self.trusted_proxies.is_empty() && !self.proxy_protocol)
            || listen.is_unix()
    }
}

impl LimitArgs {
    pub(crate) const fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout)
    }

    /// The limits by source.
    pub(crate) fn sources(&self, network: &NetworkArgs) -> Result<Sources, Failure> {
        let part = |number: u32| NonZeroU32::new(number.div_ceil(self.servers.get()));
        let limit = |rate: u32, burst: NonZeroU32| {
            let (per_second, burst) = (part(rate)?, part(burst.get())?);
            Some(RateLimit { per_second, burst })
        };
        let by_source = limit(self.rate_limit, self.rate_burst);
        let rate = self.rate_limit.saturating_mul(SUBNET);
        let burst = self
            .rate_burst
            .saturating_mul(NonZeroU32::MIN.saturating_add(SUBNET - 1));
        let by_subnet = limit(
            self.subnet_rate_limit.unwrap_or(rate),
            self.subnet_rate_burst.unwrap_or(burst),
        );
        let mut sources =
            Sources::new(by_source, network.trusted_hops).at_once(self.work_at_once as usize);
        if let Some(limit) = by_subnet {
            sources = sources.with_subnets(limit);
        }
        if let Some(proxies) = network.proxies()? {
            sources = sources.trusting(proxies);
        }
        Ok(sources)
    }

    /// How many connections there may be. The system's soft limit of open files is raised to the hard one,
    /// and what does not fit under that is not promised.
    pub(crate) fn connections(&self, network: &NetworkArgs, listen: &Listen) -> Limits {
        let total = fitting(self.max_connections);
        // Behind proxies everybody comes from theirs.
        let share = match network.has_proxies(listen) {
            false => (total / 4).max(SOURCE_MIN),
            true => total,
        };
        let per_source = self.max_connections_per_source.unwrap_or(share);
        Limits {
            total: total as usize,
            per_source: per_source.min(total) as usize,
            patience: self.patience(),
        }
    }

    /// As few as operators need.
    pub(crate) fn of_operations(&self) -> Limits {
        Limits {
            total: OPERATIONS,
            per_source: OPERATIONS,
            patience: self.patience(),
        }
    }

    const fn patience(&self) -> Patience {
        Patience {
            head: HEADERS_WITHIN,
            idle: Duration::from_secs(self.idle_timeout),
        }
    }
}

fn fitting(total: u32) -> u32 {
    let files = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => files.maximum,
        Err(_) => files.current,
    };
    let fit = files.map_or(u64::MAX, |files| files.saturating_sub(OTHER_FILES).max(1));
    match u32::try_from(fit) {
        Ok(fit) if fit < total => {
            tracing::warn!(
                connections = fit,
                "the limit of open files (ulimit -n) leaves room for fewer connections than \
                 --max-connections says"
            );
            fit
        }
        _ => total,
    }
}
