//! A server that does not keep to the protocol: a real one, whose answers somebody changes on their way.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use serde_json::Value;

type Change = dyn Fn(&str, &mut Value) + Send + Sync;

/// Passes requests on, one connection for each, and has each JSON answer changed: by the line of the request.
pub(crate) struct Meddler {
    pub(crate) url: String,
}

impl Meddler {
    pub(crate) fn before(
        server: &str,
        change: impl Fn(&str, &mut Value) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = server.strip_prefix("http://").unwrap().to_owned();
        let change: Arc<Change> = Arc::new(change);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (upstream, change) = (upstream.clone(), Arc::clone(&change));
                thread::spawn(move || pass_on(stream.unwrap(), &upstream, &*change));
            }
        });
        Self { url }
    }
}

fn pass_on(mut client: TcpStream, upstream: &str, change: &Change) {
    while let Some((head, body)) = message(&mut client) {
        let mut server = TcpStream::connect(upstream).unwrap();
        server
            .write_all(&[head.as_bytes(), &body].concat())
            .unwrap();
        let Some((answer, body)) = message(&mut server) else {
            return;
        };
        let request = head.lines().next().unwrap_or_default().to_owned();
        let body = match serde_json::from_slice(&body) {
            Ok(mut json) => {
                change(&request, &mut json);
                serde_json::to_vec(&json).unwrap()
            }
            Err(_) => body,
        };
        let kept = answer.lines().filter(|line| {
            let line = line.to_ascii_lowercase();
            !line.is_empty() && !line.starts_with("content-length:")
        });
        let mut head = kept.collect::<Vec<_>>().join("\r\n");
        head += &format!("\r\ncontent-length: {}\r\n\r\n", body.len());
        if client
            .write_all(&[head.as_bytes(), &body].concat())
            .is_err()
        {
            return;
        }
    }
}

/// One HTTP message, its head and its body; `None` at the end of the connection.
fn message(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).ok()?;
    let lower = head.to_ascii_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |length| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}
