//! Work for the thread pool of libuv, which leaves the event loop free.

use napi::{Env, Result, Task, bindgen_prelude::Uint8Array};

use crate::error::Fault;

type Job<T> = Box<dyn FnOnce() -> T + Send>;

/// Whether a proof is accepted.
pub(crate) struct Verdict(Option<Job<bool>>);

impl Verdict {
    pub(crate) fn of(job: impl FnOnce() -> bool + Send + 'static) -> Self {
        Self(Some(Box::new(job)))
    }
}

impl Task for Verdict {
    type Output = bool;
    type JsValue = bool;

    fn compute(&mut self) -> Result<bool> {
        Ok(self.0.take().is_some_and(|job| job()))
    }

    fn resolve(&mut self, _: Env, verdict: bool) -> Result<bool> {
        Ok(verdict)
    }
}

/// Whether each proof of a batch is accepted.
pub(crate) struct Verdicts(Option<Job<std::result::Result<Vec<bool>, Fault>>>);

impl Verdicts {
    pub(crate) fn of(
        job: impl FnOnce() -> std::result::Result<Vec<bool>, Fault> + Send + 'static,
    ) -> Self {
        Self(Some(Box::new(job)))
    }
}

impl Task for Verdicts {
    type Output = Vec<bool>;
    type JsValue = Vec<bool>;

    fn compute(&mut self) -> Result<Vec<bool>> {
        once(&mut self.0)
    }

    fn resolve(&mut self, _: Env, verdicts: Vec<bool>) -> Result<Vec<bool>> {
        Ok(verdicts)
    }
}

/// A proof in the making.
pub(crate) struct Proving(Option<Job<std::result::Result<Vec<u8>, Fault>>>);

impl Proving {
    pub(crate) fn of(
        job: impl FnOnce() -> std::result::Result<Vec<u8>, Fault> + Send + 'static,
    ) -> Self {
        Self(Some(Box::new(job)))
    }
}

impl Task for Proving {
    type Output = Vec<u8>;
    type JsValue = Uint8Array;

    fn compute(&mut self) -> Result<Vec<u8>> {
        once(&mut self.0)
    }

    fn resolve(&mut self, _: Env, proof: Vec<u8>) -> Result<Uint8Array> {
        Ok(Uint8Array::new(proof))
    }
}

/// What the pool reports has Node's own kind of code; the message says the rest.
fn once<T>(job: &mut Option<Job<std::result::Result<T, Fault>>>) -> Result<T> {
    let job = job
        .take()
        .ok_or_else(|| napi::Error::from_reason("this work was done already"))?;
    job().map_err(|fault| napi::Error::from_reason(fault.reason.clone()))
}
