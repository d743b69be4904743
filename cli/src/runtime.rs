//! Waiting for what a command does by asynchronous means.

use twofapi_client::Failure;

/// Runs it to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("cannot start: {error}")))?;
    Ok(runtime.block_on(work))
}
