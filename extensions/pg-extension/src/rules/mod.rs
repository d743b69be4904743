//! What this host decides without the host: pure functions and types, tested without a server.

pub(crate) mod board;
pub(crate) mod channel;
pub(crate) mod event;
pub(crate) mod further;
pub(crate) mod key;
pub(crate) mod known;
pub(crate) mod lineage;
pub(crate) mod mask;
pub(crate) mod postings;
pub(crate) mod proven;
pub(crate) mod roster;
pub(crate) mod session;
pub(crate) mod spool;
pub(crate) mod statement;
pub(crate) mod token;

use twofapi_crypto_core::{CLIENT_ID_MAX, ClientId, Record};

/// A client's row as it was found.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// What it says.
    pub(crate) record: Record,
    /// Where it comes from: the version of the row that was the last to be written by anything but the
    /// functions of the extension, which count what they change.
    pub(crate) origin: RowVersion,
    /// From when on tokens of the service are good here, in Unix seconds.
    pub(crate) tokens_from: u64,
}

/// The transaction that wrote the row, and where the row lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowVersion {
    pub(crate) written_by: u32,
    pub(crate) block: u32,
    pub(crate) place: u16,
}

/// A client of one database in a fixed number of bytes, as shared memory and sessions keep it. All
/// bytes zero is nobody.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct ClientKey {
    database: u32,
    len: u32,
    id: [u8; CLIENT_ID_MAX],
}

impl ClientKey {
    pub(crate) fn new(database: u32, client_id: &ClientId) -> Self {
        Self::of(database, Some(client_id))
    }

    /// A key for what concerns no client, or one whose id could not be read.
    pub(crate) fn of(database: u32, client_id: Option<&ClientId>) -> Self {
        let mut key = Self {
            database,
            len: 0,
            id: [0; CLIENT_ID_MAX],
        };
        // A client id is never longer than this.
        if let Some(bytes) = client_id.map(ClientId::as_bytes)
            && let Some(place) = key.id.get_mut(..bytes.len())
        {
            place.copy_from_slice(bytes);
            key.len = bytes.len() as u32;
        }
        key
    }

    pub(crate) const fn database(&self) -> u32 {
        self.database
    }

    /// The id, empty when there is none. It is ASCII.
    pub(crate) fn id_bytes(&self) -> &[u8] {
        self.id.get(..self.len as usize).unwrap_or_default()
    }

    pub(crate) fn id_str(&self) -> &str {
        core::str::from_utf8(self.id_bytes()).unwrap_or_default()
    }
}
