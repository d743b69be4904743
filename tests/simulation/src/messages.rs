//! What people, replicas and the nodes of the store say to each other, and whatever else happens at a time.

use std::rc::Rc;

use twofapi_crypto_core::{
    Challenge, CredentialId, Proof, Record,
    ceremony::{At, Committed, Step},
};

use crate::data::{Data, SessionId};

/// Something that happens at its time.
#[derive(Clone)]
pub(crate) enum Event {
    /// A client acts, unless it has heard something since its `turn`.
    ClientWakes {
        client: usize,
        turn: u64,
    },
    ThiefWakes,
    OperatorWakes,
    /// The next failure comes, and another one later.
    FailureComes,
    /// A failure ends.
    Ends(Failure),
    /// The master tells its followers what it has.
    Replicates,
    Snapshot {
        node: usize,
        term: u64,
        position: u64,
        data: Rc<Data>,
    },
    /// A node writes to its disk what it has in memory.
    Persists {
        node: usize,
    },
    Asked {
        replica: usize,
        by: Asker,
        request: Request,
    },
    Answered {
        to: Asker,
        answer: Answer,
    },
    Called {
        node: usize,
        caller: Caller,
        call: Call,
    },
    Said {
        caller: Caller,
        said: Said,
    },
}

/// A failure that has an end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    /// A node does not run.
    Down { node: usize },
    /// A replica has not heard yet who the master is.
    Misled { replica: usize },
    /// An old master does not know that there is a new one.
    SplitBrain,
    /// A replica cannot reach a node.
    Cut { replica: usize, node: usize },
    /// The followers hear nothing.
    Stalled,
}

/// Who asks a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    Client { client: usize, turn: u64 },
    Thief,
    Operator,
}

/// A call of a replica, in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) replica: usize,
    pub(crate) life: u64,
    pub(crate) call: u64,
}

/// What is asked of a replica.
#[derive(Clone)]
pub(crate) enum Request {
    Enrol {
        client: String,
        commitment: [u8; 32],
        proof: [u8; Proof::LEN],
    },
    Challenge {
        client: String,
    },
    Attempt(Box<Attempt>),
    /// Whether a token is good.
    Present(Token),
    /// A client ends one of its sessions.
    End(Token),
    Operate {
        client: String,
        operation: Operation,
    },
}

/// An attempt of a client, as bytes.
#[derive(Clone)]
pub(crate) struct Attempt {
    /// `<challenge id>.<client id>`
    pub(crate) named: String,
    pub(crate) credential: String,
    pub(crate) proof: [u8; Proof::LEN],
    pub(crate) to: Aim,
}

/// What an attempt is to achieve.
#[derive(Clone)]
pub(crate) enum Aim {
    Authenticate,
    Rotate {
        commitment: [u8; 32],
        proof: [u8; Proof::LEN],
    },
    Link {
        commitment: [u8; 32],
        proof: [u8; Proof::LEN],
    },
    Unlink {
        commitment: [u8; 32],
    },
}

/// What an accepted client carries. That nobody forges one is not what is looked at here.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) client: String,
    pub(crate) credential: CredentialId,
    pub(crate) since: u32,
    pub(crate) generation: u32,
    pub(crate) session: SessionId,
}

/// What an operator does to a client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Suspend,
    Resume,
    Revoke,
    EndSessions,
    /// The first credential expires in so many seconds by the clock of the store, or not any longer.
    Expire(Option<u64>),
}

/// What a replica answers. There may be none at all.
#[derive(Clone)]
pub(crate) enum Answer {
    Challenge(Box<Challenge>),
    Accepted(Token),
    Done,
    Denied,
    Unavailable,
}

/// What a replica asks of the store.
#[derive(Clone)]
pub(crate) enum Call {
    Epoch,
    LookUp(String),
    /// With the session that it opens, if it is a login.
    Step(Box<Step>, Option<SessionId>),
    /// A record, and whether this session of the client is listed.
    LookUpWithSession(String, SessionId),
    End(String, SessionId),
    Change(String, Operation),
}

/// What the store says.
#[derive(Clone)]
pub(crate) enum Said {
    At(At),
    Record(Option<Box<Record>>),
    Committed {
        committed: Committed,
        now: u64,
        /// Which state of the client it made.
        made: Option<Made>,
    },
    Changed(Option<Made>),
    Listed(Option<Box<Record>>, bool),
    Ended,
    NoMaster,
}

/// A state of a client among all that there ever were: for the invariants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    /// A restore begins another era.
    pub(crate) era: u64,
    pub(crate) at: usize,
}
