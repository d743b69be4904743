//! The PROXY protocol, version 2: a proxy says at the beginning of a connection who connected to it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use ppp::v2::{Addresses, Command, Header, PROTOCOL_PREFIX};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The head, with the length of the rest at its end.
const HEAD: usize = 16;
/// More than addresses and what proxies add to them have: TLS certificates, names.
const REST_MAX: usize = 4096;

/// Reads the header: who connected to the proxy, or `None` where the proxy speaks for itself.
///
/// # Errors
/// What the stream says, and `InvalidData` for what is no header of version 2.
pub(super) async fn source(
    stream: &mut (impl AsyncRead + Unpin + ?Sized),
) -> io::Result<Option<SocketAddr>> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let mut header = vec![0; HEAD];
    // No byte more than it has: what follows is not ours to read.
    stream
        .read_exact(&mut header[..PROTOCOL_PREFIX.len()])
        .await?;
    if header[..PROTOCOL_PREFIX.len()] != *PROTOCOL_PREFIX {
        return Err(wrong());
    }
    stream
        .read_exact(&mut header[PROTOCOL_PREFIX.len()..])
        .await?;
    let rest = usize::from(u16::from_be_bytes([header[HEAD - 2], header[HEAD - 1]]));
    if rest > REST_MAX {
        return Err(wrong());
    }
    header.resize(HEAD + rest, 0);
    stream.read_exact(&mut header[HEAD..]).await?;
    let header = Header::try_from(header.as_slice()).map_err(|_| wrong())?;
    let source = |address: IpAddr, port| Some(SocketAddr::new(address, port));
    Ok(match (header.command, header.addresses) {
        (Command::Proxy, Addresses::IPv4(ip)) => source(ip.source_address.into(), ip.source_port),
        (Command::Proxy, Addresses::IPv6(ip)) => source(ip.source_address.into(), ip.source_port),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "0d0a0d0a000d0a515549540a2111000ccb007107c63364010fa001bb";

    async fn read(header: &str, follows: &[u8]) -> (io::Result<Option<SocketAddr>>, Vec<u8>) {
        let bytes = [&hex::decode(header).unwrap(), follows].concat();
        let mut stream = bytes.as_slice();
        let read = source(&mut stream).await;
        (read, stream.to_vec())
    }

    #[tokio::test]
    async fn who_connected_is_read_and_nothing_of_what_follows() {
        let (read, rest) = read(V4, b"GET /").await;
        assert_eq!(read.unwrap(), "203.0.113.7:4000".parse().ok());
        assert_eq!(rest, b"GET /");
        let v6 = format!(
            "0d0a0d0a000d0a515549540a21210027{}{}0fa001bb000000",
            "20010db8000000000000000000000007", "20010db8000000000000000000000001"
        );
        let (read, rest) = self::read(&v6, b"x").await;
        assert_eq!(read.unwrap(), "[2001:db8::7]:4000".parse().ok());
        assert_eq!(rest, b"x");
        // LOCAL: the proxy looks whether we live.
        let (read, _) = self::read("0d0a0d0a000d0a515549540a20000000", b"").await;
        assert_eq!(read.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        for header in [
            "",
            "0d0a0d0a000d0a515549540a",
            // Version 1, a request, version 3, addresses that are cut off, a length without end.
            "50524f585920544350342031",
            "474554202f20485454502f31",
            "0d0a0d0a000d0a515549540a3111000ccb007107c63364010fa001bb",
            "0d0a0d0a000d0a515549540a21110004cb007107",
            "0d0a0d0a000d0a515549540a2111ffff",
        ] {
            assert!(read(header, b"").await.0.is_err(), "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(rest in proptest::collection::vec(0_u8.., 0..80)) {
            let bytes = [PROTOCOL_PREFIX, &rest].concat();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(source(&mut bytes.as_slice()));
        }
    }
}
