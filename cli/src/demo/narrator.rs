//! Tells the demonstration as it goes, and remembers whether all of it went as it must.

use std::fmt::{self, Write as _};

use serde::Serialize;
use serde_json::Value;

use crate::Output;
use twofapi_client::{Failure, FailureKind};

/// The longest word that is shown in full, in characters.
const WIDEST: usize = 64;

/// One thing that happened, as `--json` gives it.
#[derive(Serialize)]
pub(super) struct Event {
    step: String,
    what: String,
    answer: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_expected: Option<bool>,
}

pub(super) struct Narrator {
    out: Output,
    colours: bool,
    step: String,
    steps: usize,
    events: Vec<Event>,
}

/// The end: with `--json` all that happened, and else a closing word.
#[derive(Serialize)]
struct Ending<'a> {
    as_expected: bool,
    events: &'a [Event],
    #[serde(skip)]
    text: &'a str,
}

impl Narrator {
    pub(super) fn new(out: Output) -> Self {
        Self {
            out,
            colours: out.has_colours(),
            step: String::new(),
            steps: 0,
            events: Vec::new(),
        }
    }

    /// Begins a step.
    pub(super) fn step(&mut self, title: &str) -> Result<(), Failure> {
        self.steps += 1;
        title.clone_into(&mut self.step);
        let heading = self.painted("1", &format!("{}. {title}", self.steps));
        self.print(&format!("\n{heading}"))
    }

    /// A sentence of explanation.
    pub(super) fn say(&self, text: &str) -> Result<(), Failure> {
        self.print(&format!("   {text}"))
    }

    /// What was done, and the answer to it.
    pub(super) fn exchange(
        &mut self,
        what: &str,
        sent: &Value,
        status: &str,
        answer: &Value,
    ) -> Result<(), Failure> {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = write!(text, "   {}", self.painted("36", what));
        text.push_str(&fields(sent));
        if !status.is_empty() {
            let colour = if status.starts_with('2') { "32" } else { "33" };
            let _ = write!(text, "\n   {}", self.painted(colour, status));
        }
        text.push_str(&fields(answer));
        self.events.push(Event {
            step: self.step.clone(),
            what: what.into(),
            answer: shortened(answer),
            as_expected: None,
        });
        self.print(&text)
    }

    /// What must be true now. The demonstration goes on if it is not, and fails at its end.
    pub(super) fn expect(&mut self, true_now: bool, what: &str) -> Result<(), Failure> {
        self.events.push(Event {
            step: self.step.clone(),
            what: what.into(),
            answer: Value::Null,
            as_expected: Some(true_now),
        });
        let verdict = if true_now {
            self.painted("32", "ok")
        } else {
            self.painted("31", "NOT AS EXPECTED")
        };
        self.print(&format!("   {verdict}: {what}"))
    }

    /// The closing word.
    ///
    /// # Errors
    /// Denied (code `not_as_expected`) unless there were expectations and all of them were met.
    pub(super) fn end(&self, next: &str) -> Result<(), Failure> {
        let met = |met: bool| {
            let events = self.events.iter();
            events
                .filter(|event| event.as_expected == Some(met))
                .count()
        };
        let (met, unmet) = (met(true), met(false));
        let all = met + unmet;
        let good = met > 0 && unmet == 0;
        let text = if good {
            format!("All {all} expectations were met. {next}")
        } else {
            format!("{unmet} of {all} expectations were NOT met.")
        };
        self.out.answer(&Ending {
            as_expected: good,
            events: &self.events,
            text: &text,
        })?;
        if good {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Denied,
            "not_as_expected",
            format!("{unmet} of {all} expectations of the demonstration were not met"),
        ))
    }

    fn print(&self, text: &str) -> Result<(), Failure> {
        self.out.line(text)
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.into()
        }
    }
}

/// The fields of an object, a line for each.
fn fields(object: &Value) -> String {
    let shortened = shortened(object);
    let fields = shortened.as_object().into_iter().flatten();
    fields.fold(String::new(), |mut text, (name, value)| {
        let value = match value {
            Value::String(value) => value.clone(),
            value => value.to_string(),
        };
        let _ = write!(text, "\n     {name:18} {value}");
        text
    })
}

/// The same with long words cut, access tokens and proofs among them.
fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let words: Vec<String> = text.split(' ').map(shortened_word).collect();
            Value::String(words.join(" "))
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), shortened(value)))
            .collect(),
        value => value.clone(),
    }
}

fn shortened_word(word: &str) -> String {
    let length = word.chars().count();
    if length <= WIDEST {
        return word.into();
    }
    let head: String = word.chars().take(WIDEST / 2).collect();
    format!("{head}... ({length} characters)")
}

impl fmt::Display for Ending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demonstration_fails_if_one_expectation_was_not_met_or_none_was_there() {
        let mut narrator = Narrator::new(Output::new(false));
        assert_eq!(narrator.end("").unwrap_err().kind(), FailureKind::Denied);
        narrator.expect(true, "this").unwrap();
        narrator.end("").unwrap();
        narrator.expect(false, "that").unwrap();
        narrator.expect(true, "and the other").unwrap();
        assert_eq!(narrator.end("").unwrap_err().code(), "not_as_expected");
    }

    #[test]
    fn a_token_is_not_shown_in_full() {
        let token = "x".repeat(65);
        let shown = fields(&serde_json::json!({ "Authorization": format!("Bearer {token}") }));
        assert!(shown.contains("Bearer xxx") && !shown.contains(&token));
    }
}
