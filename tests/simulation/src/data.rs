//! What a node of the store keeps: records, and the set of spent challenges with its epoch in it.

use std::{collections::BTreeMap, rc::Rc};

use twofapi_crypto_core::{Record, SpentKey, ceremony::Epoch};

/// The set of spent challenges. Its epoch lives and dies with it.
#[derive(Clone)]
pub(crate) struct SpentSet {
    pub(crate) epoch: Epoch,
    /// Of the node that it was begun on.
    pub(crate) history: u64,
    /// The newest second that it has acted on.
    pub(crate) mark: u64,
    /// By key, when it expires.
    pub(crate) entries: BTreeMap<[u8; SpentKey::LEN], u64>,
}

/// A session: an access token that was issued. It is of the set that accepted its challenge.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) client: String,
    pub(crate) epoch: Epoch,
}

/// Names a session.
pub(crate) type SessionId = [u8; 16];

/// All that a node keeps.
#[derive(Clone, Default)]
pub(crate) struct Data {
    pub(crate) records: BTreeMap<String, Record>,
    pub(crate) set: Option<SpentSet>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    /// The epoch beside the set: only there for [`Fault::KeyOutlivesItsSet`](crate::Fault::KeyOutlivesItsSet).
    pub(crate) key: Option<Epoch>,
}

impl Data {
    pub(crate) fn of(records: BTreeMap<String, Record>) -> Self {
        Self {
            records,
            ..Self::default()
        }
    }

    /// What reaches another node where the set does not.
    pub(crate) fn without_set(&self) -> Self {
        Self {
            set: None,
            sessions: BTreeMap::new(),
            ..self.clone()
        }
    }
}

/// What a node has, and up to which write of which term.
#[derive(Clone, Default)]
pub(crate) struct Version {
    pub(crate) data: Rc<Data>,
    pub(crate) term: u64,
    pub(crate) position: u64,
}
