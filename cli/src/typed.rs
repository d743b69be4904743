//! What a person types while a command runs: a line of standard input, which may be a pipe.

use std::io::{self, BufRead, Read, Write};

use twofapi_client::Failure;

/// The longest line in bytes; a link code has less than 900.
const MAX: u64 = 4096;

/// Asks on stderr, and reads a line without the blanks around it. Empty at the end of the input.
pub(super) fn line(prompt: &str) -> Result<String, Failure> {
    // There is nobody left to ask when stderr is gone; the answer may come all the same.
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{prompt}").and_then(|()| stderr.flush());
    let mut line = String::new();
    io::stdin()
        .lock()
        .take(MAX)
        .read_line(&mut line)
        .map_err(|error| Failure::bad_input(format!("cannot read what was typed: {error}")))?;
    Ok(line.trim().to_owned())
}
