//! Commitments for clients that are none, so that an attempt in a made-up name does the same work as
//! one in a real name: their bytes are decoded, remembered and put into batches as everybody's are.

use std::sync::{Mutex, OnceLock, PoisonError};

use getrandom::{SysRng, rand_core::TryRng as _};
use twofapi_crypto_core::{ClientId, Commitment, Error, ceremony::Decoys};

/// Says which client has which decoy, to nobody else.
static KEY: Mutex<[u8; 16]> = Mutex::new([0; 16]);
static DECOYS: OnceLock<Decoys> = OnceLock::new();

/// Draws the key. To be done before the first attempt.
pub(crate) fn start() -> Result<(), Error> {
    let mut key = [0; 16];
    SysRng
        .try_fill_bytes(&mut key)
        .map_err(|error| Error::Unavailable {
            reason: format!("no randomness: {error}"),
        })?;
    *KEY.lock().unwrap_or_else(PoisonError::into_inner) = key;
    Ok(())
}

/// Computes them, which takes as long as some thousand proofs: a worker thread does, before it works.
pub(crate) fn compute() {
    let _ = decoys();
}

/// The commitment to look at in the place of one that there is not.
pub(crate) fn of(client_id: &ClientId) -> [u8; Commitment::LEN] {
    *decoys().of(client_id)
}

fn decoys() -> &'static Decoys {
    DECOYS.get_or_init(|| Decoys::new(*KEY.lock().unwrap_or_else(PoisonError::into_inner)))
}
