//! The protocol that is spoken on a connection: HTTP/1.1, or HTTP/2 where TLS has agreed on it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use hyper::server::conn::http1;
#[cfg(feature = "tls")]
use hyper::server::conn::http2;
#[cfg(feature = "tls")]
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;

use super::{framing::FramedService, stream::Watched};

/// Fields of a head.
const HEADERS_MAX: usize = 64;
const HEAD_MAX: usize = 32 * 1024;
/// Bytes of a connection's read buffer.
const BUFFER_MAX: usize = 64 * 1024;

/// How many requests one connection of HTTP/2 may have open: what a client needs, and no more than a
/// handful of connections of HTTP/1.1 would be.
#[cfg(feature = "tls")]
const STREAMS: u32 = 32;
/// How many streams may be reset before they were accepted, and how many errors of its own a connection
/// survives (rapid reset, CVE-2023-44487, and its younger sisters). A client that works resets few.
#[cfg(feature = "tls")]
const RESETS: usize = 16;
/// What one stream, and one connection, may send before it is read: a body has 16 KiB at most.
#[cfg(feature = "tls")]
const WINDOW: u32 = 64 * 1024;
#[cfg(feature = "tls")]
const CONNECTION_WINDOW: u32 = 256 * 1024;

type Io = TokioIo<Watched>;

/// How each protocol is spoken.
#[derive(Clone)]
pub(super) struct Protocols {
    one: http1::Builder,
    #[cfg(feature = "tls")]
    two: http2::Builder<TokioExecutor>,
}

impl Protocols {
    pub(super) fn new() -> Self {
        let mut one = http1::Builder::new();
        // The stages have timers of their own: those of the library count an idle connection as a
        // head that does not come.
        one.header_read_timeout(None)
            // Who has nothing more to say still waits for the answer.
            .half_close(true)
            .max_headers(HEADERS_MAX)
            .max_header_size(HEAD_MAX)
            .max_buf_size(BUFFER_MAX);
        #[cfg(feature = "tls")]
        let two = {
            let mut two = http2::Builder::new(TokioExecutor::new());
            two.max_concurrent_streams(STREAMS)
                .max_pending_accept_reset_streams(RESETS)
                .max_local_error_reset_streams(RESETS)
                // Bounds a head, and with it how many CONTINUATION frames one may have.
                .max_header_list_size(HEAD_MAX as u32)
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_send_buf_size(BUFFER_MAX);
            two
        };
        Self {
            one,
            #[cfg(feature = "tls")]
            two,
        }
    }

    /// For one request.
    pub(super) fn once(mut self) -> Self {
        self.one.keep_alive(false);
        #[cfg(feature = "tls")]
        self.two.max_concurrent_streams(1);
        self
    }

    pub(super) fn one(&self, stream: Watched, service: FramedService) -> Spoken {
        Spoken::One(Box::new(
            self.one.serve_connection(TokioIo::new(stream), service),
        ))
    }

    #[cfg(feature = "tls")]
    pub(super) fn two(&self, stream: Watched, service: FramedService) -> Spoken {
        Spoken::Two(Box::pin(
            self.two.serve_connection(TokioIo::new(stream), service),
        ))
    }
}

/// A connection as it is served.
pub(super) enum Spoken {
    One(Box<http1::Connection<Io, FramedService>>),
    #[cfg(feature = "tls")]
    Two(Pin<Box<http2::Connection<Io, FramedService, TokioExecutor>>>),
}

impl Spoken {
    /// Ready when it has ended, in whatever way.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::One(connection) => Pin::new(connection).poll(context).map(drop),
            #[cfg(feature = "tls")]
            Self::Two(connection) => connection.as_mut().poll(context).map(drop),
        }
    }

    /// No further request is taken.
    pub(super) fn end(&mut self) {
        match self {
            Self::One(connection) => Pin::new(&mut **connection).graceful_shutdown(),
            #[cfg(feature = "tls")]
            Self::Two(connection) => connection.as_mut().graceful_shutdown(),
        }
    }

    /// What a last word can still be said on, which only HTTP/1.1 has.
    pub(super) fn into_stream(self) -> Option<Watched> {
        match self {
            Self::One(connection) => Some(connection.into_parts().io.into_inner()),
            #[cfg(feature = "tls")]
            Self::Two(_) => None,
        }
    }
}
