//! Connections: who gets one, how long each part of a request may take, and how each ends with its
//! last answer told.

mod framing;
mod places;
mod stage;
mod stream;

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{Extension, Router, extract::ConnectInfo, routing::any_service};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::{oneshot, watch},
    time::{Instant, sleep_until, timeout},
};

pub(crate) use framing::check;
pub use stage::Patience;

use self::{
    places::{Full, Place, Places},
    stage::Stage,
    stream::Watched,
};
use super::{guarded::guarded, problem::Problem};

const HEADERS_MAX: usize = 64;
const HEAD_MAX: usize = 32 * 1024;
/// Bytes of a connection's read buffer.
const BUFFER_MAX: usize = 64 * 1024;
/// How long the lobby waits for a head.
const LOBBY_PATIENCE: Duration = Duration::from_secs(2);
/// How long a client may take to hear that its request was none.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(3);

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

/// The connections of one server.
pub struct Connections {
    http: http1::Builder,
    app: Router,
    /// What is answered to a source that has enough connections, and when there is no place at all.
    lobby_of_source: Router,
    lobby: Router,
    places: Arc<Places>,
    patience: Patience,
    /// Becomes true when all of them are to end; every connection holds a receiver while it lives.
    ending: watch::Sender<bool>,
}

impl Connections {
    /// Will serve this application; `/livez` and `/healthz` of it are answered where nothing else is.
    #[must_use]
    pub fn new(app: Router, limits: Limits) -> Self {
        let mut http = http1::Builder::new();
        // The stages have timers of their own: those of the library count an idle connection as a
        // head that does not come.
        http.header_read_timeout(None)
            // Who has nothing more to say still waits for the answer.
            .half_close(true)
            .max_headers(HEADERS_MAX)
            .max_header_size(HEAD_MAX)
            .max_buf_size(BUFFER_MAX);
        let lobby = |problem: fn() -> Problem| {
            guarded(
                Router::new()
                    .route("/livez", any_service(app.clone()))
                    .route("/healthz", any_service(app.clone()))
                    .fallback(move || std::future::ready(problem())),
            )
        };
        Self {
            http,
            lobby_of_source: lobby(Problem::too_many_connections),
            lobby: lobby(Problem::no_place),
            app,
            places: Places::new(limits.total, limits.per_source),
            patience: limits.patience,
            ending: watch::Sender::new(false),
        }
    }

    /// Serves a connection, in a task of its own.
    pub fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let stage = Arc::new(Stage::new());
        let (mut http, mut patience) = (self.http.clone(), self.patience);
        let place = self.places.take(peer.ip(), &stage);
        let (app, place) = match place {
            Ok(place) => (&self.app, Ok(place)),
            Err(full) => {
                http.keep_alive(false);
                patience.head = patience.head.min(LOBBY_PATIENCE);
                let app = match full {
                    Full::Source => &self.lobby_of_source,
                    Full::Everywhere => &self.lobby,
                };
                (app, Err(self.places.lobby()))
            }
        };
        let connection = Connection {
            http,
            app: app.clone(),
            peer,
            patience,
            stage,
            ending: self.ending.subscribe(),
        };
        tokio::spawn(connection.run(stream, place));
    }

    /// Tells all connections to end, and waits until those that have a request to answer have
    /// answered it.
    pub async fn end(&self) {
        self.ending.send_replace(true);
        self.ending.closed().await;
    }
}

struct Connection {
    http: http1::Builder,
    app: Router,
    peer: SocketAddr,
    patience: Patience,
    stage: Arc<Stage>,
    ending: watch::Receiver<bool>,
}

impl Connection {
    async fn run(mut self, stream: TcpStream, place: Result<Place, oneshot::Receiver<()>>) {
        let mut place = place;
        let app = self.app.clone().layer(Extension(ConnectInfo(self.peer)));
        let service = framing::FramedService::new(app, self.stage.clone());
        let io = TokioIo::new(Watched::new(stream, self.stage.clone()));
        let mut connection = self.http.serve_connection(io, service);

        let told = {
            let evicted = match &mut place {
                Ok(place) => &mut place.evicted,
                Err(evicted) => evicted,
            };
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
                    Pin::new(&mut connection).graceful_shutdown();
                }
                // A client that hangs up or talks nonsense is not an event.
                if Pin::new(&mut connection).poll(context).is_ready() {
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
        if self.stage.unanswered() {
            let problem = match self.stage.deadline(self.patience, None) {
                Some(deadline) if !told && deadline <= Instant::now() => Problem::too_slow(),
                _ if told => return,
                _ => Problem::malformed("this is no HTTP/1.1 request"),
            };
            let mut io = connection.into_parts().io.into_inner();
            let last_word = async {
                io.write_all(&problem.on_the_wire()).await?;
                io.shutdown().await
            };
            // Whoever is gone need not be told.
            let _ = timeout(LAST_WORD_WITHIN, last_word).await;
        }
    }
}
