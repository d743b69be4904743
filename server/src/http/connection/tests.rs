//! Connections as clients and strangers make them: within TLS, over HTTP/2, through proxies.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo, http::Request, routing::get};
use h2::client::SendRequest;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
};

use super::*;
use crate::http::proxies::ForwardedBy;

const NAME: &str = "a.example";
const WITHIN: Duration = Duration::from_secs(30);

/// A server that says who asks.
struct Server {
    address: SocketAddr,
    roots: RootCertStore,
    _files: tempfile::TempDir,
}

fn limits() -> Limits {
    Limits {
        total: 64,
        per_source: 64,
        patience: Patience {
            head: Duration::from_secs(1),
            idle: Duration::from_secs(60),
        },
    }
}

impl Server {
    async fn start(set: impl FnOnce(Connections, Tls) -> Connections) -> Self {
        let files = tempfile::tempdir().unwrap();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let [certificate, key] = ["certificate", "key"].map(|name| files.path().join(name));
        std::fs::write(&certificate, cert.pem()).unwrap();
        std::fs::write(&key, signing_key.serialize_pem()).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&key, private).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let who = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
        let waits = async || std::future::pending::<()>().await;
        let app = Router::new()
            .route("/", get(who))
            .route("/waits", get(waits));
        let tls = Tls::read(&certificate, &key).unwrap();
        let connections = set(Connections::new(app, limits()), tls);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok(came) = listener.accept().await {
                connections.serve(came);
            }
        });
        Self {
            address,
            roots,
            _files: files,
        }
    }

    async fn tls(&self, protocol: &[u8]) -> TlsStream<TcpStream> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap()
    }

    async fn two(
        &self,
    ) -> (
        SendRequest<axum::body::Bytes>,
        tokio::task::JoinHandle<bool>,
    ) {
        let (client, connection) = h2::client::handshake(self.tls(b"h2").await).await.unwrap();
        // Whether it ended with an error.
        (
            client,
            tokio::spawn(async move { connection.await.is_err() }),
        )
    }
}

fn request(path: &str) -> Request<()> {
    let target = format!("https://{NAME}{path}");
    Request::get(target).body(()).unwrap()
}

#[tokio::test]
async fn both_protocols_are_spoken_within_tls() {
    let server = Server::start(Connections::within).await;
    let mut one = server.tls(b"http/1.1").await;
    one.write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    timeout(WITHIN, one.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");

    let (mut client, _task) = server.two().await;
    for _ in 0..3 {
        client = client.ready().await.unwrap();
        let (answer, _) = client.send_request(request("/"), true).unwrap();
        assert_eq!(
            timeout(WITHIN, answer).await.unwrap().unwrap().status(),
            200
        );
    }
}

#[tokio::test]
async fn who_does_not_speak_tls_or_says_nothing_is_let_go() {
    let server = Server::start(Connections::within).await;
    for says in [&b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..], b""] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(says).await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(WITHIN, stream.read_to_end(&mut answer))
            .await
            .expect("it is kept");
        assert!(!answer.starts_with(b"HTTP"), "answered in the clear");
    }
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

#[tokio::test]
async fn a_client_that_resets_what_it_asks_is_ended_and_others_are_served() {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const GOAWAY: [u8; 2] = [7, 0];
    let server = Server::start(Connections::within).await;
    let mut stream = server.tls(b"h2").await;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    // GET https://a.example/, in HPACK.
    let head = [&[0x82, 0x87, 0x84, 0x01, 9][..], NAME.as_bytes()].concat();
    for id in (1..2000).step_by(2) {
        bytes.extend(frame(HEADERS, 0x5, id, &head));
        bytes.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
    }
    // It may be ended before all of it was sent.
    let _ = stream.write_all(&bytes).await;
    let mut said = Vec::new();
    let _ = timeout(WITHIN, stream.read_to_end(&mut said))
        .await
        .expect("it goes on for ever");
    let mut rest = said.as_slice();
    let mut last = Vec::new();
    while let [a, b, c, kind, flags, ..] = *rest {
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        if [kind, flags] == GOAWAY {
            last = rest[9..].to_vec();
        }
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    // ENHANCE_YOUR_CALM.
    assert_eq!(last.get(4..8), Some(&[0, 0, 0, 0xb][..]), "{said:?}");

    let (client, _task) = server.two().await;
    let (answer, _) = client
        .ready()
        .await
        .unwrap()
        .send_request(request("/"), true)
        .unwrap();
    assert_eq!(
        timeout(WITHIN, answer).await.unwrap().unwrap().status(),
        200
    );
}

#[tokio::test]
async fn a_head_without_end_is_not_kept_in_memory() {
    let server = Server::start(Connections::within).await;
    let (client, _task) = server.two().await;
    let mut large = request("/");
    let value = axum::http::HeaderValue::from_str(&"x".repeat(16 * 1024)).unwrap();
    for n in 0..8 {
        let name = axum::http::HeaderName::try_from(format!("x-{n}")).unwrap();
        large.headers_mut().insert(name, value.clone());
    }
    let refused = match client.ready().await.unwrap().send_request(large, true) {
        Ok((answer, _)) => match timeout(WITHIN, answer).await.unwrap() {
            Ok(answer) => answer.status() == 431,
            Err(_) => true,
        },
        Err(_) => true,
    };
    assert!(refused);
}

#[tokio::test]
async fn one_connection_has_so_many_requests_at_once_and_no_more() {
    let server = Server::start(Connections::within).await;
    let (client, _task) = server.two().await;
    let mut client = client.ready().await.unwrap();
    // What the server allows is known after its settings have come.
    let (answer, _) = client.send_request(request("/"), true).unwrap();
    assert_eq!(
        timeout(WITHIN, answer).await.unwrap().unwrap().status(),
        200
    );
    assert_eq!(client.current_max_send_streams(), 32);
}

fn header(source: [u8; 4]) -> Vec<u8> {
    let mut header = hex::decode("0d0a0d0a000d0a515549540a2111000c").unwrap();
    header.extend(source);
    header.extend([198, 51, 100, 1, 0x0f, 0xa0, 0x01, 0xbb]);
    header
}

async fn asked(server: &Server, begins: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(&[begins, request].concat()).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(WITHIN, stream.read_to_end(&mut answer))
        .await
        .unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn only_a_trusted_proxy_says_who_connects() {
    let proxies = |network| Proxies::new([network], ForwardedBy::default()).unwrap();
    let server = Server::start(|it, _| it.behind(proxies("127.0.0.0/8"))).await;
    let answer = asked(&server, &header([203, 0, 113, 7])).await;
    assert!(answer.ends_with("203.0.113.7:4000"), "{answer}");
    assert_eq!(
        asked(&server, b"").await,
        "",
        "one without a header is served"
    );

    let stranger = Server::start(|it, _| it.behind(proxies("10.0.0.0/8"))).await;
    assert_eq!(asked(&stranger, &header([203, 0, 113, 7])).await, "");
    // Where nobody speaks the protocol, its header is no request.
    let plain = Server::start(|it, _| it).await;
    assert!(
        !asked(&plain, &header([203, 0, 113, 7]))
            .await
            .contains("203.0.113.7")
    );
}
