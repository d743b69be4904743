//! Work for the thread pool of libuv, which leaves the event loop free.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::{Env, Error, Result, Task, bindgen_prelude::Uint8Array};

use crate::error::Fault;

type Job<T> = Box<dyn FnOnce() -> std::result::Result<T, Fault> + Send>;

/// A piece of work that is done once.
pub(crate) struct Once<T>(Option<Job<T>>);

impl<T> Once<T> {
    pub(crate) fn of(job: impl FnOnce() -> std::result::Result<T, Fault> + Send + 'static) -> Self {
        Self(Some(Box::new(job)))
    }

    /// A panic that left a thread of the pool would end the process: it fails this one call instead.
    /// What the pool reports has Node's own kind of code; the message says the rest.
    pub(crate) fn compute(&mut self) -> Result<T> {
        let job = self
            .0
            .take()
            .ok_or_else(|| Error::from_reason("this work was done already"))?;
        // The job owns all that it changes, and is gone with the panic.
        catch_unwind(AssertUnwindSafe(job))
            .map_err(|_| Error::from_reason("this call failed inside the addon; others go on"))?
            .map_err(|fault| Error::from_reason(fault.reason.clone()))
    }
}

/// Whether a proof is accepted.
pub(crate) struct Verdict(Once<bool>);

impl Verdict {
    pub(crate) fn of(job: impl FnOnce() -> bool + Send + 'static) -> Self {
        Self(Once::of(move || Ok(job())))
    }
}

impl Task for Verdict {
    type Output = bool;
    type JsValue = bool;

    fn compute(&mut self) -> Result<bool> {
        self.0.compute()
    }

    fn resolve(&mut self, _: Env, verdict: bool) -> Result<bool> {
        Ok(verdict)
    }
}

/// Whether each proof of a batch is accepted.
pub(crate) struct Verdicts(Once<Vec<bool>>);

impl Verdicts {
    pub(crate) fn of(
        job: impl FnOnce() -> std::result::Result<Vec<bool>, Fault> + Send + 'static,
    ) -> Self {
        Self(Once::of(job))
    }
}

impl Task for Verdicts {
    type Output = Vec<bool>;
    type JsValue = Vec<bool>;

    fn compute(&mut self) -> Result<Vec<bool>> {
        self.0.compute()
    }

    fn resolve(&mut self, _: Env, verdicts: Vec<bool>) -> Result<Vec<bool>> {
        Ok(verdicts)
    }
}

/// A proof in the making.
pub(crate) struct Proving(Once<Vec<u8>>);

impl Proving {
    pub(crate) fn of(
        job: impl FnOnce() -> std::result::Result<Vec<u8>, Fault> + Send + 'static,
    ) -> Self {
        Self(Once::of(job))
    }
}

impl Task for Proving {
    type Output = Vec<u8>;
    type JsValue = Uint8Array;

    fn compute(&mut self) -> Result<Vec<u8>> {
        self.0.compute()
    }

    fn resolve(&mut self, _: Env, proof: Vec<u8>) -> Result<Uint8Array> {
        Ok(Uint8Array::new(proof))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_on_the_pool_fails_its_own_call_and_nothing_more() {
        assert!(Verdict::of(|| panic!("a bug")).compute().is_err());
        assert!(Verdicts::of(|| panic!("a bug")).compute().is_err());
        assert!(Proving::of(|| panic!("a bug")).compute().is_err());
        assert!(Verdict::of(|| true).compute().unwrap());
    }

    #[test]
    fn work_is_done_once() {
        let mut verdict = Verdict::of(|| true);
        assert!(verdict.compute().unwrap());
        assert!(verdict.compute().is_err());
    }
}
