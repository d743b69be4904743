//! How a command answers: text for people or JSON for scripts on stdout, everything else on stderr.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

use super::Failure;

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

    /// Whether `--json` was given.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Writes the answer of the command: its `Display` with a line end, or one line of JSON.
    ///
    /// # Errors
    /// Unavailable when stdout cannot be written. A reader that went away early (`| head -1`) is no
    /// error.
    pub(crate) fn answer<T: Serialize + Display>(self, value: &T) -> Result<(), Failure> {
        let line = if self.json {
            serde_json::to_string(value)
                .map_err(|error| Failure::unavailable(format!("cannot write JSON: {error}")))?
        } else {
            value.to_string()
        };
        let mut stdout = io::stdout().lock();
        let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::unavailable(
                format!("cannot write to standard output: {error}"),
            )),
            _ => Ok(()),
        }
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

    /// Whether stdout is for a person who sees colours: a terminal, and `NO_COLOR` is not set.
    pub(crate) fn has_colours(self) -> bool {
        !self.json
            && io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }
}
