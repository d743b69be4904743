//! Where `2fapi serve` listens: an address, `localhost`, or a port alone.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
    task::Poll,
};

use tokio::net::{TcpListener, TcpStream};

use twofapi_client::ServerUrl;

/// How often another free port is tried when the one that was found is taken on another address.
const ATTEMPTS: u32 = 16;

/// Where to listen, as it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listen {
    host: Host,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// Every loopback address that the name stands for.
    Localhost,
    /// All addresses behind a proxy, else the loopback address.
    Unsaid,
}

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RIGHT: &str = "say ADDRESS:PORT, such as 127.0.0.1:7250 or [::1]:7250, localhost:PORT, \
                             or :PORT";
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
    /// proxy is said to stand before them.
    pub(super) const fn settled(self, behind_proxy: bool) -> Self {
        let host = match self.host {
            Host::Unsaid if behind_proxy => Host::Address(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            Host::Unsaid => Host::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            said => said,
        };
        Self { host, ..self }
    }

    /// Whether only this machine reaches it.
    pub(super) const fn is_loopback(self) -> bool {
        match self.host {
            Host::Address(address) => address.is_loopback(),
            Host::Localhost => true,
            Host::Unsaid => false,
        }
    }

    /// Listens.
    pub(super) async fn bind(self) -> io::Result<Listener> {
        let Host::Localhost = self.host else {
            let address = match self.host {
                Host::Address(address) => address,
                Host::Localhost | Host::Unsaid => IpAddr::V4(Ipv4Addr::LOCALHOST),
            };
            let listener = TcpListener::bind((address, self.port)).await?;
            return Listener::new(vec![listener], None);
        };
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
                Ok(listeners) => return Listener::new(listeners, Some("localhost")),
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
        match self.host {
            Host::Address(address) => SocketAddr::new(address, port).fmt(f),
            Host::Localhost => write!(f, "localhost:{port}"),
            Host::Unsaid => write!(f, ":{port}"),
        }
    }
}

/// Sockets that listen, as one.
pub(super) struct Listener {
    sockets: Vec<TcpListener>,
    origin: String,
}

impl Listener {
    fn new(sockets: Vec<TcpListener>, name: Option<&str>) -> io::Result<Self> {
        let first = sockets.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let address = first.local_addr()?;
        let url = match name {
            Some(name) => format!("http://{name}:{}", address.port()),
            None => format!("http://{address}"),
        };
        // As a client computes it, to whom port 80 goes without saying.
        let origin = ServerUrl::parse(&url).map_or(url, |url| url.origin().to_owned());
        Ok(Self { sockets, origin })
    }

    /// The origin under which it is reached directly.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        std::future::poll_fn(|context| {
            self.sockets
                .iter()
                .map(|socket| socket.poll_accept(context))
                .find(Poll::is_ready)
                .unwrap_or(Poll::Pending)
        })
        .await
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
        let listener = listen.bind().await.unwrap();
        let port = listener.sockets[0].local_addr().unwrap().port();
        assert_eq!(listener.origin(), format!("http://localhost:{port}"));
        for socket in &listener.sockets {
            let address = socket.local_addr().unwrap();
            assert_eq!(address.port(), port);
            let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
            assert_eq!(client.unwrap().local_addr().unwrap(), accepted.unwrap().1);
        }
        assert!(bind_all(&[Ipv4Addr::LOCALHOST.into()], port).await.is_err());
    }
}
