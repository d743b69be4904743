//! Connections: who gets one, how long each part of a request may take, and how each ends with its
//! last answer told.

mod framing;
mod places;
mod protocol;
mod proxied;
mod stage;
mod stream;
#[cfg(test)]
#[cfg(feature = "tls")]
mod tests;
#[cfg(feature = "tls")]
mod tls;

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{Extension, Router, extract::ConnectInfo, routing::any_service};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, UnixStream},
    sync::{oneshot, watch},
    time::{Instant, sleep_until, timeout},
};

pub(crate) use framing::check;
pub use stage::Patience;
#[cfg(feature = "tls")]
pub use tls::{Life, Tls, TlsError};

use self::{
    places::{Full, Place, Places},
    protocol::{Protocols, Spoken},
    stage::Stage,
    stream::{BoxedBytes, Watched},
};
use super::{guarded::guarded, problem::Problem, proxies::Proxies};

/// How long the lobby waits for a head.
const LOBBY_PATIENCE: Duration = Duration::from_secs(2);
/// How long a client may take to hear that its request was none.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(3);
/// Who comes through a Unix socket: a process of this machine.
const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A connection of which nothing was read.
pub struct Came {
    stream: BoxedBytes,
    peer: SocketAddr,
}

impl From<(TcpStream, SocketAddr)> for Came {
    fn from((stream, peer): (TcpStream, SocketAddr)) -> Self {
        // Answers are small and wait for nothing.
        let _ = stream.set_nodelay(true);
        let stream = Box::new(stream);
        Self { stream, peer }
    }
}

impl From<UnixStream> for Came {
    fn from(stream: UnixStream) -> Self {
        Self {
            stream: Box::new(stream),
            peer: LOCAL,
        }
    }
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In all.
    pub total: usize,
    /// Of one source: an IPv4 address or an IPv6 /64.
    pub per_source: usize,
    /// How long each may take for what.
    pub patience: Patience,
}

/// The connections of one server. Clones are the same.
#[derive(Clone)]
pub struct Connections(Arc<Inner>);

struct Inner {
    protocols: Protocols,
    app: Router,
    /// What is answered to a source that has enough connections, and when there is no place at all.
    lobby_of_source: Router,
    lobby: Router,
    places: Arc<Places>,
    patience: Patience,
    /// Who says at the beginning of a connection from whom it is, if anybody does.
    proxies: Option<Proxies>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    /// Becomes true when all of them are to end; every connection holds a receiver while it lives.
    ending: watch::Sender<bool>,
}

impl Connections {
    /// Will serve this application; `/livez` and `/healthz` of it are answered where nothing else is.
    #[must_use]
    pub fn new(app: Router, limits: Limits) -> Self {
        let lobby = |problem: fn() -> Problem| {
            guarded(
                Router::new()
                    .route("/livez", any_service(app.clone()))
                    .route("/healthz", any_service(app.clone()))
                    .fallback(move || std::future::ready(problem())),
            )
        };
        Self(Arc::new(Inner {
            protocols: Protocols::new(),
            lobby_of_source: lobby(Problem::too_many_connections),
            lobby: lobby(Problem::no_place),
            app,
            places: Places::new(limits.total, limits.per_source),
            patience: limits.patience,
            proxies: None,
            #[cfg(feature = "tls")]
            tls: None,
            ending: watch::Sender::new(false),
        }))
    }

    /// The same, where each connection is one of these proxies', and begins with a header of the PROXY
    /// protocol; all others are closed.
    ///
    /// # Panics
    /// When it serves already.
    #[must_use]
    pub fn behind(mut self, proxies: Proxies) -> Self {
        self.not_yet_serving().proxies = Some(proxies);
        self
    }

    /// The same within TLS.
    ///
    /// # Panics
    /// When it serves already.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn within(mut self, tls: Tls) -> Self {
        self.not_yet_serving().tls = Some(tls);
        self
    }

    fn not_yet_serving(&mut self) -> &mut Inner {
        Arc::get_mut(&mut self.0).expect("how connections are served is said before the first one")
    }

    /// Serves a connection, in a task of its own.
    pub fn serve(&self, came: impl Into<Came>) {
        let Came { mut stream, peer } = came.into();
        let inner = self.0.clone();
        let ending = inner.ending.subscribe();
        let Some(proxies) = &inner.proxies else {
            inner.place(stream, peer, ending);
            return;
        };
        // Nobody else may say who somebody is.
        if !proxies.trust(peer.ip()) {
            tracing::debug!(%peer, "a connection that is not one of the proxies' is closed");
            return;
        }
        tokio::spawn(async move {
            let head = inner.patience.head;
            match timeout(head, proxied::source(&mut *stream)).await {
                Ok(Ok(source)) => inner.place(stream, source.unwrap_or(peer), ending),
                Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    tracing::warn!(%peer, "a connection without a PROXY protocol header is closed");
                }
                // Gone, or silent.
                _ => {}
            }
        });
    }

    /// How many connections have a place.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.places.count()
    }

    /// Tells all connections to end, and waits until those that have a request to answer have
    /// answered it.
    pub async fn end(&self) {
        self.0.ending.send_replace(true);
        self.0.ending.closed().await;
    }
}

impl Inner {
    /// Finds a place for a connection of this source, and serves it there or in the lobby.
    fn place(&self, stream: BoxedBytes, peer: SocketAddr, ending: watch::Receiver<bool>) {
        let stage = Arc::new(Stage::new());
        let (mut protocols, mut patience) = (self.protocols.clone(), self.patience);
        let place = self.places.take(peer.ip(), &stage);
        let (app, place) = match place {
            Ok(place) => (&self.app, Ok(place)),
            Err(full) => {
                protocols = protocols.once();
                patience.head = patience.head.min(LOBBY_PATIENCE);
                let app = match full {
                    Full::Source => &self.lobby_of_source,
                    Full::Everywhere => &self.lobby,
                };
                (app, Err(self.places.lobby()))
            }
        };
        let connection = Connection {
            protocols,
            app: app.clone(),
            peer,
            patience,
            stage,
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
            ending,
        };
        tokio::spawn(connection.run(stream, place));
    }
}

struct Connection {
    protocols: Protocols,
    app: Router,
    peer: SocketAddr,
    patience: Patience,
    stage: Arc<Stage>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    ending: watch::Receiver<bool>,
}

impl Connection {
    async fn run(mut self, stream: BoxedBytes, place: Result<Place, oneshot::Receiver<()>>) {
        let mut place = place;
        let evicted = match &mut place {
            Ok(place) => &mut place.evicted,
            Err(evicted) => evicted,
        };
        let Some((stream, _is_two)) = self.within(stream, evicted).await else {
            return;
        };
        let app = self.app.clone().layer(Extension(ConnectInfo(self.peer)));
        let service = framing::FramedService::new(app, self.stage.clone());
        let stream = Watched::new(stream, self.stage.clone());
        #[cfg(feature = "tls")]
        let mut connection = match _is_two {
            true => {
                self.stage.share();
                self.protocols.two(stream, service)
            }
            false => self.protocols.one(stream, service),
        };
        #[cfg(not(feature = "tls"))]
        let mut connection = self.protocols.one(stream, service);

        let told = {
            let mut told = pin!(async {
                tokio::select! {
                    _ = self.ending.wait_for(|ending| *ending) => {}
                    _ = evicted => {}
                }
            });
            let mut ended: Option<Instant> = None;
            let mut timer = pin!(sleep_until(Instant::now()));
            poll_fn(|context| {
                if ended.is_none() && told.as_mut().poll(context).is_ready() {
                    ended = Some(Instant::now());
                    connection.end();
                }
                // A client that hangs up or talks nonsense is not an event.
                if connection.poll(context).is_ready() {
                    return Poll::Ready(());
                }
                let Some(deadline) = self.stage.deadline(self.patience, ended) else {
                    return Poll::Pending;
                };
                if timer.deadline() != deadline {
                    timer.as_mut().reset(deadline);
                }
                timer.as_mut().poll(context)
            })
            .await;
            ended.is_some()
        };
        self.last_word(connection, told).await;
    }

    /// The stream within TLS, if TLS is spoken, and whether it is HTTP/2. Nothing when the client does not
    /// come to terms in the time that there is for a head, or is to go.
    #[cfg(feature = "tls")]
    async fn within(
        &mut self,
        stream: BoxedBytes,
        evicted: &mut oneshot::Receiver<()>,
    ) -> Option<(BoxedBytes, bool)> {
        let Some(tls) = &self.tls else {
            return Some((stream, false));
        };
        tokio::select! {
            accepted = timeout(self.patience.head, tls.accept(stream)) => accepted.ok()?.ok(),
            _ = self.ending.wait_for(|ending| *ending) => None,
            _ = evicted => None,
        }
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_async, reason = "it waits where there is TLS")]
    async fn within(
        &mut self,
        stream: BoxedBytes,
        _evicted: &mut oneshot::Receiver<()>,
    ) -> Option<(BoxedBytes, bool)> {
        Some((stream, false))
    }

    /// Tells whoever sent no request, or half of one, that it was none.
    async fn last_word(&self, connection: Spoken, told: bool) {
        if self.stage.unanswered() {
            let problem = match self.stage.deadline(self.patience, None) {
                Some(deadline) if !told && deadline <= Instant::now() => Problem::too_slow(),
                _ if told => return,
                _ => Problem::malformed("this is no HTTP/1.1 request"),
            };
            let Some(mut io) = connection.into_stream() else {
                return;
            };
            let last_word = async {
                io.write_all(&problem.on_the_wire()).await?;
                io.shutdown().await
            };
            // Whoever is gone need not be told.
            let _ = timeout(LAST_WORD_WITHIN, last_word).await;
        }
    }
}
