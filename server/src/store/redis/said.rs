//! A script with what it is about, and what Redis answers to it.

use redis::{Cmd, RedisError, RedisResult, Value};

use super::{layout::Bucket, scripts::Name};
use crate::store::{api::StoreError, mark::Mark};

/// A script, its keys and its arguments. The first key and argument say which store is meant.
pub(super) struct Said {
    pub(super) script: Name,
    pub(super) bucket: Bucket,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Said {
    pub(super) fn new(script: Name, store: &[u8], bucket: Bucket) -> Self {
        Self {
            script,
            keys: vec![bucket.about()],
            arguments: vec![store.to_vec()],
            bucket,
        }
    }

    pub(super) fn key(mut self, key: String) -> Self {
        self.keys.push(key);
        self
    }

    pub(super) fn with(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(super) fn number(self, number: impl ToString) -> Self {
        self.with(number.to_string())
    }

    pub(super) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.text().sha1)
    }

    pub(super) fn by_text(&self) -> Cmd {
        self.command("EVAL", &self.script.text().code)
    }

    fn command(&self, command: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(command);
        command.arg(script).arg(self.keys.len());
        for key in &self.keys {
            command.arg(key);
        }
        for argument in &self.arguments {
            command.arg(argument);
        }
        command
    }
}

/// What a script answered: a word, and what belongs to it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) word: String,
    rest: Vec<Value>,
}

impl Answer {
    pub(super) fn read(value: RedisResult<Value>) -> Result<Self, StoreError> {
        let Value::Array(values) = value.map_err(|error| failed(&error))? else {
            return Err(unexpected());
        };
        let mut rest = values.into_iter();
        let Some(Value::BulkString(word)) = rest.next() else {
            return Err(unexpected());
        };
        let word = String::from_utf8(word).map_err(|_| unexpected())?;
        let answer = Self {
            word,
            rest: rest.collect(),
        };
        match answer.word.as_str() {
            "elsewhere" => Err(elsewhere(answer.bytes(0)?)),
            "no master" => Err(StoreError(
                "Redis does not say of itself that it is a master, with its master_replid".into(),
            )),
            _ => Ok(answer),
        }
    }

    pub(super) fn bytes(&self, at: usize) -> Result<&[u8], StoreError> {
        match self.rest.get(at) {
            Some(Value::BulkString(bytes)) => Ok(bytes),
            _ => Err(unexpected()),
        }
    }

    /// All that stands behind so many others.
    pub(super) fn all_bytes(&self, from: usize) -> impl Iterator<Item = Result<&[u8], StoreError>> {
        (from..self.rest.len()).map(|at| self.bytes(at))
    }

    pub(super) fn number(&self, at: usize) -> Result<u64, StoreError> {
        match self.rest.get(at) {
            Some(Value::Int(number)) => u64::try_from(*number).map_err(|_| unexpected()),
            _ => Err(unexpected()),
        }
    }

    /// Of a call that is either done or comes too late.
    pub(super) fn is_done(&self) -> Result<bool, StoreError> {
        match self.word.as_str() {
            "done" => Ok(true),
            "changed" => Ok(false),
            _ => Err(unexpected()),
        }
    }
}

/// The mark that stands where a bucket says which store it is of. A store's id is no text of a mark but by a chance that
/// nobody has.
pub(super) fn mark(about: &[u8]) -> Option<Mark> {
    let text = str::from_utf8(about).ok()?;
    let mark = Mark::parse(text);
    // Without its word, it is what somebody else has put there.
    (mark.to_text() == text).then_some(mark)
}

/// What is said of a store that is not the one that was opened.
pub(super) fn elsewhere(about: &[u8]) -> StoreError {
    match mark(about) {
        Some(mark) => mark.into(),
        None => StoreError(
            "it is not there any longer: Redis has lost it, or holds another one; restore it, or \
             make one with 2fapi store migrate"
                .into(),
        ),
    }
}

pub(super) fn unexpected() -> StoreError {
    StoreError("Redis answered what the store does not understand".into())
}

/// What went wrong between us and Redis.
pub(super) fn failed(error: &RedisError) -> StoreError {
    StoreError(format!("Redis: {error}"))
}
