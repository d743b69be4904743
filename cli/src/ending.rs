//! How a server runs to its end: connections are served until it is told to stop, and those that are busy
//! then finish.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use twofapi_server::Connections;

use super::{listen::Listener, log::Log};

/// How long those that are busy may take. With what else there is to do, the end is there within five seconds.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(4);
/// How long the end waits for whoever reads the log.
pub(crate) const LOG_WITHIN: Duration = Duration::from_millis(500);

/// The signals that end a server in an orderly way.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn requested(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Serves connections until it is told to stop; says so, so that it is ready no longer, and serves on for as
/// long as it takes others to notice; then lets those that are busy finish. Being told once more ends the
/// process at once.
pub(crate) async fn until_stopped(
    listener: Listener,
    connections: &Connections,
    mut stop: Stop,
    drain: Duration,
    say: impl FnOnce(),
    log: &Log,
) {
    tokio::select! {
        () = accept_all(&listener, connections) => {}
        () = stop.requested() => {}
    }
    say();
    tracing::info!(drain = drain.as_secs(), "stopping");
    let log = log.clone();
    tokio::spawn(async move {
        stop.requested().await;
        tracing::warn!("told to stop once more: ending at once");
        log.flush_within(LOG_WITHIN);
        std::process::exit(130);
    });
    let _ = tokio::time::timeout(drain, accept_all(&listener, connections)).await;
    drop(listener);
    let _ = tokio::time::timeout(SHUTDOWN_WITHIN, connections.end()).await;
}

/// Serves whoever comes, for as long as it is polled.
pub(crate) async fn accept_all(listener: &Listener, connections: &Connections) {
    loop {
        match listener.accept().await {
            Ok(came) => connections.serve(came),
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to be closed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
