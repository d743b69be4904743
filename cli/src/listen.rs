//! Where `2fapi serve` listens: an address, `localhost`, a port alone, or a Unix socket.

use std::{
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    str::FromStr,
    task::Poll,
};

use tokio::net::{TcpListener, UnixListener};

use twofapi_client::ServerUrl;
use twofapi_server::Came;

/// How often another free port is tried when the one that was found is taken on another address.
const ATTEMPTS: u32 = 16;

/// Where to listen, as it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listen {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// Every loopback address that the name stands for.
    Localhost,
    /// All addresses behind a proxy or with TLS, else the loopback address.
    Unsaid,
    /// A socket file, which its owner and group can connect to.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RIGHT: &str = "say ADDRESS:PORT, such as 127.0.0.1:7250 or [::1]:7250, localhost:PORT, \
                             :PORT or unix:PATH";
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.is_empty() {
                true => Err(RIGHT),
                false => Ok(Self {
                    host: Host::Unix(path.into()),
                    port: 0,
                }),
            };
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                host: Host::Address(address.ip()),
                port: address.port(),
            });
        }
        let (host, port) = text.rsplit_once(':').ok_or(RIGHT)?;
        let host = match host {
            "" => Host::Unsaid,
            host if host.eq_ignore_ascii_case("localhost") => Host::Localhost,
            _ => return Err(RIGHT),
        };
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RIGHT);
        }
        let port = port.parse().map_err(|_| RIGHT)?;
        Ok(Self { host, port })
    }
}

impl Listen {
    /// Takes what was left unsaid for what is safe: the loopback address, or all addresses where a
    /// proxy is said to stand before them, or TLS is spoken.
    pub(super) fn settled(&self, from_outside: bool) -> Self {
        let host = match &self.host {
            Host::Unsaid if from_outside => Host::Address(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            Host::Unsaid => Host::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            said => said.clone(),
        };
        Self {
            host,
            port: self.port,
        }
    }

    /// Whether only this machine reaches it.
    pub(super) const fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Address(address) => address.is_loopback(),
            Host::Localhost | Host::Unix(_) => true,
            Host::Unsaid => false,
        }
    }

    pub(super) const fn is_unix(&self) -> bool {
        matches!(self.host, Host::Unix(_))
    }

    /// Listens, for `http` or `https`.
    pub(super) async fn bind(&self, scheme: &str) -> io::Result<Listener> {
        let address = match &self.host {
            Host::Unix(path) => return Listener::unix(path),
            Host::Address(address) => Some(*address),
            Host::Unsaid => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Host::Localhost => None,
        };
        if let Some(address) = address {
            let listener = TcpListener::bind((address, self.port)).await?;
            return Listener::new(vec![listener], None, scheme);
        }
        let addresses: Vec<_> = tokio::net::lookup_host(("localhost", self.port))
            .await?
            .map(|address| address.ip())
            .collect();
        if !addresses.iter().all(IpAddr::is_loopback) {
            return Err(io::Error::other(
                "localhost stands for an address of another machine here; give an address",
            ));
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            match bind_all(&addresses, self.port).await {
                // The port was free on the first address only.
                Err(error)
                    if self.port == 0
                        && error.kind() == io::ErrorKind::AddrInUse
                        && attempts < ATTEMPTS => {}
                Err(error) => return Err(error),
                Ok(listeners) => return Listener::new(listeners, Some("localhost"), scheme),
            }
        }
    }
}

/// All of them, or a client that tries them in turn might find somebody else's server.
async fn bind_all(addresses: &[IpAddr], port: u16) -> io::Result<Vec<TcpListener>> {
    let mut port = port;
    let mut listeners = Vec::new();
    let mut without = None;
    for address in addresses {
        match TcpListener::bind((*address, port)).await {
            Ok(listener) => {
                port = listener.local_addr()?.port();
                listeners.push(listener);
            }
            // The name is there and the address is not, as ::1 where IPv6 is switched off.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => without = Some(error),
            Err(error) => return Err(error),
        }
    }
    match (listeners.is_empty(), without) {
        (true, Some(error)) => Err(error),
        (true, None) => Err(io::ErrorKind::AddrNotAvailable.into()),
        (false, _) => Ok(listeners),
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.host {
            Host::Unix(path) => write!(f, "unix:{}", path.display()),
            Host::Address(address) => SocketAddr::new(*address, port).fmt(f),
            Host::Localhost => write!(f, "localhost:{port}"),
            Host::Unsaid => write!(f, ":{port}"),
        }
    }
}

/// Sockets that listen, as one.
pub(super) struct Listener {
    sockets: Sockets,
    origin: String,
}

enum Sockets {
    Tcp(Vec<TcpListener>),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    fn new(sockets: Vec<TcpListener>, name: Option<&str>, scheme: &str) -> io::Result<Self> {
        let first = sockets.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let address = first.local_addr()?;
        let url = match name {
            Some(name) => format!("{scheme}://{name}:{}", address.port()),
            None => format!("{scheme}://{address}"),
        };
        // As a client computes it, to whom port 80 goes without saying.
        let origin = ServerUrl::parse(&url).map_or(url, |url| url.origin().to_owned());
        let sockets = Sockets::Tcp(sockets);
        Ok(Self { sockets, origin })
    }

    fn unix(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            // Who is gone without removing it leaves it to nobody.
            Ok(there) if there.file_type().is_socket() => {
                if UnixStream::connect(path).is_ok() {
                    return Err(io::ErrorKind::AddrInUse.into());
                }
                fs::remove_file(path)?;
            }
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
        Ok(Self {
            sockets: Sockets::Unix(listener, path.into()),
            origin: format!("unix:{}", path.display()),
        })
    }

    /// The origin under which it is reached directly.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Came> {
        let sockets = match &self.sockets {
            Sockets::Unix(listener, _) => {
                return listener.accept().await.map(|(stream, _)| stream.into());
            }
            Sockets::Tcp(sockets) => sockets,
        };
        std::future::poll_fn(|context| {
            sockets
                .iter()
                .map(|socket| socket.poll_accept(context))
                .find(Poll::is_ready)
                .unwrap_or(Poll::Pending)
        })
        .await
        .map(Into::into)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Sockets::Unix(_, path) = &self.sockets {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_localhost_or_a_port_alone_is_where_to_listen() {
        for (text, shown) in [
            ("127.0.0.1:7250", "127.0.0.1:7250"),
            ("[::1]:0", "[::1]:0"),
            ("localhost:7250", "localhost:7250"),
            ("LOCALHOST:1", "localhost:1"),
            (":7250", ":7250"),
            ("unix:/run/2fapi/http", "unix:/run/2fapi/http"),
        ] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!(listen.to_string(), shown);
        }
        for text in [
            "",
            ":",
            "localhost",
            "7250",
            "localhost:",
            "localhost:+1",
            ":65536",
            "example.com:1",
            "::1:7250",
            "[::1]",
            "127.0.0.1",
            "http://localhost:1",
            "localhost:-1",
            "unix:",
        ] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_port_alone_is_reached_from_outside_only_behind_a_proxy() {
        let listen: Listen = ":7250".parse().unwrap();
        assert_eq!(listen.settled(false).to_string(), "127.0.0.1:7250");
        assert!(listen.settled(false).is_loopback());
        assert_eq!(listen.settled(true).to_string(), "0.0.0.0:7250");
        assert!(!listen.settled(true).is_loopback());
        let said: Listen = "[::]:1".parse().unwrap();
        assert_eq!(said.settled(false), said);
        assert!(!said.is_loopback());
    }

    #[tokio::test]
    async fn localhost_is_every_address_that_it_stands_for() {
        let listen: Listen = "localhost:0".parse().unwrap();
        let listener = listen.bind("http").await.unwrap();
        let Sockets::Tcp(sockets) = &listener.sockets else {
            panic!("it is no socket of TCP");
        };
        let port = sockets[0].local_addr().unwrap().port();
        assert_eq!(listener.origin(), format!("http://localhost:{port}"));
        for socket in sockets {
            let address = socket.local_addr().unwrap();
            assert_eq!(address.port(), port);
            let connect = tokio::net::TcpStream::connect(address);
            let (client, accepted) = tokio::join!(connect, listener.accept());
            assert!(client.is_ok() && accepted.is_ok());
        }
        assert!(bind_all(&[Ipv4Addr::LOCALHOST.into()], port).await.is_err());
    }

    #[tokio::test]
    async fn a_unix_socket_is_its_owners_and_groups_and_takes_nobodys_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listen: Listen = format!("unix:{}", path.display()).parse().unwrap();
        assert!(listen.is_loopback() && listen.is_unix());
        let listener = listen.bind("http").await.unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o660
        );
        let taken = listen.bind("http").await.err().unwrap();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert!(!path.exists());
        // One that was left behind is nobody's; a file is somebody's.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        drop(listen.bind("http").await.unwrap());
        fs::write(&path, "x").unwrap();
        assert!(listen.bind("http").await.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }
}
