//! Faults that are put back one by one, to show that the simulation finds them.

/// One defence that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The epoch is kept beside the spent set and not in it: it is still there when the set is not.
    KeyOutlivesItsSet,
    /// The set does not keep the newest second it has acted on.
    NoMark,
    /// Whether a challenge is alive is decided where the attempt begins, and not in the step.
    LivenessBeforeTheStep,
    /// The step of a proof does not look at the record.
    StepIgnoresTheRecord,
    /// A replica that was told of a change goes on by the record that it has cached.
    CacheHidesARevocation,
    /// A change is acknowledged when the master has it, whatever became of the others.
    AcknowledgedTooEarly,
    /// A replica goes on by the epoch that the store has told it is over.
    StaleEpochIsKept,
    /// A session is listed whatever became of the set that accepted its challenge.
    SessionsOutliveTheirSet,
    /// A token goes by the record of its client alone.
    TokenIgnoresItsSession,
}

impl Fault {
    /// Each of them.
    pub const ALL: [Self; 9] = [
        Self::KeyOutlivesItsSet,
        Self::NoMark,
        Self::LivenessBeforeTheStep,
        Self::StepIgnoresTheRecord,
        Self::CacheHidesARevocation,
        Self::AcknowledgedTooEarly,
        Self::StaleEpochIsKept,
        Self::SessionsOutliveTheirSet,
        Self::TokenIgnoresItsSession,
    ];
}
