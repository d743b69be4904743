//! The operator's socket: one request and one answer a connection, each a line of JSON, for the user that runs the
//! server and for root.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};

use super::{execute::execute, request::Request, response::Response};
use crate::store::{Store, StorePlace, User};

/// The longest line either way: a page of clients is the longest.
const LINE_MAX: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(10);
const AT_ONCE: usize = 16;

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
