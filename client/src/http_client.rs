//! One request and its answer: bounded, without redirects, and never in the clear by accident.

use std::{fmt, fmt::Write, io, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use ureq::{
    Agent,
    config::Config,
    http::{HeaderMap, Response, StatusCode, Uri, header},
    tls::{RootCerts, TlsConfig},
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};
use zeroize::Zeroizing;

use crate::{Failure, FailureKind, printable, proxy, server_url::ServerUrl};

/// The longest answer that is read, in bytes; one of ours has less than 4000.
const MAX_ANSWER: usize = 64 * 1024;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Speaks JSON with one server.
pub struct HttpClient {
    url: ServerUrl,
    agent: Agent,
    /// The variable that names the proxy on the way, if there is one.
    proxy: Option<&'static str>,
}

#[derive(Deserialize)]
struct Problem {
    code: Option<String>,
    detail: Option<String>,
    title: Option<String>,
}

impl HttpClient {
    /// A client of this server. Plain http goes to loopback addresses alone, unless `insecure_http` says
    /// that every machine on the way is trusted.
    ///
    /// # Errors
    /// Bad input for plain http to elsewhere (code `insecure_http`), and for a proxy of the environment
    /// that cannot be used (code `bad_proxy`).
    pub fn new(url: ServerUrl, insecure_http: bool) -> Result<Self, Failure> {
        if !url.is_private() && !insecure_http {
            return Err(insecure(&url, "is plain http"));
        }
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ))
            .build();
        let named = proxy::of_environment(&url)?;
        let (variable, proxy) = named.map(|named| (named.variable, named.proxy)).unzip();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect would carry a token or a proof to where the user did not send it.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(tls)
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_global(Some(ANSWER_WITHIN))
            .user_agent(concat!("2fapi/", env!("CARGO_PKG_VERSION")))
            .proxy(proxy)
            .build();
        let agent = if url.is_secure() || insecure_http {
            config.into()
        } else {
            Agent::with_parts(config, DefaultConnector::default(), LoopbackOnly::default())
        };
        Ok(Self {
            url,
            agent,
            proxy: variable,
        })
    }

    /// Which server it speaks with.
    #[must_use]
    pub const fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// Posts JSON and reads the JSON of an answer in the 200s.
    ///
    /// # Errors
    /// As the server says or the way there fails.
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        bearer: Option<&str>,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.read(self.post_raw(path, bearer, body)?)
    }

    /// Gets with a bearer token and reads the JSON of an answer in the 200s.
    ///
    /// # Errors
    /// As the server says or the way there fails.
    pub fn get<T: DeserializeOwned>(&self, path: &str, bearer: &str) -> Result<T, Failure> {
        self.read(self.get_raw(path, Some(bearer))?)
    }

    /// Gets, and gives the answer as it came, whatever its status.
    ///
    /// # Errors
    /// As the server says or the way there fails.
    pub fn get_raw(&self, path: &str, bearer: Option<&str>) -> Result<Response<Vec<u8>>, Failure> {
        let mut request = self.agent.get(self.url.resource(path));
        if let Some(token) = bearer {
            request = request.header(header::AUTHORIZATION, authorization(token).as_str());
        }
        let response = request.call().map_err(|error| self.no_answer(&error))?;
        self.whole(response)
    }

    /// Posts JSON and gives the answer as it came, whatever its status.
    ///
    /// # Errors
    /// As the server says or the way there fails.
    pub fn post_raw(
        &self,
        path: &str,
        bearer: Option<&str>,
        body: &impl Serialize,
    ) -> Result<Response<Vec<u8>>, Failure> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Failure::unavailable(format!("cannot write JSON: {error}")))?;
        let mut request = self
            .agent
            .post(self.url.resource(path))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = bearer {
            request = request.header(header::AUTHORIZATION, authorization(token).as_str());
        }
        let response = request
            .send(&body)
            .map_err(|error| self.no_answer(&error))?;
        self.whole(response)
    }

    fn whole(&self, response: Response<ureq::Body>) -> Result<Response<Vec<u8>>, Failure> {
        let (parts, mut body) = response.into_parts();
        let body = body
            .with_config()
            .limit(MAX_ANSWER as u64)
            .read_to_vec()
            .map_err(|error| self.no_answer(&error))?;
        Ok(Response::from_parts(parts, body))
    }

    fn read<T: DeserializeOwned>(&self, response: Response<Vec<u8>>) -> Result<T, Failure> {
        let status = response.status();
        if status.is_success() {
            // The answer may hold a token, so the error does not quote it.
            return serde_json::from_slice(response.body())
                .map_err(|_| self.bad_answer("it is not the JSON that belongs there"));
        }
        Err(self.refusal(status, response.headers(), response.body()))
    }

    /// What an answer outside the 200s means for the user.
    fn refusal(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
        let url = &self.url;
        if status.is_redirection() {
            let location = headers
                .get(header::LOCATION)
                .and_then(|value| value.to_str().ok())
                .map(printable)
                .unwrap_or_default();
            return Failure::new(
                FailureKind::Unavailable,
                "redirected",
                format!(
                    "{url} redirects to {location}, which is not followed; if that is the server \
                     you mean, give it as --server"
                ),
            );
        }
        let problem: Option<Problem> = serde_json::from_slice(body).ok();
        let Some(Problem {
            code: Some(code),
            detail,
            title,
        }) = problem
        else {
            let hint = match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    return Failure::denied(format!("{url} answered {status}"));
                }
                StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                    "; is the 2FApi service somewhere else (--server URL with its path)?"
                }
                _ => "",
            };
            return Failure::unavailable(format!("{url} answered {status}{hint}"));
        };
        let code = printable(&code);
        let mut message = printable(&detail.or(title).unwrap_or_default());
        if message.is_empty() {
            message = format!("{url} answered {status}");
        }
        let kind = match status.as_u16() {
            401 | 403 => FailureKind::Denied,
            429 => FailureKind::Unavailable,
            400..=499 => FailureKind::BadInput,
            _ => FailureKind::Unavailable,
        };
        if status == StatusCode::TOO_MANY_REQUESTS {
            let seconds: Option<u32> = headers
                .get(header::RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.parse().ok());
            if let Some(seconds) = seconds {
                message = format!("{url} has too many attempts for now; try again in {seconds} s");
            }
        }
        Failure::new(kind, code, message)
    }

    /// The server does not keep to the protocol.
    #[must_use]
    pub fn bad_answer(&self, problem: &str) -> Failure {
        Failure::new(
            FailureKind::Unavailable,
            "bad_answer",
            format!(
                "{} did not answer as a 2FApi server does: {problem}",
                self.url
            ),
        )
    }

    fn no_answer(&self, error: &ureq::Error) -> Failure {
        let failure = self.without_answer(error);
        match self.proxy {
            Some(variable) => failure.with_hint(&format!("the way goes through {variable}")),
            None => failure,
        }
    }

    fn without_answer(&self, error: &ureq::Error) -> Failure {
        let url = &self.url;
        match error {
            ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => {
                self.bad_answer(&format!("it is longer than {MAX_ANSWER} bytes"))
            }
            ureq::Error::Timeout(_) => {
                Failure::unavailable(format!("{url} did not answer in time"))
            }
            ureq::Error::Io(error) if error.get_ref().is_some_and(|e| e.is::<NotLoopback>()) => {
                insecure(url, &format!("is plain http, and {error}"))
            }
            ureq::Error::HostNotFound => Failure::unavailable(format!(
                "the host of {url} is not known; is the name right?"
            )),
            ureq::Error::Rustls(error) => Failure::unavailable(format!(
                "no TLS connection with {url}: {error}. Certificates are checked against those of \
                 this system; SSL_CERT_FILE names others"
            )),
            error => Failure::unavailable(format!("no answer from {url}: {error}")),
        }
    }
}

fn insecure(url: &ServerUrl, why: &str) -> Failure {
    Failure::new(
        FailureKind::BadInput,
        "insecure_http",
        format!(
            "{url} {why}: everyone on the way would see your tokens. Use https://; or, where you \
             trust every machine on the way, --insecure-http"
        ),
    )
}

/// Resolves names to loopback addresses, and no name that stands for any other: what is resolved here
/// is what is connected to.
#[derive(Debug, Default)]
struct LoopbackOnly(DefaultResolver);

impl Resolver for LoopbackOnly {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = self.0.resolve(uri, config, timeout)?;
        if addresses
            .iter()
            .all(|address| address.ip().to_canonical().is_loopback())
        {
            return Ok(addresses);
        }
        Err(ureq::Error::Io(io::Error::other(NotLoopback)))
    }
}

#[derive(Debug)]
struct NotLoopback;

impl fmt::Display for NotLoopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its name stands for an address of another machine")
    }
}

impl std::error::Error for NotLoopback {}

fn authorization(token: &str) -> Zeroizing<String> {
    let mut value = Zeroizing::new(String::with_capacity("Bearer ".len() + token.len()));
    // Writing to a String does not fail.
    let _ = write!(value, "Bearer {token}");
    value
}
