//! What a request must be before anybody looks at what it asks, and when it has to be the last one of
//! its connection.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    Router,
    body::{Body as Contents, Bytes},
    http::{HeaderMap, HeaderValue, Request, Response, Uri, Version, header, uri::Authority},
};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    service::Service,
};
use hyper_util::service::TowerToHyperService;

use super::stage::Stage;
use crate::http::problem::Problem;

/// Refuses what RFC 9112 lets nobody accept: HTTP/1.1 without exactly one good Host (section 3.2), and
/// another transfer coding than `chunked` (section 6.1), which this server does not undo and a proxy
/// before it may read in another way. In HTTP/2 the target names the host, and a Host field says the same
/// (RFC 9113, section 8.3.1).
pub(crate) fn check(headers: &HeaderMap, version: Version, target: &Uri) -> Result<(), Problem> {
    let mut hosts = headers.get_all(header::HOST).iter();
    if version == Version::HTTP_2 {
        let named = target.authority().map(Authority::as_str);
        return match (named, hosts.next(), hosts.next()) {
            (Some(named), None, None) if !named.contains('@') => Ok(()),
            (Some(named), Some(host), None)
                if named.as_bytes().eq_ignore_ascii_case(host.as_bytes()) && is_host(host) =>
            {
                Ok(())
            }
            _ => Err(Problem::malformed(
                "send exactly one :authority, and no other Host",
            )),
        };
    }
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if !is_host(host) => {
            return Err(Problem::malformed("the Host field is not a host"));
        }
        (Some(_), None) => {}
        (None, _) if version < Version::HTTP_11 => {}
        _ => return Err(Problem::malformed("send exactly one Host field")),
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Problem::malformed(
            "the only Transfer-Encoding that this server takes is chunked, once",
        )),
    }
}

/// Empty is what a client sends whose target has no host.
fn is_host(value: &HeaderValue) -> bool {
    value.is_empty()
        || Authority::try_from(value.as_bytes())
            .is_ok_and(|authority| !authority.as_str().contains('@'))
}

/// The application behind one connection.
pub(super) struct FramedService {
    app: TowerToHyperService<Router>,
    stage: Arc<Stage>,
}

impl FramedService {
    pub(super) fn new(app: Router, stage: Arc<Stage>) -> Self {
        Self {
            app: TowerToHyperService::new(app),
            stage,
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Contents>, Infallible>> + Send>>;

impl Service<Request<Incoming>> for FramedService {
    type Response = Response<Contents>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        self.stage.begins();
        let read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
        // Whoever sent a length as well may have meant another end than this server saw.
        let doubtful = request.headers().contains_key(header::TRANSFER_ENCODING)
            || check(request.headers(), request.version(), request.uri()).is_err();
        // A stream of HTTP/2 ends by itself, and takes no other with it.
        let is_alone = request.version() == Version::HTTP_2;
        let request = request.map(|body| Tracked {
            body,
            read: read.clone(),
        });
        let answer = self.app.call(request);
        // Ends also when the stream is reset, and this future dropped.
        let being_answered = BeingAnswered(self.stage.clone());
        Box::pin(async move {
            let being_answered = being_answered;
            let mut answer = answer.await?;
            // What is left of a body would be taken for the next request.
            if !is_alone && (doubtful || !read.load(Ordering::Acquire)) {
                answer
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            drop(being_answered);
            Ok(answer)
        })
    }
}

struct BeingAnswered(Arc<Stage>);

impl Drop for BeingAnswered {
    fn drop(&mut self) {
        self.0.ends();
    }
}

/// A body that says when it was read to its end.
struct Tracked {
    body: Incoming,
    read: Arc<AtomicBool>,
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.read.store(true, Ordering::Release);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_good(fields: &[(&'static str, &str)], version: Version) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        check(&headers, version, &Uri::from_static("/")).is_ok()
    }

    #[test]
    fn a_request_of_http_2_names_one_host() {
        let is_good = |target: &'static str, hosts: &[&str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append("host", host.parse().unwrap());
            }
            check(&headers, Version::HTTP_2, &Uri::from_static(target)).is_ok()
        };
        assert!(is_good("https://a.example/x", &[]));
        assert!(is_good("https://a.example/x", &["A.example"]));
        assert!(!is_good("/x", &[]));
        assert!(!is_good("/x", &["a.example"]));
        assert!(!is_good("https://a.example/x", &["b.example"]));
        assert!(!is_good("https://a.example/x", &["a.example", "a.example"]));
        assert!(!is_good("https://user@a.example/x", &[]));
    }

    #[test]
    fn a_request_has_one_good_host_and_at_most_one_coding() {
        let good = [
            &[("host", "api.example.com")][..],
            &[("host", "api.example.com:443")],
            &[("host", "[::1]:7250")],
            &[("host", "")],
            &[("host", "x"), ("transfer-encoding", "chunked")],
            &[("host", "x"), ("transfer-encoding", "Chunked")],
        ];
        for fields in good {
            assert!(is_good(fields, Version::HTTP_11), "{fields:?}");
        }
        let bad = [
            &[][..],
            &[("host", "a"), ("host", "a")],
            &[("host", "a b")],
            &[("host", "a/b")],
            &[("host", "user@a")],
            &[("host", "x"), ("transfer-encoding", "gzip, chunked")],
            &[("host", "x"), ("transfer-encoding", "chunked, chunked")],
            &[("host", "x"), ("transfer-encoding", "identity")],
            &[
                ("host", "x"),
                ("transfer-encoding", "chunked"),
                ("transfer-encoding", "chunked"),
            ],
        ];
        for fields in bad {
            assert!(!is_good(fields, Version::HTTP_11), "{fields:?}");
        }
        assert!(is_good(&[], Version::HTTP_10));
    }
}
