//! What the audit says: who did what, how it ended, and why.

use twofapi_crypto_core::ErrorCode;

use super::ClientKey;

/// What was attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Action {
    Enrol,
    Authenticate,
    Verify,
    Rotate,
    Suspend,
    Resume,
    Revoke,
    Logout,
    Cleanup,
    Token,
    EndSessions,
}

impl Action {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Enrol => "enrol",
            Self::Authenticate => "authenticate",
            Self::Verify => "verify",
            Self::Rotate => "rotate",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Revoke => "revoke",
            Self::Logout => "logout",
            Self::Cleanup => "cleanup",
            Self::Token => "token",
            Self::EndSessions => "end sessions",
        }
    }
}

/// How it ended. The reasons are for the operator; the client is never told them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Outcome {
    Accepted,
    DeniedChallenge,
    DeniedSpent,
    DeniedClient,
    DeniedBinding,
    DeniedProof,
    DeniedChanged,
    DeniedToken,
    Throttled,
    AlreadyEnrolled,
    NotEnrolled,
    NotActive,
    Malformed,
    Unavailable,
}

impl Outcome {
    /// `accepted`, `denied` or `error`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::DeniedChallenge
            | Self::DeniedSpent
            | Self::DeniedClient
            | Self::DeniedBinding
            | Self::DeniedProof
            | Self::DeniedChanged
            | Self::DeniedToken => "denied",
            _ => "error",
        }
    }

    /// Why, empty where there is nothing to say.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Accepted => "",
            Self::DeniedChallenge => "challenge unknown or expired",
            Self::DeniedSpent => "challenge spent",
            Self::DeniedClient => "client not enrolled or not active",
            Self::DeniedBinding => "bound to another audience",
            Self::DeniedProof => "equation",
            Self::DeniedChanged => "client changed meanwhile",
            Self::DeniedToken => "token",
            Self::Throttled => "throttled",
            Self::AlreadyEnrolled => "already_enrolled",
            Self::NotEnrolled => "not_enrolled",
            Self::NotActive => "not_active",
            Self::Malformed => "malformed",
            Self::Unavailable => "unavailable",
        }
    }

    /// The outcome of an attempt that ended in an error.
    pub(crate) const fn of_error(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Throttled => Self::Throttled,
            ErrorCode::AlreadyEnrolled => Self::AlreadyEnrolled,
            ErrorCode::NotEnrolled => Self::NotEnrolled,
            ErrorCode::NotActive => Self::NotActive,
            ErrorCode::Denied => Self::DeniedProof,
            ErrorCode::Unavailable => Self::Unavailable,
            _ => Self::Malformed,
        }
    }
}

/// One line of the audit, in a fixed number of bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Event {
    /// Microseconds since the Unix epoch.
    pub(crate) at: i64,
    /// The transaction in which it happened, 0 when it had written nothing.
    pub(crate) transaction: u64,
    pub(crate) backend: i32,
    /// The session user's OID.
    pub(crate) role: u32,
    pub(crate) action: Action,
    pub(crate) outcome: Outcome,
    pub(crate) client: ClientKey,
}
