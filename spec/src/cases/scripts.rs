//! Scripts: what is done to a spent set or to a whole host, step by step, with what each step answers.

use serde::{Deserialize, Serialize};

/// Scripts for spent sets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpentFile {
    /// [`SpentFile::SUITE`].
    pub suite: String,
    /// Each begins with an empty set.
    pub scripts: Vec<SpentScript>,
}

impl SpentFile {
    /// The kind of file.
    pub const SUITE: &str = "2FApi-v1.0-SpentSet";
}

/// What is done to one spent set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpentScript {
    /// Unique within the file.
    pub name: String,
    /// How many entries the set holds.
    pub capacity: u32,
    /// Its first epoch, 16 bytes in hex.
    pub epoch: String,
    /// In order.
    pub steps: Vec<SpentStep>,
}

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum SpentStep {
    /// The set is asked for its epoch and its clock, as for issuing a challenge.
    At {
        /// The host's clock.
        now: u64,
        /// The epoch that is drawn, where the clock was set back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        draws: Option<String>,
        /// The epoch after that.
        epoch: String,
        /// The time to go by.
        clock: u64,
    },
    /// A challenge is spent in the step that accepts.
    Accept {
        /// The host's clock.
        now: u64,
        /// The spent key, 16 bytes in hex.
        key: String,
        /// Whose challenge it is.
        client: String,
        /// When it expires.
        expires_at: u32,
        /// The epoch that it was issued in.
        epoch: String,
        /// `done`, `spent`, `expired`, `stale_epoch` or `full`.
        answer: String,
        /// Of `full`: the seconds until the next entry expires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u32>,
    },
    /// As many challenges of one client are spent as say so, each under a key of its own: the index as 8
    /// bytes, big-endian, and 8 zero bytes. All are `done`.
    Fill {
        /// The host's clock.
        now: u64,
        /// Whose challenges they are.
        client: String,
        /// The first index.
        first: u64,
        /// How many.
        count: u32,
        /// When they expire.
        expires_at: u32,
        /// The epoch that they were issued in.
        epoch: String,
    },
}

/// Scripts for whole hosts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CeremonyFile {
    /// [`CeremonyFile::SUITE`].
    pub suite: String,
    /// Each begins with a host that knows nobody.
    pub scripts: Vec<CeremonyScript>,
}

impl CeremonyFile {
    /// The kind of file.
    pub const SUITE: &str = "2FApi-v1.0-Ceremony";
}

/// What one host is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CeremonyScript {
    /// Unique within the file.
    pub name: String,
    /// The host.
    pub host: HostTerms,
    /// In order.
    pub steps: Vec<CeremonyStep>,
}

/// What a host has decided before it is asked anything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostTerms {
    /// Without one its proofs are bound to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// How long its challenges live, in seconds.
    pub ttl: u32,
    /// How wrong its reading of the store's clock may be, in seconds.
    #[serde(default)]
    pub skew: u32,
    /// The places of its spent set.
    pub capacity: u32,
    /// The first epoch of its spent set, 16 bytes in hex.
    pub epoch: String,
    /// The first one issues.
    pub roots: Vec<NumberedRoot>,
}

/// A root of challenge keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NumberedRoot {
    /// What challenge ids name it by.
    pub number: u8,
    /// 32 bytes in hex.
    pub root: String,
}

/// What a client is told of a challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedChallenge {
    /// Its name.
    pub challenge_id: String,
    /// In hex.
    pub nonce: String,
    /// In Unix seconds.
    pub expires_at: u64,
}

/// One step. An `answer` is `accepted` or the code of an error.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum CeremonyStep {
    /// Somebody enrols.
    Enroll {
        /// Whether the sender may have the client id.
        permitted: bool,
        /// As it was sent.
        client_id: String,
        /// In hex.
        commitment: String,
        /// In hex.
        proof: String,
        /// What the host answers.
        answer: String,
    },
    /// Somebody asks for a challenge.
    Challenge {
        /// The host's clock.
        now: u64,
        /// For whom.
        client_id: String,
        /// The 8 random bytes of the id, of which the number of the root replaces the first, in hex.
        random: String,
        /// The epoch that is drawn, where the clock was set back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        draws: Option<String>,
        /// What is issued.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        issued: Option<IssuedChallenge>,
        /// What the host answers.
        answer: String,
    },
    /// Somebody authenticates.
    Authenticate {
        /// The host's clock.
        now: u64,
        /// As it was sent.
        client_id: String,
        /// As it was sent.
        challenge_id: String,
        /// In hex.
        proof: String,
        /// The credential that proves, as it was sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential_id: Option<String>,
        /// The store's clock, where the host's reading of it is another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        store_now: Option<u64>,
        /// The channel binding that the caller names, in hex, where a host lets it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        binding: Option<String>,
        /// What the host answers.
        answer: String,
        /// Of `throttled`, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u32>,
    },
    /// Somebody rotates.
    Rotate {
        /// The host's clock.
        now: u64,
        /// As it was sent.
        client_id: String,
        /// As it was sent.
        challenge_id: String,
        /// The credential that is replaced, as it was sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential_id: Option<String>,
        /// In hex.
        proof_old: String,
        /// In hex.
        commitment_new: String,
        /// In hex.
        proof_new: String,
        /// What the host answers.
        answer: String,
        /// Of `accepted`: the version of the commitment from then on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u32>,
    },
    /// Somebody links a credential.
    Link {
        /// The host's clock.
        now: u64,
        /// As it was sent.
        client_id: String,
        /// As it was sent.
        challenge_id: String,
        /// The credential that proves, as it was sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential_id: Option<String>,
        /// In hex.
        proof: String,
        /// In hex.
        commitment_new: String,
        /// In hex, with a name; neither where a second device has joined.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof_new: Option<String>,
        /// As it was sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// What the host answers.
        answer: String,
        /// Of `accepted`: the version of the record from then on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u32>,
    },
    /// A client that is logged in offers a challenge to a second device.
    Offer {
        /// The host's clock.
        now: u64,
        /// Who is logged in.
        client_id: String,
        /// `<challenge id>.<client id>`, as it was sent.
        of: String,
        /// What the host answers.
        answer: String,
    },
    /// A second device joins.
    Join {
        /// The host's clock.
        now: u64,
        /// As it was sent.
        client_id: String,
        /// As it was sent.
        challenge_id: String,
        /// In hex.
        commitment: String,
        /// In hex.
        proof: String,
        /// As it was sent.
        name: String,
        /// What the host answers.
        answer: String,
        /// Of `accepted`: what the second device shows, six digits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<String>,
    },
    /// A client that is logged in asks what it has on offer.
    Pending {
        /// The host's clock.
        now: u64,
        /// Who is logged in.
        client_id: String,
        /// What the host answers.
        pending: PendingCase,
    },
    /// Somebody unlinks a credential.
    Unlink {
        /// The host's clock.
        now: u64,
        /// As it was sent.
        client_id: String,
        /// As it was sent.
        challenge_id: String,
        /// The credential that proves, as it was sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential_id: Option<String>,
        /// In hex.
        proof: String,
        /// In hex.
        commitment_old: String,
        /// What the host answers.
        answer: String,
        /// Of `accepted`: the version of the record from then on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u32>,
    },
    /// Somebody resets a client.
    Reset {
        /// The host's clock.
        now: u64,
        /// Whether the sender has a token of that kind for this client.
        permitted: bool,
        /// As it was sent.
        client_id: String,
        /// In hex.
        commitment: String,
        /// In hex.
        proof: String,
        /// What the host answers.
        answer: String,
        /// Of `accepted`: the version of the record from then on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u32>,
    },
    /// The record of a client is looked at.
    Record {
        /// Whose.
        client_id: String,
        /// Its version.
        version: u32,
        /// Its generation.
        generation: u32,
        /// `active`, `suspended` or `revoked`.
        status: String,
        /// Its credentials in order.
        credentials: Vec<ListedCredential>,
    },
    /// A session or a token is shown.
    Session {
        /// The host's clock.
        now: u64,
        /// Whose it is.
        client_id: String,
        /// The credential that it names; none where it is of before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cred: Option<String>,
        /// The since that it names.
        #[serde(rename = "ver")]
        since: u32,
        /// The generation that it names.
        #[serde(rename = "gen")]
        generation: u32,
        /// Whether it is good.
        good: bool,
    },
    /// The operator lets a client or a credential expire.
    Expire {
        /// Whose.
        client_id: String,
        /// The credential; none where it is the client that expires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential_id: Option<String>,
        /// From when on it is let in no longer; none where it is let in without an end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<u64>,
        /// The version of the record from then on.
        version: u32,
    },
    /// The operator changes a client's status, or ends its sessions.
    Operate {
        /// `suspend`, `resume`, `revoke` or `end_sessions`.
        act: String,
        /// Whose.
        client_id: String,
        /// `changed`, `unchanged`, `not_enrolled` or `not_active`.
        answer: String,
    },
    /// The operator changes the roots. The first one issues.
    Roots {
        /// All of them.
        roots: Vec<NumberedRoot>,
    },
}

/// What a client has on offer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingCase {
    /// `none`, `open`, `joined` or `clashed`.
    pub state: String,
    /// Until when, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Of `joined`: the commitment, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<String>,
    /// Of `joined`: what its owner calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
}

/// A credential of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedCredential {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub called: String,
    /// When it came, in Unix seconds.
    pub created: u64,
    /// The version that its commitment came with.
    pub since: u32,
}
