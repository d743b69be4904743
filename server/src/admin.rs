//! What an operator does to a store: invite, list, show, suspend, resume, revoke.
//!
//! A server holds its store alone, so a running one takes these requests over a Unix socket beside
//! the store file, one line of JSON each way; where none runs, the command opens the store itself.
//! The socket is for the user that runs the server and for root: its mode says so, and either end
//! checks the other's credentials. (Not HTTP: both ends are this program, one exchange a connection needs
//! neither an HTTP client in the command nor its limits set once more for a second server.)

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};
use twofapi_crypto_core::{ClientId, Error, Record, Transition};

use crate::{
    service::{change_record, invite},
    store::{ClientsAtRest, RecordChange, Store, StorePlace, User},
};

/// The longest line either way: a page of clients is the longest.
const LINE_MAX: u64 = 1 << 20;
const PAGE: usize = 500;
const PATIENCE: Duration = Duration::from_secs(10);
const AT_ONCE: usize = 16;

/// What an operator asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Make an enrolment token that is good for `ttl` seconds.
    Invite {
        /// For whom.
        client_id: String,
        /// For how long.
        ttl: u64,
    },
    /// List clients, a page at a time.
    List {
        /// The last client of the page before.
        after: Option<String>,
    },
    /// Show one client.
    Show {
        /// Which.
        client_id: String,
    },
    /// Keep a client out until it is resumed.
    Suspend {
        /// Which.
        client_id: String,
    },
    /// Let a suspended client in again.
    Resume {
        /// Which.
        client_id: String,
    },
    /// Keep a client out for ever.
    Revoke {
        /// Which.
        client_id: String,
    },
}

/// What the operator is told. Without `Debug`, for it may be an enrolment token.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// An enrolment token, and when it expires (Unix seconds).
    Invited {
        /// The token; it is shown this once.
        token: String,
        /// When it expires.
        expires_at: u64,
    },
    /// A page of clients; the list goes on after the last one if the page is full.
    Clients {
        /// The clients.
        clients: Vec<ClientView>,
        /// Whether there are more.
        more: bool,
    },
    /// One client, as it is now.
    Client {
        /// The client.
        client: ClientView,
        /// Whether the request changed its status.
        changed: bool,
    },
    /// It did not work.
    Failed {
        /// The code of the error.
        code: String,
        /// What was wrong, and what would be right.
        message: String,
    },
}

/// What an operator sees of a client: all that is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientView {
    /// Its id.
    pub client_id: String,
    /// Where it is in its life.
    pub status: String,
    /// 1 at enrolment, one more with each rotation.
    pub commitment_version: u32,
    /// The commitment in hex.
    pub commitment: String,
}

impl ClientView {
    fn new(id: &ClientId, record: &Record) -> Self {
        Self {
            client_id: id.as_str().to_owned(),
            status: record.status().as_str().to_owned(),
            commitment_version: record.version(),
            commitment: hex::encode(record.first().commitment()),
        }
    }
}

impl Request {
    /// Whether it asks for nothing to be changed, so that [`look`] answers it.
    #[must_use]
    pub const fn only_looks(&self) -> bool {
        matches!(self, Self::List { .. } | Self::Show { .. })
    }
}

/// Does what the operator asks, at `now` (Unix seconds).
pub async fn execute(store: &dyn Store, request: Request, now: u64) -> Response {
    attempt(store, request, now).await.unwrap_or_else(failed)
}

/// Answers what the operator asks of a store that no server has open, and changes nothing: a request
/// that wants more is refused.
#[must_use]
pub fn look(clients: &ClientsAtRest, request: &Request) -> Response {
    let answer = || match request {
        Request::List { after } => {
            let after = after.as_deref().map(str::parse).transpose()?;
            Ok(page(clients.after(after.as_ref(), PAGE + 1)?))
        }
        Request::Show { client_id } => {
            let id = client_id.parse()?;
            shown(&id, clients.client(&id)?)
        }
        _ => Err(Error::Unavailable {
            reason: "the store is open to be looked at and not to be changed".into(),
        }),
    };
    answer().unwrap_or_else(failed)
}

fn failed(error: Error) -> Response {
    Response::Failed {
        code: error.code().as_str().to_owned(),
        message: error.to_string(),
    }
}

/// One page, given one client more than fits if there are more.
fn page(mut clients: Vec<(ClientId, Record)>) -> Response {
    let more = clients.len() > PAGE;
    clients.truncate(PAGE);
    Response::Clients {
        clients: clients
            .iter()
            .map(|(id, record)| ClientView::new(id, record))
            .collect(),
        more,
    }
}

fn shown(id: &ClientId, record: Option<Record>) -> Result<Response, Error> {
    Ok(Response::Client {
        client: ClientView::new(id, &record.ok_or(Error::NotEnrolled)?),
        changed: false,
    })
}

async fn attempt(store: &dyn Store, request: Request, now: u64) -> Result<Response, Error> {
    let (client_id, change) = match request {
        Request::Invite { client_id, ttl } => {
            let token = invite(store, &client_id.parse()?, now, ttl).await?;
            return Ok(Response::Invited {
                token: token.expose().to_owned(),
                expires_at: now.saturating_add(ttl),
            });
        }
        Request::List { after } => {
            let after = after.map(|id| id.parse()).transpose()?;
            return Ok(page(store.clients_after(after.as_ref(), PAGE + 1).await?));
        }
        Request::Show { client_id } => {
            let id: ClientId = client_id.parse()?;
            let record = store.look_up(&id).await?;
            return shown(&id, record);
        }
        Request::Suspend { client_id } => (client_id, RecordChange::Suspend),
        Request::Resume { client_id } => (client_id, RecordChange::Resume),
        Request::Revoke { client_id } => (client_id, RecordChange::Revoke),
    };
    let id: ClientId = client_id.parse()?;
    let (transition, record) = change_record(store, &id, &change).await?;
    Ok(Response::Client {
        client: ClientView::new(&id, &record),
        changed: transition == Transition::Changed,
    })
}

/// The listening socket of a running server; its file is removed when it is dropped.
pub struct AdminSocket {
    listener: UnixListener,
    address: PathBuf,
    /// What the address leads through.
    _place: Arc<StorePlace>,
}

impl AdminSocket {
    /// Listens beside a store that this process has open, so that whatever socket file is there
    /// belongs to nobody who lives: the store's path with `.admin` appended.
    ///
    /// # Errors
    /// What the system says, with the path.
    pub fn bind(place: &Arc<StorePlace>) -> io::Result<Self> {
        let named = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!(
                    "cannot listen on {}: {error}",
                    place.socket_shown().display()
                ),
            )
        };
        let address = place.socket_address().map_err(named)?;
        match fs::symlink_metadata(&address) {
            Ok(there) if there.file_type().is_socket() => {
                fs::remove_file(&address).map_err(named)?;
            }
            Ok(_) => return Err(named(io::ErrorKind::AlreadyExists.into())),
            Err(_) => {}
        }
        let listener = UnixListener::bind(&address).map_err(named)?;
        fs::set_permissions(&address, fs::Permissions::from_mode(0o600)).map_err(named)?;
        Ok(Self {
            listener,
            address,
            _place: place.clone(),
        })
    }

    /// Serves requests until the future is dropped. `now` tells the time in Unix seconds.
    pub async fn serve(
        &self,
        store: Arc<dyn Store>,
        now: impl Fn() -> u64 + Clone + Send + 'static,
    ) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "an operator's connection failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (store, now) = (store.clone(), now.clone());
            tokio::spawn(async move {
                let _place = place;
                if let Ok(Err(error)) = timeout(PATIENCE, answer(stream, &*store, now)).await {
                    tracing::warn!(%error, "an operator's request failed");
                }
            });
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.address);
    }
}

async fn answer(stream: UnixStream, store: &dyn Store, now: impl Fn() -> u64) -> io::Result<()> {
    let peer = User::new(stream.peer_cred()?.uid());
    if !peer.is_root() && peer != User::of_this_process() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_MAX))
        .read_line(&mut line)
        .await?;
    let response = match serde_json::from_str(&line) {
        Ok(request) => execute(store, request, now()).await,
        Err(_) => Response::Failed {
            code: "malformed_request".into(),
            message: "the server does not know this request; is it of the same version?".into(),
        },
    };
    let mut line = serde_json::to_vec(&response)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    write.shutdown().await
}

/// Asks a running server; `None` when none listens for this store.
///
/// # Errors
/// What the system says when a server listens but gives no answer. `PermissionDenied` when the socket
/// or the server is that of somebody who has nothing to do with the store: then nothing was sent.
pub async fn ask(place: &StorePlace, request: &Request) -> io::Result<Option<Response>> {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    let named = |error: io::Error| {
        let socket = place.socket_shown();
        io::Error::new(error.kind(), format!("{}: {error}", socket.display()))
    };
    let Some(socket) = place.socket().map_err(named)? else {
        return Ok(None);
    };
    let stream = match UnixStream::connect(&socket.address).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(named(io::Error::new(
                error.kind(),
                format!(
                    "{error}; it is for {} and for root, and this runs as {}",
                    socket.owner,
                    User::of_this_process()
                ),
            )));
        }
        Err(error) => return Err(named(error)),
    };
    // Whoever made the socket's file need not be the one who listens on it.
    let server = User::new(stream.peer_cred()?.uid());
    if !place.trusts(server) {
        return Err(named(place.stranger(server)));
    }
    let exchange = async {
        let (read, mut write) = stream.into_split();
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        write.write_all(&line).await?;
        let mut answer = String::new();
        BufReader::new(read.take(LINE_MAX))
            .read_line(&mut answer)
            .await?;
        Ok(serde_json::from_str(&answer)?)
    };
    timeout(PATIENCE, exchange)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
        .map(Some)
}
