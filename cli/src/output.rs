//! How a command answers: text for people or JSON for scripts on stdout, everything else on stderr.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;
use twofapi_client::{Failure, environment};

/// Where a command writes. Stdout carries the answer and nothing else; notes and failures go to
/// stderr, a failure under `--json` as one object `{"error":{"code","message"}}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Writes the answer of the command: its `Display` with a line end, or one line of JSON.
    ///
    /// # Errors
    /// Unavailable when stdout cannot be written. A reader that went away early (`| head -1`) is no
    /// error.
    pub(crate) fn answer<T: Serialize + Display>(self, value: &T) -> Result<(), Failure> {
        if !self.json {
            return write_line(&value.to_string());
        }
        let line = serde_json::to_string(value)
            .map_err(|error| Failure::unavailable(format!("cannot write JSON: {error}")))?;
        write_line(&line)
    }

    /// Writes a text that is the same under `--json`: a file to be kept.
    ///
    /// # Errors
    /// As [`Output::answer`].
    pub(crate) fn text(self, text: &str) -> Result<(), Failure> {
        write_line(text.trim_end())
    }

    /// Writes a line of what is told as it goes; silent under `--json`.
    ///
    /// # Errors
    /// As [`Output::answer`].
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { write_line(text) }
    }

    /// Tells a person something beside the answer, on stderr; silent under `--json`.
    pub(crate) fn note(self, text: impl Display) {
        if !self.json {
            // There is nobody left to tell when stderr is gone.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Reports why the command did not end well, on stderr.
    pub(crate) fn failure(self, failure: &Failure) {
        let line = if self.json {
            serde_json::json!({
                "error": { "code": failure.code(), "message": failure.to_string() }
            })
            .to_string()
        } else {
            format!("2fapi: {failure}")
        };
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Whether a person reads the answer as it comes and can end the program: a terminal on both sides.
    pub(crate) fn is_for_a_person(self) -> bool {
        !self.json && io::stdout().is_terminal() && io::stdin().is_terminal()
    }

    /// Whether stdout is for a person who sees colours: a terminal, and `NO_COLOR` is not set.
    pub(crate) fn has_colours(self) -> bool {
        !self.json && io::stdout().is_terminal() && environment::value("NO_COLOR").is_none()
    }
}

fn write_line(line: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::unavailable(
            format!("cannot write to standard output: {error}"),
        )),
        _ => Ok(()),
    }
}
