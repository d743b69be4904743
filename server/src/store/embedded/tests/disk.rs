//! A disk in memory that remembers what was flushed and what was only written, and can be full.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use redb::StorageBackend;

#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    flushed: Vec<u8>,
    /// With everything that was written since.
    now: Vec<u8>,
    since: Vec<Written>,
    is_full: bool,
    crashes: u64,
}

#[derive(Debug)]
enum Written {
    Bytes(usize, Vec<u8>),
    Len(usize),
}

impl Written {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Bytes(offset, bytes) => {
                let end = offset + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*offset..end].copy_from_slice(bytes);
            }
            Self::Len(len) => to.resize(*len, 0),
        }
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn with(bytes: Vec<u8>, crashes: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            flushed: bytes.clone(),
            now: bytes,
            crashes,
            ..State::default()
        })))
    }

    /// As it is for the next process when this one was killed.
    pub(super) fn as_written(&self) -> Self {
        let state = self.state();
        Self::with(state.now.clone(), state.crashes + 1)
    }

    /// As it may be when the power is back.
    pub(super) fn as_flushed_and_perhaps_more(&self) -> Self {
        let state = self.state();
        let mut coin = ChaCha20Rng::seed_from_u64(state.crashes);
        let mut bytes = state.flushed.clone();
        for written in &state.since {
            if coin.next_u32().is_multiple_of(2) {
                written.apply(&mut bytes);
            }
        }
        Self::with(bytes, state.crashes + 1)
    }

    pub(super) fn fill(&self, is_full: bool) {
        self.state().is_full = is_full;
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let offset = offset as usize;
        let bytes = state.now.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state().write(Written::Len(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let state = &mut *self.state();
        if state.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        for written in state.since.drain(..) {
            written.apply(&mut state.flushed);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let written = Written::Bytes(offset as usize, data.to_vec());
        self.state().write(written);
        Ok(())
    }
}

impl State {
    fn write(&mut self, written: Written) {
        written.apply(&mut self.now);
        self.since.push(written);
    }
}
