//! Proxies that are trusted, and what they say of whom a request is from.

use std::{net::IpAddr, str::FromStr};

use axum::http::HeaderMap;
use twofapi_crypto_core::{Error, Source};

/// The field in which a proxy says whom it speaks for. It is one: of the other, which the proxy hands on
/// as it came, anybody can say anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedBy {
    /// `X-Forwarded-For`, a list of addresses.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl FromStr for ForwardedBy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err("say x-forwarded-for or forwarded"),
        }
    }
}

/// The proxies of an operator, by their addresses.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    networks: Vec<Source>,
    by: ForwardedBy,
}

impl Proxies {
    /// Those with these addresses (`10.0.0.0/8`, `2001:db8::1`), who say it in this field. What comes
    /// through a Unix socket comes from 127.0.0.1.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`].
    pub fn new<'a>(
        networks: impl IntoIterator<Item = &'a str>,
        by: ForwardedBy,
    ) -> Result<Self, Error> {
        let networks = networks.into_iter().map(str::parse);
        Ok(Self {
            networks: networks.collect::<Result<_, _>>()?,
            by,
        })
    }

    pub(super) fn trust(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(address))
    }

    /// Whom a request is from, if that is none of the proxies.
    pub(super) fn address(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let origin = self.origin(peer, headers);
        (!self.trust(origin)).then_some(origin)
    }

    /// Whom a request is from: the nearest address that is none of the proxies'. Where a proxy does not say
    /// it, or hides it, that proxy.
    pub(super) fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer;
        if !self.trust(peer) {
            return peer;
        }
        let said = match self.by {
            ForwardedBy::XForwardedFor => forwarded_for(headers, "x-forwarded-for"),
            ForwardedBy::Forwarded => forwarded(headers),
        };
        for node in said {
            let Some(address) = node else {
                break;
            };
            nearest = address.to_canonical();
            if !self.trust(nearest) {
                break;
            }
        }
        nearest
    }
}

/// What a list of addresses says, the nearest first.
pub(super) fn forwarded_for(headers: &HeaderMap, name: &str) -> Vec<Option<IpAddr>> {
    lines(headers, name)
        .flat_map(|line| line.rsplit(',').map(str::trim).collect::<Vec<_>>())
        .filter(|element| !element.is_empty())
        .map(node)
        .collect()
}

/// What `Forwarded` says, the nearest first. It is read from its end, which our proxy wrote: a quote that
/// somebody opened before that and did not close takes nothing in.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    lines(headers, "forwarded")
        .flat_map(|line| elements_from_the_end(line, ','))
        .map(str::trim)
        .filter(|element| !element.is_empty())
        .map(|element| {
            let mut named = elements_from_the_end(element, ';').filter_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim()
                    .eq_ignore_ascii_case("for")
                    .then(|| value.trim())
            });
            match (named.next(), named.next()) {
                (Some(value), None) => node(value),
                _ => None,
            }
        })
        .collect()
}

/// The lines of a field, the last first; one that is not text says nothing.
fn lines<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).iter().rev();
    lines.map(|value| value.to_str().unwrap_or("unknown"))
}

/// What is between separators that are in no quotes, the last first.
fn elements_from_the_end(line: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let mut is_quoted = false;
        let cut = line.char_indices().rev().find(|(_, char)| {
            is_quoted ^= *char == '"';
            *char == separator && !is_quoted
        });
        match cut {
            Some((at, _)) => {
                rest = Some(&line[..at]);
                Some(&line[at + separator.len_utf8()..])
            }
            None => rest.take(),
        }
    })
}

/// An address as proxies write it: alone, with a port, in brackets, in quotes, or with a zone. `unknown`
/// and names that hide one (`_gateway`) are none.
pub(super) fn node(text: &str) -> Option<IpAddr> {
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
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A port may be hidden too (RFC 7239, section 6).
    let is_port = |port: &str| is_digits(port) || (port.starts_with('_') && port.len() > 1);
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return None;
    }
    let (host, _zone) = host.split_once('%').unwrap_or((host, ""));
    host.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &'static str, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn an_address_that_is_hidden_is_not_known() {
        let proxies = Proxies::new(["10.0.0.0/8"], ForwardedBy::default()).unwrap();
        let address = |peer: &str, line| {
            let headers = said("x-forwarded-for", &[line]);
            let address = proxies.address(peer.parse().unwrap(), &headers);
            address.map(|address| address.to_string())
        };
        assert_eq!(
            address("10.0.0.1", "203.0.113.7").as_deref(),
            Some("203.0.113.7")
        );
        assert_eq!(
            address("203.0.113.9", "203.0.113.7").as_deref(),
            Some("203.0.113.9")
        );
        assert_eq!(address("10.0.0.1", "unknown"), None);
        assert_eq!(address("10.0.0.1", "198.51.100.1, unknown"), None);
    }

    fn origin(by: ForwardedBy, peer: &str, headers: &HeaderMap) -> String {
        let proxies = Proxies::new(["10.0.0.0/8", "2001:db8:ffff::/48", "127.0.0.1"], by).unwrap();
        proxies.origin(peer.parse().unwrap(), headers).to_string()
    }

    #[test]
    fn x_forwarded_for_is_gone_by_as_far_as_our_own_proxies_wrote_it() {
        use ForwardedBy::XForwardedFor as By;
        for (peer, lines, from) in [
            // Nobody's proxy: what it says counts for nothing.
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("::ffff:10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            // Through two of ours, in one line or in several; what stands before was forged.
            (
                "10.0.0.1",
                &["198.51.100.1, 203.0.113.7, 10.0.0.2"],
                "203.0.113.7",
            ),
            (
                "10.0.0.1",
                &["198.51.100.1", "203.0.113.7", "10.0.0.2"],
                "203.0.113.7",
            ),
            (
                "10.0.0.1",
                &["198.51.100.1,203.0.113.7:4711,"],
                "203.0.113.7",
            ),
            ("10.0.0.1", &["10.0.0.5, 203.0.113.7"], "203.0.113.7"),
            ("2001:db8:ffff::1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("127.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7"),
            // What is hidden counts as the proxy that hides it, and nothing is looked for behind it.
            ("10.0.0.1", &["203.0.113.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7, _secret, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            let headers = said("x-forwarded-for", lines);
            assert_eq!(origin(By, peer, &headers), from, "{peer} {lines:?}");
        }
        let other = said("forwarded", &["for=198.51.100.1"]);
        assert_eq!(origin(By, "10.0.0.1", &other), "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_from_its_end() {
        use ForwardedBy::Forwarded as By;
        for (lines, from) in [
            (&["for=203.0.113.7"][..], "203.0.113.7"),
            (&["For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
            (&["for=203.0.113.7;proto=https;by=10.0.0.1"], "203.0.113.7"),
            (&["proto=https ; for = \"203.0.113.7:_x\""], "203.0.113.7"),
            (
                &["for=198.51.100.1, for=203.0.113.7, for=10.0.0.2"],
                "203.0.113.7",
            ),
            (&["for=198.51.100.1", "for=203.0.113.7"], "203.0.113.7"),
            // A quote that a stranger opened takes in nothing of what our proxy adds.
            (&["for=\"198.51.100.1, for=203.0.113.7"], "203.0.113.7"),
            (&["for=\"x, for=\"[2001:db8::7]\""], "2001:db8::7"),
            (
                &["for=198.51.100.1;by=\"a,b\", for=203.0.113.7"],
                "203.0.113.7",
            ),
            (&["for=unknown"], "10.0.0.1"),
            (&["for=_mystery"], "10.0.0.1"),
            (&["for=198.51.100.1, proto=https"], "10.0.0.1"),
            (&["for=198.51.100.1;for=203.0.113.7"], "10.0.0.1"),
            (&["203.0.113.7"], "10.0.0.1"),
        ] {
            let headers = said("forwarded", lines);
            assert_eq!(origin(By, "10.0.0.1", &headers), from, "{lines:?}");
        }
        let other = said("x-forwarded-for", &["198.51.100.1"]);
        assert_eq!(origin(By, "10.0.0.1", &other), "10.0.0.1");
    }

    #[test]
    fn an_address_is_read_however_a_proxy_writes_it() {
        let v4 = "203.0.113.7";
        let v6 = "2001:db8::7";
        for (text, address) in [
            ("203.0.113.7", v4),
            ("203.0.113.7:4711", v4),
            ("\"203.0.113.7\"", v4),
            ("\"203.0.113.7:4711\"", v4),
            ("[203.0.113.7]:1", v4),
            ("203.0.113.7:_port", v4),
            ("2001:db8::7", v6),
            ("[2001:db8::7]", v6),
            ("[2001:db8::7]:4711", v6),
            ("\"[2001:db8::7]:4711\"", v6),
            ("2001:db8::7%eth0", v6),
            ("[2001:db8::7%eth0]:1", v6),
        ] {
            assert_eq!(node(text), address.parse().ok(), "{text}");
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
            "203.0.113.7:_",
            ":1",
            "203.0.113.7:x",
            "[::1]x",
            "[::1]:",
            "203.0.113",
            "example.com:1",
            "203.0.113.7 ",
        ] {
            assert_eq!(node(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_strangers_write_before_our_proxy_never_counts(text in "[ -~]{0,60}") {
            for (by, name, adds) in [
                (ForwardedBy::XForwardedFor, "x-forwarded-for", "203.0.113.7"),
                (ForwardedBy::Forwarded, "forwarded", "for=203.0.113.7"),
            ] {
                for headers in [
                    said(name, &[&format!("{text}, {adds}")]),
                    said(name, &[&text, adds]),
                ] {
                    proptest::prop_assert_eq!(origin(by, "10.0.0.1", &headers), "203.0.113.7");
                }
            }
        }
    }
}
