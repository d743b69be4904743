//! The log of a server: lines go through a bounded queue to a thread that writes them. Whoever reads
//! the log may be slow or gone; requests neither wait for it nor fail with it, and lines that find no
//! room are counted.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// How many lines wait for their reader.
const LINES: usize = 2048;

enum Entry {
    Line(Vec<u8>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

/// Where lines go.
#[derive(Clone)]
pub(super) struct Log {
    queue: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

impl Log {
    /// Logs what happens in this process to standard error from now on, panics as well.
    ///
    /// # Errors
    /// What the system says when there can be no thread, or there is no standard error.
    pub(super) fn start(json: bool, filter: EnvFilter) -> io::Result<Self> {
        // A descriptor of its own: a panic or a last message would wait for the lock of the other.
        let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let log = Self::to(stderr)?;
        let logging = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_target(false)
            .with_writer(log.clone())
            .log_internal_errors(false);
        // A second subscriber is refused, which leaves the first: nothing to mend.
        let _ = if json {
            logging.json().try_init()
        } else {
            logging.with_ansi(false).try_init()
        };
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            let message = panic.payload_as_str().unwrap_or_default();
            tracing::error!(place, message, "a fault of the server's own");
        }));
        Ok(log)
    }

    fn to(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, entries) = sync_channel(LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = dropped.clone();
        thread::Builder::new()
            .name("2fapi-log".into())
            .spawn(move || write_all(output, &entries, &counted))?;
        Ok(Self { queue, dropped })
    }

    /// Waits until what was logged is written, but no longer than `patience`.
    pub(super) fn flush_within(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let (written, is_written) = sync_channel(1);
        let mut entry = Entry::Flush(written);
        while let Err(full) = self.queue.try_send(entry) {
            let (std::sync::mpsc::TrySendError::Full(back)
            | std::sync::mpsc::TrySendError::Disconnected(back)) = full;
            if Instant::now() >= until {
                return;
            }
            entry = back;
            thread::sleep(Duration::from_millis(10));
        }
        let _ = is_written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

fn write_all(mut output: impl Write, entries: &Receiver<Entry>, dropped: &AtomicU64) {
    while let Ok(entry) = entries.recv() {
        match entry {
            Entry::Line(line) => {
                // Said only to a reader that is there, or saying so would never end.
                if output.write_all(&line).is_err() {
                    dropped.fetch_add(1, Ordering::Relaxed);
                } else if let lines @ 1.. = dropped.swap(0, Ordering::Relaxed) {
                    tracing::warn!(
                        lines,
                        "lines of this log were dropped: nobody read them in time"
                    );
                }
            }
            Entry::Flush(written) => {
                let _ = written.send(());
            }
        }
    }
}

impl Write for Log {
    /// One call is one line: that is how the formatter calls it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Entry::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// An output that stands still until it is let go.
    struct Gate(Arc<Mutex<Vec<u8>>>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_no_time() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let mut log = Log::to(Gate(written.clone())).unwrap();
        let still = written.lock().unwrap();
        let begun = Instant::now();
        for _ in 0..3 * LINES {
            log.write_all(b"a line\n").unwrap();
        }
        log.flush_within(Duration::from_millis(50));
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(still);
        log.flush_within(Duration::from_secs(30));
        let lines = written.lock().unwrap().len() / b"a line\n".len();
        assert!((LINES..=LINES + 1).contains(&lines), "{lines}");
    }
}
