//! The proxy that the environment names for a server, read as curl reads it; one that cannot be used
//! ends the command, for whoever set it does not want to go another way.

use ureq::Proxy;

use crate::{Failure, FailureKind, environment, server_url::ServerUrl};

/// A proxy and the variable that names it; the value may hold a password and is not shown.
#[derive(Debug)]
pub(super) struct NamedProxy {
    pub(super) variable: &'static str,
    pub(super) proxy: Proxy,
}

/// The proxy for this server, if there is to be one. Nothing on this machine is asked by way of
/// another.
pub(super) fn of_environment(url: &ServerUrl) -> Result<Option<NamedProxy>, Failure> {
    // What is not text is no URL, which is found out where it is read as one.
    choose(url, |name| {
        environment::value(name).map(|value| value.to_string_lossy().into_owned())
    })
}

fn choose(
    url: &ServerUrl,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<NamedProxy>, Failure> {
    let except = || variable("no_proxy").or_else(|| variable("NO_PROXY"));
    if url.is_loopback() || except().is_some_and(|hosts| is_among(url, &hosts)) {
        return Ok(None);
    }
    let names = if url.is_secure() {
        ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else {
        ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    };
    let named = names
        .into_iter()
        .find_map(|name| variable(name).map(|value| (name, value)));
    let Some((variable, value)) = named else {
        return Ok(None);
    };
    let proxy = Proxy::new(&value).map_err(|_| {
        Failure::new(
            FailureKind::BadInput,
            "bad_proxy",
            format!(
                "{variable} names no proxy that 2fapi can use: it is to be http://HOST:PORT or \
                 https://, socks4://, socks4a://, socks5:// or socks5h://HOST:PORT; or name the \
                 server's host in NO_PROXY"
            ),
        )
    })?;
    Ok(Some(NamedProxy { variable, proxy }))
}

/// Whether the host is one of a list: itself, below a domain that is listed, or `*` for every one.
fn is_among(url: &ServerUrl, hosts: &str) -> bool {
    let with_port = format!("{}:{}", url.host(), url.port());
    hosts
        .split([',', ' '])
        .map(|entry| entry.trim().to_ascii_lowercase())
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            let entry = entry.trim_start_matches("*.").trim_start_matches('.');
            entry == "*"
                || [url.host(), &with_port].into_iter().any(|host| {
                    host.strip_suffix(entry)
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(url: &str, environment: &[(&str, &str)]) -> Result<Option<NamedProxy>, Failure> {
        choose(&ServerUrl::parse(url).unwrap(), |name| {
            let mut values = environment.iter().filter(|(known, _)| *known == name);
            values.next().map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_proxy_is_the_one_for_the_scheme_or_the_one_for_all() {
        let all = [
            ("ALL_PROXY", "socks5://127.0.0.1:1080"),
            ("HTTPS_PROXY", "http://p.example:1"),
            ("HTTP_PROXY", "p.example:2"),
        ];
        for (url, environment, variable) in [
            ("https://a.example", &all[..], "HTTPS_PROXY"),
            ("http://a.example", &all, "HTTP_PROXY"),
            ("http://a.example", &all[..1], "ALL_PROXY"),
            ("https://a.example", &all[..1], "ALL_PROXY"),
        ] {
            let chosen = chosen(url, environment).unwrap().unwrap();
            assert_eq!(chosen.variable, variable);
        }
        assert!(chosen("https://a.example", &all[2..]).unwrap().is_none());
        assert!(chosen("http://localhost:1", &all).unwrap().is_none());
        assert!(chosen("http://127.0.0.1:1", &all).unwrap().is_none());
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_refused_and_its_password_not_shown() {
        for value in [
            "ftp://user:hunter2@p.example",
            "socks9://p",
            "http://",
            "::",
        ] {
            let failure = chosen("https://a.example", &[("HTTPS_PROXY", value)]).unwrap_err();
            assert_eq!(failure.code(), "bad_proxy", "{value}");
            assert!(!failure.to_string().contains("hunter2"));
        }
        for scheme in ["http", "https", "socks4", "socks4a", "socks5", "socks5h"] {
            let value = format!("{scheme}://user:hunter2@p.example:1");
            let proxy = chosen("https://a.example", &[("https_proxy", &value)]);
            assert!(proxy.unwrap().is_some(), "{scheme}");
        }
    }

    #[test]
    fn hosts_that_are_excepted_are_asked_directly() {
        let url = "https://api.example.com:8443";
        for (list, direct) in [
            ("*", true),
            ("api.example.com", true),
            ("example.com", true),
            (".example.com", true),
            ("*.example.com", true),
            ("other.example, EXAMPLE.com", true),
            ("api.example.com:8443", true),
            ("api.example.com:443", false),
            ("ample.com", false),
            ("", false),
            (",", false),
            ("api", false),
        ] {
            let environment = [("https_proxy", "http://p"), ("NO_PROXY", list)];
            let chosen = chosen(url, &environment).unwrap();
            assert_eq!(chosen.is_none(), direct, "{list}");
        }
    }
}
