//! Throttling by rate and by source: never by client, so that nobody can lock a client out.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use axum::http::HeaderMap;
use governor::{
    Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos,
    state::keyed::DashMapStateStore,
};
use rustix::time::{ClockId, clock_gettime};
use twofapi_crypto_core::Error;

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
    trusted_hops: usize,
    since_cleaning: AtomicU32,
    /// Whether the operator was told that a forwarded address is not there.
    told: AtomicBool,
}

/// How many requests go by between two cleanings, which also bounds the memory of the limiter.
const CLEAN_EVERY: u32 = 10_000;

impl Sources {
    /// `limit` is `None` for no throttling. `trusted_hops` says how many proxies of ours stand before
    /// the server and add to `X-Forwarded-For`; none is 0, and the field is then ignored.
    #[must_use]
    pub fn new(limit: Option<RateLimit>, trusted_hops: usize) -> Self {
        Self {
            limiter: limit.map(|limit| {
                let quota = Quota::per_second(limit.per_second).allow_burst(limit.burst);
                RateLimiter::dashmap_with_clock(quota, SinceBoot)
            }),
            trusted_hops,
            since_cleaning: AtomicU32::new(0),
            told: AtomicBool::new(false),
        }
    }

    /// Counts one request of this source. Without a peer address (a host application that does not
    /// hand it on) nothing is counted.
    pub(super) fn admit(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Result<(), Error> {
        let (Some(limiter), Some(peer)) = (&self.limiter, peer) else {
            return Ok(());
        };
        if self.since_cleaning.fetch_add(1, Ordering::Relaxed) >= CLEAN_EVERY {
            self.since_cleaning.store(0, Ordering::Relaxed);
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        let source = network(self.origin(peer.ip(), headers));
        limiter.check_key(&source).map_err(|denied| {
            let wait = denied.wait_time_from(SinceBoot.now());
            Error::Throttled {
                retry_after_seconds: u32::try_from(wait.as_secs())
                    .unwrap_or(u32::MAX)
                    .saturating_add(1),
            }
        })
    }

    /// Where a request comes from, as far as our own connections and proxies tell: none where they do not, and
    /// never what the client says itself. By it a client is let in that has allowed sources.
    #[must_use]
    pub fn address(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let address = match self.trusted_hops.checked_sub(1) {
            None => peer.map(|peer| peer.ip()),
            Some(skip) => Self::forwarded(skip, headers),
        };
        address.map(|address| address.to_canonical())
    }

    /// The address that the outermost proxy of ours saw.
    fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let Some(skip) = self.trusted_hops.checked_sub(1) else {
            return peer;
        };
        let origin = Self::forwarded(skip, headers);
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

    fn forwarded(skip: usize, headers: &HeaderMap) -> Option<IpAddr> {
        headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|element| !element.is_empty())
            .rev()
            .nth(skip)
            .and_then(forwarded)
    }
}

/// An address as proxies write it: alone, with a port, in brackets, in quotes, or with a zone.
fn forwarded(text: &str) -> Option<IpAddr> {
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        // IPv6 without brackets has no port.
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, &text[host.len()..]),
            _ => (text, ""),
        },
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return None;
    }
    let (host, _zone) = host.split_once('%').unwrap_or((host, ""));
    host.parse().ok()
}

/// One IPv4 address, or one IPv6 /64: what one customer of an access provider has.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
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
            assert!(sources.admit(peer("192.0.2.1"), &none).is_ok());
        }
        let Err(Error::Throttled {
            retry_after_seconds,
        }) = sources.admit(peer("192.0.2.1"), &none)
        else {
            panic!("not throttled");
        };
        assert!((1..=2).contains(&retry_after_seconds));
        assert!(sources.admit(peer("::ffff:192.0.2.1"), &none).is_err());
        assert!(sources.admit(peer("192.0.2.2"), &none).is_ok());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let sources = limited(0);
        for n in 0..3 {
            let address = format!("2001:db8::{n}");
            assert!(sources.admit(peer(&address), &HeaderMap::new()).is_ok());
        }
        assert!(
            sources
                .admit(peer("2001:db8::9"), &HeaderMap::new())
                .is_err()
        );
        assert!(
            sources
                .admit(peer("2001:db8:0:1::9"), &HeaderMap::new())
                .is_ok()
        );
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
    fn a_forwarded_address_is_read_however_a_proxy_writes_it() {
        let v4 = "203.0.113.7";
        let v6 = "2001:db8::7";
        for (text, address) in [
            ("203.0.113.7", v4),
            ("203.0.113.7:4711", v4),
            ("\"203.0.113.7\"", v4),
            ("\"203.0.113.7:4711\"", v4),
            ("[203.0.113.7]:1", v4),
            ("2001:db8::7", v6),
            ("[2001:db8::7]", v6),
            ("[2001:db8::7]:4711", v6),
            ("\"[2001:db8::7]:4711\"", v6),
            ("2001:db8::7%eth0", v6),
            ("[2001:db8::7%eth0]:1", v6),
        ] {
            assert_eq!(forwarded(text), address.parse().ok(), "{text}");
        }
        for text in [
            "unknown",
            "_hidden",
            "",
            "\"",
            "\"\"",
            "[",
            "[]",
            "[::1",
            "203.0.113.7:",
            ":1",
            "203.0.113.7:x",
            "[::1]x",
            "[::1]:",
            "203.0.113",
            "example.com:1",
            "203.0.113.7 ",
        ] {
            assert_eq!(forwarded(text), None, "{text}");
        }
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
                assert!(
                    sources.admit(peer("10.0.0.1"), &headers).is_ok(),
                    "{headers:?}"
                );
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_forwarded_text_never_panics(text in "\\PC{0,60}") {
            let _ = forwarded(&text);
        }
    }
}
