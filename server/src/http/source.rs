//! Throttling by rate and by source: never by client, so that nobody can lock a client out.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use axum::http::HeaderMap;
use governor::{
    Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos,
    state::keyed::DashMapStateStore,
};
use rustix::time::{ClockId, clock_gettime};
use twofapi_crypto_core::Error;

use super::{
    flight::{Flight, Turn},
    proxies::{Proxies, forwarded_for},
};

/// Goes on while the machine is suspended, and nobody can set it.
#[derive(Clone, Debug)]
struct SinceBoot;

impl Clock for SinceBoot {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let part = u64::try_from(now.tv_nsec).unwrap_or_default();
        Nanos::new(seconds.saturating_mul(1_000_000_000).saturating_add(part))
    }
}

type Limiter = RateLimiter<IpAddr, DashMapStateStore<IpAddr>, SinceBoot, NoOpMiddleware<Nanos>>;

/// How many requests a source may make.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    /// Per second, on average.
    pub per_second: NonZeroU32,
    /// At once, after a pause.
    pub burst: NonZeroU32,
}

/// What each source has asked of us lately.
pub struct Sources {
    limiter: Option<Limiter>,
    subnets: Option<Limiter>,
    trusted_hops: usize,
    proxies: Option<Proxies>,
    flight: Arc<Flight>,
    since_cleaning: AtomicU32,
    /// Whether the operator was told that a forwarded address is not there.
    told: AtomicBool,
}

/// A request that may be looked at, for as long as this is kept.
#[derive(Debug)]
pub(super) struct Admitted {
    source: Option<IpAddr>,
    address: Option<IpAddr>,
    _turn: Turn,
}

/// How many requests go by between two cleanings.
const CLEAN_EVERY: u32 = 10_000;
/// How many sources, and how many subnets, are counted each for itself. Beyond it, newcomers are counted by
/// what they have in common, so that nobody fills the memory by coming from everywhere.
const COUNTED: usize = 1 << 17;
/// How much is in flight at once unless something else is said.
const AT_ONCE: usize = 256;

impl Sources {
    /// `limit` is `None` for no throttling. `trusted_hops` says how many proxies of ours stand before
    /// the server and add to `X-Forwarded-For`; none is 0, and the field is then ignored.
    #[must_use]
    pub fn new(limit: Option<RateLimit>, trusted_hops: usize) -> Self {
        Self {
            limiter: limit.map(limiter),
            subnets: None,
            trusted_hops,
            proxies: None,
            flight: Flight::new(AT_ONCE),
            since_cleaning: AtomicU32::new(0),
            told: AtomicBool::new(false),
        }
    }

    /// The same, where an IPv4 /24 and an IPv6 /48 together have a limit as well.
    #[must_use]
    pub fn with_subnets(mut self, limit: RateLimit) -> Self {
        self.subnets = Some(limiter(limit));
        self
    }

    /// The same, where these proxies say whom a request is from, in the place of a number of hops.
    #[must_use]
    pub fn trusting(mut self, proxies: Proxies) -> Self {
        self.proxies = Some(proxies);
        self
    }

    /// The same, where so many requests may be worked on at once.
    #[must_use]
    pub fn at_once(mut self, requests: usize) -> Self {
        self.flight = Flight::new(requests);
        self
    }

    /// Counts one request of this source, and waits for its turn. Without a peer address (a host application
    /// that does not hand it on) nothing is counted.
    pub(super) async fn admit(
        &self,
        peer: Option<SocketAddr>,
        headers: &HeaderMap,
    ) -> Result<Admitted, Error> {
        let source = peer.map(|peer| network(self.origin(peer.ip(), headers)));
        if let Some(source) = source {
            self.count(source)?;
        }
        let place = source.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let turn = self.flight.turn(place, subnet(place), seconds()).await?;
        Ok(Admitted {
            source,
            address: self.address(peer, headers),
            _turn: turn,
        })
    }

    /// A client has logged in with it.
    pub(super) fn logged_in(&self, admitted: &Admitted) {
        if let Some(source) = admitted.source {
            self.flight.logged_in(source, seconds());
        }
    }

    /// How many requests are worked on, and how many wait for that.
    #[must_use]
    pub fn in_flight(&self) -> (usize, usize) {
        self.flight.counts()
    }

    fn count(&self, source: IpAddr) -> Result<(), Error> {
        if self.since_cleaning.fetch_add(1, Ordering::Relaxed) >= CLEAN_EVERY {
            self.since_cleaning.store(0, Ordering::Relaxed);
            for limiter in [&self.limiter, &self.subnets].into_iter().flatten() {
                limiter.retain_recent();
                limiter.shrink_to_fit();
            }
        }
        let wide = subnet(source);
        one(self.limiter.as_ref(), source, wide)?;
        one(self.subnets.as_ref(), wide, wider(wide))
    }

    /// Where a request comes from, as far as our own connections and proxies tell: none where they do not, and
    /// never what the client says itself. By it a client is let in that has allowed sources.
    #[must_use]
    pub fn address(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let address = match (&self.proxies, self.trusted_hops.checked_sub(1)) {
            (Some(proxies), _) => proxies.address(peer?.ip(), headers),
            (None, Some(skip)) => said_by_hops(skip, headers),
            (None, None) => peer.map(|peer| peer.ip()),
        };
        address.map(|address| address.to_canonical())
    }

    /// Whom a request is from, as far as our own proxies say it.
    fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if let Some(proxies) = &self.proxies {
            return proxies.origin(peer, headers);
        }
        // The address that the outermost proxy of ours saw.
        let Some(skip) = self.trusted_hops.checked_sub(1) else {
            return peer;
        };
        let origin = said_by_hops(skip, headers);
        if origin.is_none() && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                hops = self.trusted_hops,
                "X-Forwarded-For names no address where the outermost proxy should put it; such \
                 requests count as the proxy's own, and share one limit"
            );
        }
        origin.unwrap_or(peer)
    }
}

fn said_by_hops(skip: usize, headers: &HeaderMap) -> Option<IpAddr> {
    let said = forwarded_for(headers, "x-forwarded-for");
    said.into_iter().nth(skip).flatten()
}

impl Admitted {
    /// Where it comes from, as far as that is known: see [`Sources::address`].
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

fn limiter(limit: RateLimit) -> Limiter {
    let quota = Quota::per_second(limit.per_second).allow_burst(limit.burst);
    RateLimiter::dashmap_with_clock(quota, SinceBoot)
}

/// Counts one request of `key`, or of what it has in common with others once too many are counted.
fn one(limiter: Option<&Limiter>, key: IpAddr, common: IpAddr) -> Result<(), Error> {
    let Some(limiter) = limiter else {
        return Ok(());
    };
    let key = match limiter.len() < COUNTED {
        true => key,
        false => common,
    };
    limiter.check_key(&key).map_err(|denied| {
        let wait = denied.wait_time_from(SinceBoot.now());
        Error::Throttled {
            retry_after_seconds: u32::try_from(wait.as_secs())
                .unwrap_or(u32::MAX)
                .saturating_add(1),
        }
    })
}

/// By the clock of the limits.
fn seconds() -> u64 {
    SinceBoot.now().as_u64() / 1_000_000_000
}

/// One IPv4 address, or one IPv6 /64: what one customer of an access provider has.
pub(super) fn network(address: IpAddr) -> IpAddr {
    beginning(address, 32, 64)
}

/// An IPv4 /24 or an IPv6 /48: what one customer of a hoster may have.
fn subnet(address: IpAddr) -> IpAddr {
    beginning(address, 24, 48)
}

/// An IPv4 /16 or an IPv6 /32: what one provider may have.
fn wider(address: IpAddr) -> IpAddr {
    beginning(address, 16, 32)
}

/// The address with nothing but so many bits.
fn beginning(address: IpAddr, v4: u32, v6: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(it) => Ipv4Addr::from_bits(it.to_bits() & (u32::MAX << (32 - v4))).into(),
        IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits() & (u128::MAX << (128 - v6))).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(trusted_hops: usize) -> Sources {
        let limit = RateLimit {
            per_second: NonZeroU32::new(1).unwrap(),
            burst: NonZeroU32::new(3).unwrap(),
        };
        Sources::new(Some(limit), trusted_hops)
    }

    fn peer(text: &str) -> Option<SocketAddr> {
        Some(SocketAddr::new(text.parse().unwrap(), 1))
    }

    fn admit(sources: &Sources, from: &str, headers: &HeaderMap) -> Result<(), Error> {
        let from = sources.origin(peer(from).unwrap().ip(), headers);
        sources.count(network(from))
    }

    #[test]
    fn limits_go_by_a_clock_that_counts_what_was_slept() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split_whitespace().next().unwrap().parse().unwrap();
        let ours = SinceBoot.now().as_u64() as f64 / 1e9;
        assert!((ours - uptime).abs() < 5.0, "{ours} {uptime}");
    }

    #[test]
    fn a_source_that_asks_too_often_is_throttled_and_others_are_not() {
        let sources = limited(0);
        let none = HeaderMap::new();
        for _ in 0..3 {
            assert!(admit(&sources, "192.0.2.1", &none).is_ok());
        }
        let Err(Error::Throttled {
            retry_after_seconds,
        }) = admit(&sources, "192.0.2.1", &none)
        else {
            panic!("not throttled");
        };
        assert!((1..=2).contains(&retry_after_seconds));
        assert!(admit(&sources, "::ffff:192.0.2.1", &none).is_err());
        assert!(admit(&sources, "192.0.2.2", &none).is_ok());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let sources = limited(0);
        for n in 0..3 {
            let address = format!("2001:db8::{n}");
            assert!(admit(&sources, &address, &HeaderMap::new()).is_ok());
        }
        assert!(admit(&sources, "2001:db8::9", &HeaderMap::new()).is_err());
        assert!(admit(&sources, "2001:db8:0:1::9", &HeaderMap::new()).is_ok());
    }

    #[test]
    fn forwarded_addresses_count_only_as_far_as_our_own_proxies_say_so() {
        let mut headers = HeaderMap::new();
        headers.append(
            "x-forwarded-for",
            "203.0.113.7, 198.51.100.1".parse().unwrap(),
        );
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(limited(0).origin(proxy, &headers), proxy);
        let one: IpAddr = "198.51.100.1".parse().unwrap();
        assert_eq!(limited(1).origin(proxy, &headers), one);
        let two: IpAddr = "203.0.113.7".parse().unwrap();
        assert_eq!(limited(2).origin(proxy, &headers), two);
        assert_eq!(limited(3).origin(proxy, &headers), proxy);
    }

    #[test]
    fn where_a_request_comes_from_is_told_by_nobody_but_our_own_proxies() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "192.0.2.7".parse().unwrap());
        headers.append("x-forwarded-for", "198.51.100.1".parse().unwrap());
        headers.insert("forwarded", "for=192.0.2.7".parse().unwrap());
        headers.insert("x-real-ip", "192.0.2.7".parse().unwrap());
        let address = |hops, peer, headers: &HeaderMap| {
            let address = limited(hops).address(peer, headers);
            address.map(|address| address.to_string())
        };
        let proxy = peer("10.0.0.1");
        assert_eq!(address(0, proxy, &headers).as_deref(), Some("10.0.0.1"));
        assert_eq!(address(1, proxy, &headers).as_deref(), Some("198.51.100.1"));
        // Where our proxies should have said it and have not, nobody knows.
        assert_eq!(address(3, proxy, &headers), None);
        assert_eq!(address(1, proxy, &HeaderMap::new()), None);
        assert_eq!(address(0, None, &headers), None);
        let mapped = peer("::ffff:192.0.2.7");
        assert_eq!(address(0, mapped, &headers).as_deref(), Some("192.0.2.7"));
    }

    #[test]
    fn clients_behind_one_proxy_do_not_share_a_limit_whatever_it_writes() {
        for write in [
            |i: u8| format!("203.0.113.{i}:{}", 4000 + u16::from(i)),
            |i| format!("\"[2001:db8:{i}::1]:4711\""),
            |i| format!("198.51.100.1, 203.0.113.{i},"),
        ] {
            let sources = limited(1);
            for i in 0..20 {
                let mut headers = HeaderMap::new();
                headers.append("x-forwarded-for", write(i).parse().unwrap());
                assert!(admit(&sources, "10.0.0.1", &headers).is_ok(), "{headers:?}");
            }
        }
    }

    #[test]
    fn a_subnet_has_a_limit_of_its_own_and_the_next_one_too() {
        let sources = limited(0).with_subnets(RateLimit {
            per_second: NonZeroU32::new(1).unwrap(),
            burst: NonZeroU32::new(5).unwrap(),
        });
        for (network, other) in [("192.0.2.", "192.0.3.1"), ("2001:db8:0:", "2001:db8:1::1")] {
            let address = |i: u32| match network.contains(':') {
                true => format!("{network}{i}::1"),
                false => format!("{network}{i}"),
            };
            let admitted = (1..=20).filter(|i| {
                let source = super::network(address(*i).parse().unwrap());
                sources.count(source).is_ok()
            });
            assert_eq!(admitted.count(), 5, "{network}");
            assert!(
                sources
                    .count(super::network(other.parse().unwrap()))
                    .is_ok()
            );
        }
    }

    #[test]
    fn whoever_comes_from_everywhere_fills_no_memory_and_shuts_nobody_out_who_is_counted() {
        let sources = limited(0);
        let known = peer("192.0.2.1").unwrap().ip();
        assert!(sources.count(known).is_ok());
        let limiter = sources.limiter.as_ref().unwrap();
        for i in 0..2 * COUNTED as u128 {
            let source = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | (i << 64));
            let _ = one(Some(limiter), source.into(), subnet(source.into()));
        }
        assert!(limiter.len() <= COUNTED + 4, "{}", limiter.len());
        // Counted with its subnet now, which has asked nothing.
        assert!(sources.count(known).is_ok());
    }
}
