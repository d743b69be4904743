//! What the audit says: who did what, how it ended, and why; and the same in a fixed number of bytes,
//! as shared memory holds it and a file over a restart.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use twofapi_crypto_core::{CLIENT_ID_MAX, ClientId, CredentialId, ErrorCode, ceremony::Cause};

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
    Import,
    Link,
    Unlink,
    Offer,
    Join,
    Reset,
    SetExpiry,
    SetAttributes,
}

impl Action {
    const ALL: [Self; 19] = [
        Self::Enrol,
        Self::Authenticate,
        Self::Verify,
        Self::Rotate,
        Self::Suspend,
        Self::Resume,
        Self::Revoke,
        Self::Logout,
        Self::Cleanup,
        Self::Token,
        Self::EndSessions,
        Self::Import,
        Self::Link,
        Self::Unlink,
        Self::Offer,
        Self::Join,
        Self::Reset,
        Self::SetExpiry,
        Self::SetAttributes,
    ];

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
            Self::Import => "import",
            Self::Link => "link",
            Self::Unlink => "unlink",
            Self::Offer => "offer",
            Self::Join => "join",
            Self::Reset => "reset",
            Self::SetExpiry => "set expiry",
            Self::SetAttributes => "set attributes",
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
    DeniedExpired,
    DeniedCredential,
    DeniedCredentials,
    DeniedOffer,
    DeniedSource,
}

impl Outcome {
    const ALL: [Self; 19] = [
        Self::Accepted,
        Self::DeniedChallenge,
        Self::DeniedSpent,
        Self::DeniedClient,
        Self::DeniedBinding,
        Self::DeniedProof,
        Self::DeniedChanged,
        Self::DeniedToken,
        Self::Throttled,
        Self::AlreadyEnrolled,
        Self::NotEnrolled,
        Self::NotActive,
        Self::Malformed,
        Self::Unavailable,
        Self::DeniedExpired,
        Self::DeniedCredential,
        Self::DeniedCredentials,
        Self::DeniedOffer,
        Self::DeniedSource,
    ];

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
            | Self::DeniedToken
            | Self::DeniedExpired
            | Self::DeniedCredential
            | Self::DeniedCredentials
            | Self::DeniedOffer
            | Self::DeniedSource => "denied",
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
            Self::DeniedExpired => "client or credential expired",
            Self::DeniedCredential => "no such credential",
            Self::DeniedCredentials => "credential there already, the last, or one too many",
            Self::DeniedOffer => "no such offer, or not joined",
            Self::DeniedSource => "not from where the client may come",
        }
    }

    /// The outcome of an attempt that is denied.
    pub(crate) const fn of_cause(cause: Cause) -> Self {
        match cause {
            Cause::Challenge => Self::DeniedChallenge,
            Cause::UnknownClient | Cause::InactiveClient => Self::DeniedClient,
            Cause::Binding => Self::DeniedBinding,
            Cause::Spent => Self::DeniedSpent,
            Cause::Changed => Self::DeniedChanged,
            Cause::Expired => Self::DeniedExpired,
            Cause::UnknownCredential => Self::DeniedCredential,
            Cause::Credentials => Self::DeniedCredentials,
            Cause::Offer => Self::DeniedOffer,
            Cause::Source => Self::DeniedSource,
            // Every role that may enrol a client has the permission; what the core may add is denied.
            _ => Self::DeniedProof,
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

const _: () = assert!(
    Action::ALL.len() == Action::SetAttributes as usize + 1
        && Outcome::ALL.len() == Outcome::DeniedSource as usize + 1,
    "the last of them is another now: both lists hold all of them"
);

/// One line of the audit.
#[derive(Clone, Copy)]
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
    /// Where the connection came from, if it came over IP.
    pub(crate) address: Option<IpAddr>,
    /// What the connection calls itself.
    pub(crate) application: ShortText,
    /// Which credential was proven, or came or went, as far as it is known.
    pub(crate) credential: Option<CredentialId>,
}

/// Text of at most [`ShortText::MAX`] bytes, in the encoding of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShortText {
    len: u8,
    bytes: [u8; Self::MAX],
}

impl ShortText {
    /// As long as a name of the server may be.
    pub(crate) const MAX: usize = 63;

    /// The text, cut off if it is too long.
    pub(crate) fn new(text: &[u8]) -> Self {
        let len = text.len().min(Self::MAX);
        let mut bytes = [0; Self::MAX];
        bytes[..len].copy_from_slice(&text[..len]);
        Self {
            len: len as u8,
            bytes,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len as usize).unwrap_or_default()
    }
}

/// An event in bytes. What another process was writing when it was killed may be anything; reading it
/// is safe all the same.
#[derive(Clone, Copy)]
pub(crate) struct Encoded([u8; Self::LEN]);

impl Encoded {
    pub(crate) const LEN: usize = Self::LEN_BEFORE + 1 + CredentialId::LEN;
    /// In version 1.0, which knew of no credential.
    pub(crate) const LEN_BEFORE: usize =
        8 + 8 + 4 + 4 + 1 + 1 + 4 + 1 + CLIENT_ID_MAX + 17 + 1 + ShortText::MAX;

    /// Bytes that a file holds, of this version or of 1.0.
    pub(crate) fn from_file(bytes: &[u8]) -> Option<Self> {
        let mut whole = [0; Self::LEN];
        match bytes.len() {
            Self::LEN | Self::LEN_BEFORE => whole.get_mut(..bytes.len())?.copy_from_slice(bytes),
            _ => return None,
        }
        Some(Self(whole))
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The event, if these bytes are one.
    pub(crate) fn decode(&self) -> Option<Event> {
        let mut rest = &self.0[..];
        let at = i64::from_le_bytes(take(&mut rest)?);
        let transaction = u64::from_le_bytes(take(&mut rest)?);
        let backend = i32::from_le_bytes(take(&mut rest)?);
        let role = u32::from_le_bytes(take(&mut rest)?);
        let [action, outcome] = take(&mut rest)?;
        let database = u32::from_le_bytes(take(&mut rest)?);
        let [id_len] = take(&mut rest)?;
        let id: [u8; CLIENT_ID_MAX] = take(&mut rest)?;
        let [family] = take(&mut rest)?;
        let address: [u8; 16] = take(&mut rest)?;
        let [application_len] = take(&mut rest)?;
        let application: [u8; ShortText::MAX] = take(&mut rest)?;
        let [of_a_credential] = take(&mut rest)?;
        let credential = take(&mut rest)?;
        let id = match id_len {
            0 => None,
            len => Some(ClientId::from_bytes(id.get(..len as usize)?).ok()?),
        };
        let [a, b, c, d, ..] = address;
        Some(Event {
            at,
            transaction,
            backend,
            role,
            action: Action::ALL.into_iter().find(|one| *one as u8 == action)?,
            outcome: Outcome::ALL.into_iter().find(|one| *one as u8 == outcome)?,
            client: ClientKey::of(database, id.as_ref()),
            address: match family {
                0 => None,
                4 => Some(Ipv4Addr::new(a, b, c, d).into()),
                6 => Some(Ipv6Addr::from(address).into()),
                _ => return None,
            },
            application: ShortText::new(application.get(..application_len as usize)?),
            credential: match of_a_credential {
                0 => None,
                1 => Some(CredentialId::from_bytes(credential)),
                _ => return None,
            },
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

impl Event {
    pub(crate) fn encode(&self) -> Encoded {
        let id = self.client.id_bytes();
        let mut padded_id = [0; CLIENT_ID_MAX];
        if let Some(place) = padded_id.get_mut(..id.len()) {
            place.copy_from_slice(id);
        }
        let (family, address) = match self.address {
            None => (0, [0; 16]),
            Some(IpAddr::V4(address)) => {
                let mut padded = [0; 16];
                padded[..4].copy_from_slice(&address.octets());
                (4, padded)
            }
            Some(IpAddr::V6(address)) => (6, address.octets()),
        };
        let credential = self
            .credential
            .map_or([0; CredentialId::LEN], |id| *id.as_bytes());
        let mut bytes = [0; Encoded::LEN];
        let mut left = &mut bytes[..];
        for part in [
            &self.at.to_le_bytes()[..],
            &self.transaction.to_le_bytes(),
            &self.backend.to_le_bytes(),
            &self.role.to_le_bytes(),
            &[self.action as u8, self.outcome as u8],
            &self.client.database().to_le_bytes(),
            &[id.len() as u8],
            &padded_id,
            &[family],
            &address,
            &[self.application.len],
            &self.application.bytes,
            &[u8::from(self.credential.is_some())],
            &credential,
        ] {
            let (place, rest) = left.split_at_mut(part.len());
            place.copy_from_slice(part);
            left = rest;
        }
        Encoded(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_event_comes_out_as_it_went_in(
            numbers in (any::<i64>(), any::<u64>(), any::<i32>(), any::<u32>(), any::<u32>()),
            kind in (0..Action::ALL.len(), 0..Outcome::ALL.len()),
            id in proptest::option::of("[a-z0-9.@_-]{1,128}"),
            address in proptest::option::of(any::<IpAddr>()),
            application in proptest::collection::vec(any::<u8>(), 0..80),
            credential in proptest::option::of(any::<[u8; 16]>()),
        ) {
            let (at, transaction, backend, role, database) = numbers;
            let id = id.and_then(|id| id.parse().ok());
            let event = Event {
                at,
                transaction,
                backend,
                role,
                action: Action::ALL[kind.0],
                outcome: Outcome::ALL[kind.1],
                client: ClientKey::of(database, id.as_ref()),
                address,
                application: ShortText::new(&application),
                credential: credential.map(CredentialId::from_bytes),
            };
            let back = event.encode().decode().unwrap();
            prop_assert_eq!(
                (back.at, back.transaction, back.backend, back.role, back.action, back.outcome),
                (at, transaction, backend, role, event.action, event.outcome)
            );
            prop_assert!(back.client == event.client);
            prop_assert_eq!((back.address, back.application), (address, event.application));
            prop_assert_eq!(back.credential, event.credential);
            let (again, encoded) = (back.encode(), event.encode());
            prop_assert_eq!(again.as_bytes(), encoded.as_bytes());
            let before = Encoded::from_file(&encoded.as_bytes()[..Encoded::LEN_BEFORE]).unwrap();
            prop_assert_eq!(before.decode().unwrap().credential, None);
        }

        #[test]
        fn any_bytes_are_an_event_or_none(bytes in proptest::collection::vec(any::<u8>(), Encoded::LEN)) {
            let _ = Encoded::from_file(&bytes).unwrap().decode();
        }
    }
}
