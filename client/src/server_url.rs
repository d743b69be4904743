//! The server's URL as the user gives it, and the origin that is its audience. Both are read as browsers
//! read them, so that a page and a program prove to one and the same audience.

use std::fmt;

use url::{Host, ParseError, Url};

const NO_PORT: &str = "the port must be a number from 1 to 65535";

/// An `https` or `http` URL without user, query or fragment; a path is where the service is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// Scheme, host and port, as RFC 6454 serializes an origin.
    origin: String,
    host: String,
    port: u16,
    /// The path without a `/` at its end.
    path: String,
    secure: bool,
    loopback: bool,
}

impl ServerUrl {
    /// Parses and normalizes: scheme and host in lower case, no default port.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the URL is empty; it must begin with https://".into());
        }
        if let Some(character) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(format!(
                "{character:?} has no place in a URL (a host name that is not ASCII is written \
                 xn--...)"
            ));
        }
        if text.contains(['?', '#', '@']) {
            return Err("give the URL without user, query and fragment".into());
        }
        let scheme = ["https://", "http://"].into_iter().find(|scheme| {
            let start = text.get(..scheme.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        });
        // Browsers forgive more, such as https:example.com or a \; here that is a slip of the keyboard.
        let Some(scheme) = scheme else {
            return Err("the URL must begin with https:// (or http:// for loopback)".into());
        };
        let rest = &text[scheme.len()..];
        if rest.contains('\\') {
            return Err("a URL is written with / and without \\".into());
        }
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.is_empty() {
            return Err("the URL has no host".into());
        }
        let url = Url::parse(text).map_err(|error| match error {
            ParseError::InvalidPort => NO_PORT.to_owned(),
            error => error.to_string(),
        })?;
        if authority.ends_with(':') || url.port() == Some(0) {
            return Err(NO_PORT.into());
        }
        let loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => return Err("the URL has no host".into()),
        };
        Ok(Self {
            origin: url.origin().ascii_serialization(),
            host: url.host_str().unwrap_or_default().into(),
            port: url.port_or_known_default().unwrap_or_default(),
            path: url.path().trim_end_matches('/').into(),
            secure: url.scheme() == "https",
            loopback,
        })
    }

    /// `https://api.example.com:8443`, without a path.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The URL of a resource of the service; `path` begins with `/`.
    #[must_use]
    pub fn resource(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin, self.path)
    }

    /// The host as it stands in the origin.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, said or not.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether it is called by a loopback address or by a name that is to stand for one: `localhost`
    /// and names below it (RFC 6761). What such a name stands for is looked at when it is resolved.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether nobody on the way can read what is sent, if only loopback addresses are connected to
    /// for want of TLS.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.secure || self.loopback
    }
}

/// An origin exactly as clients compute it from a URL (RFC 6454): what is compared with it byte by byte
/// must not be written in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(ServerUrl);

impl Origin {
    /// Parses.
    ///
    /// # Errors
    /// What would be right, where an origin is meant and written otherwise.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = ServerUrl::parse(text).map_err(|error| {
            let meant = ServerUrl::parse(&format!("https://{text}"))
                .map(|url| format!("; is {} meant?", url.origin()))
                .unwrap_or_default();
            format!("{error}; an origin is such as https://api.example.com{meant}")
        })?;
        if url.origin() != text {
            return Err(format!(
                "an origin is scheme, host and port, as clients write them: here {}",
                url.origin()
            ));
        }
        Ok(Self(url))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.origin()
    }

    /// Whether it can be the origin of something behind a proxy that does TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.0.is_secure()
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_origin_is_normalized() {
        for (text, origin) in [
            ("https://api.example.com", "https://api.example.com"),
            ("https://API.Example.com:443/", "https://api.example.com"),
            (
                "HTTPS://api.example.com:8443/x/y/",
                "https://api.example.com:8443",
            ),
            ("http://localhost:80", "http://localhost"),
            ("http://127.0.0.1:7250", "http://127.0.0.1:7250"),
            ("http://[0:0::1]:7250", "http://[::1]:7250"),
            ("http://127.1:7250/a/../b", "http://127.0.0.1:7250"),
            ("http://0x7f000001", "http://127.0.0.1"),
        ] {
            assert_eq!(ServerUrl::parse(text).unwrap().origin(), origin, "{text}");
        }
    }

    #[test]
    fn addresses_have_the_origins_of_the_vectors() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../spec/vectors/binding-v1.json")).unwrap();
        let origins = file["origins"].as_array().unwrap();
        assert!(origins.len() > 10);
        for case in origins {
            let address = case["address"].as_str().unwrap();
            let origin = ServerUrl::parse(address).map(|url| url.origin().to_owned());
            assert_eq!(
                origin.as_deref().ok(),
                case["audience"].as_str(),
                "{address}"
            );
        }
        for case in file["no_origins"].as_array().unwrap() {
            let address = case["address"].as_str().unwrap();
            assert!(ServerUrl::parse(address).is_err(), "{address}");
        }
    }

    #[test]
    fn an_origin_is_written_in_one_way_only() {
        for text in [
            "https://api.example.com",
            "http://127.0.0.1:7250",
            "http://[::1]",
            "https://xn--exmple-cua.com:8443",
        ] {
            let written = Origin::parse(text).map(|origin| origin.as_str().to_owned());
            assert_eq!(written, Ok(text.to_owned()));
        }
        for (text, right) in [
            ("https://api.example.com/", "here https://api.example.com"),
            (
                "https://api.example.com/auth",
                "here https://api.example.com",
            ),
            (
                "https://api.example.com:443",
                "here https://api.example.com",
            ),
            ("http://127.0.0.1:80", "here http://127.0.0.1"),
            ("https://API.example.com", "here https://api.example.com"),
            ("HTTPS://api.example.com", "here https://api.example.com"),
            ("http://[0:0::1]:7250", "here http://[::1]:7250"),
            ("api.example.com", "is https://api.example.com meant?"),
            (
                "api.example.com:8443/x",
                "is https://api.example.com:8443 meant?",
            ),
            ("my service", "such as https://api.example.com"),
            ("null", "such as https://api.example.com"),
            ("*", "such as https://api.example.com"),
            ("https://u@api.example.com", "without user"),
        ] {
            let error = Origin::parse(text).unwrap_err();
            assert!(error.contains(right), "{text}: {error}");
        }
    }

    #[test]
    fn a_path_is_where_the_service_is_mounted() {
        let url = ServerUrl::parse("https://example.com/api/").unwrap();
        assert_eq!(url.resource("/healthz"), "https://example.com/api/healthz");
        let url = ServerUrl::parse("https://example.com").unwrap();
        assert_eq!(url.resource("/healthz"), "https://example.com/healthz");
    }

    #[test]
    fn what_is_no_server_is_refused_with_what_would_be_right() {
        for (text, problem) in [
            ("", "empty"),
            ("example.com", "begin with https://"),
            ("/auth", "begin with https://"),
            ("ftp://example.com", "begin with https://"),
            ("https://u:p@example.com", "without user"),
            ("https://example.com?x", "without user"),
            ("https://example.com#x", "without user"),
            ("https://exämple.com", "xn--"),
            ("https://exa mple.com", "has no place"),
            ("https://example.com:0", "1 to 65535"),
            ("https://example.com:99999", "1 to 65535"),
            ("https://[::1]:99999", "1 to 65535"),
            ("https://example.com:", "1 to 65535"),
            ("https://", "no host"),
            ("https:///x", "no host"),
            ("https://:8443", ""),
            ("https:example.com", "begin with https://"),
            ("https:\\\\example.com", "begin with https://"),
            ("https://example.com\\@evil.example", "without user"),
            ("https://example.com\\evil", "without \\"),
            ("https://1.2.3.256", "IPv4"),
            ("https://[::1", "IPv6"),
            ("https://a^b", ""),
        ] {
            let error = ServerUrl::parse(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn only_loopback_and_https_are_private() {
        for (text, private) in [
            ("https://example.com", true),
            ("http://127.8.9.1", true),
            ("http://[::1]", true),
            ("http://localhost:1", true),
            ("http://a.localhost", true),
            ("http://example.com", false),
            ("http://10.0.0.1", false),
            ("http://localhost.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://0.0.0.0", false),
        ] {
            assert_eq!(
                ServerUrl::parse(text).unwrap().is_private(),
                private,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "(https?://)?\\PC{0,40}") {
            if let Ok(url) = ServerUrl::parse(&text) {
                // What was normalized once stays as it is.
                let again = ServerUrl::parse(url.origin()).unwrap();
                prop_assert_eq!(again.origin(), url.origin());
            }
        }
    }
}
