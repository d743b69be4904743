//! What the server says of its connections.

use super::{Ctx, call::Reply, server::server};

/// A connection as `CLIENT LIST` describes it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) connection: u64,
    /// Seconds since it was made.
    pub(crate) age: u64,
    /// Bytes of all its buffers.
    pub(crate) memory: u64,
    pub(crate) user: String,
    /// Answers that have not left yet.
    pub(crate) has_answers: bool,
}

/// Describes those of these connections that are there.
pub(crate) fn describe(connections: &[u64]) -> Vec<Seen> {
    let ids: Vec<_> = connections.iter().map(u64::to_string).collect();
    let mut words: Vec<&[u8]> = vec![b"LIST", b"ID"];
    words.extend(ids.iter().map(String::as_bytes));
    command(&words).map_or_else(Vec::new, |reply| {
        reply.whole().text().lines().map(described).collect()
    })
}

fn described(line: &str) -> Seen {
    let mut seen = Seen::default();
    for field in line.split(' ') {
        let Some((name, value)) = field.split_once('=') else {
            continue;
        };
        let number = || value.parse().unwrap_or(0);
        match name {
            "id" => seen.connection = number(),
            "age" => seen.age = number(),
            "tot-mem" => seen.memory = number(),
            "user" => seen.user = value.to_owned(),
            "obl" | "oll" => seen.has_answers |= number() > 0,
            _ => {}
        }
    }
    seen
}

/// A subcommand of `CLIENT`, given by the server itself.
pub(crate) fn command(words: &[&[u8]]) -> Option<Reply> {
    // SAFETY: the context lasts, and only the main thread comes here.
    let ctx = unsafe { Ctx::new(server()) };
    Reply::to(ctx, c"CLIENT", words)
}
