//! Requests that are sent as they are written, which no library would do.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Sends one request with these lines after its first one, and reads until the connection ends.
pub(crate) fn send(to: SocketAddr, request: &str, lines: &[String], body: &str) -> Answer {
    let mut text = format!("{request} HTTP/1.1\r\nHost: application.example\r\n");
    // A line of the test's about the connection takes the place of this one.
    if !lines.iter().any(|line| line.starts_with("Connection:")) {
        text.push_str("Connection: close\r\n");
    }
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    let mut stream = TcpStream::connect(to).expect("it listens");
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).expect("a timeout");
    stream.write_all(text.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    // Not every proxy ends the connection as soon as it has said everything.
    while !is_whole(&answer) {
        match stream.read(&mut part).expect("it answers or ends") {
            0 => break,
            read => answer.extend_from_slice(&part[..read]),
        }
    }
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    Answer {
        status: head[9..12].parse().expect("a status"),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

/// Whether an answer has come to the end that its length says.
fn is_whole(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    length.is_some_and(|length| length.trim() == body.len().to_string())
}

impl Answer {
    /// What the application says that it was asked.
    pub(crate) fn asked(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        // It may have been passed on in chunks: it is one line of JSON.
        let line = self.body.lines().find(|line| line.starts_with('{'));
        serde_json::from_str(line.unwrap_or_else(|| panic!("{self:?}"))).expect("JSON")
    }

    /// The values of the fields that an application may take for this one: case and underscores aside.
    pub(crate) fn fields(&self, name: &str) -> Vec<String> {
        let asked = self.asked();
        let fields = asked["fields"].as_array().expect("fields").iter();
        fields
            .filter(|field| {
                let own = field[0].as_str().expect("a name");
                own.to_ascii_lowercase().replace('_', "-") == name
            })
            .map(|field| field[1].as_str().expect("a value").to_owned())
            .collect()
    }
}
