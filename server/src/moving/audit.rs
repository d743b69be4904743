//! What servers have logged of clients, as JSON lines (`--json-logs`): read for what was done since a backup.

use std::{
    fmt,
    io::{self, BufRead},
};

use serde::Deserialize;
use twofapi_crypto_core::{ClientId, ClientStatus, CredentialId};

/// Something that was done to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in Unix seconds.
    pub at: u64,
    /// To whom.
    pub client_id: ClientId,
    /// What.
    pub what: What,
}

/// What was done. A version is that of the record after it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum What {
    Enrolled,
    Reset {
        version: u32,
    },
    Rotated {
        was: Option<CredentialId>,
        version: u32,
    },
    Linked {
        credential: CredentialId,
        version: u32,
    },
    Unlinked {
        credential: CredentialId,
        version: u32,
    },
    Suspended,
    Resumed,
    Revoked,
    SessionsEnded,
    ExpirySet {
        credential: CredentialId,
        expires_at: Option<u64>,
        version: u32,
    },
    /// Something was said of it that the log does not repeat.
    Said {
        what: String,
        version: u32,
    },
}

impl What {
    /// The version of the record after it, for what makes one.
    pub(super) const fn version(&self) -> Option<u32> {
        match self {
            Self::Enrolled => Some(1),
            Self::Reset { version }
            | Self::Rotated { version, .. }
            | Self::Linked { version, .. }
            | Self::Unlinked { version, .. }
            | Self::ExpirySet { version, .. }
            | Self::Said { version, .. } => Some(*version),
            Self::Suspended | Self::Resumed | Self::Revoked | Self::SessionsEnded => None,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enrolled => f.write_str("enrolled"),
            Self::Reset { .. } => f.write_str("reset"),
            Self::Rotated { .. } => f.write_str("rotated"),
            Self::Linked { credential, .. } => write!(f, "linked {credential}"),
            Self::Unlinked { credential, .. } => write!(f, "unlinked {credential}"),
            Self::ExpirySet { credential, .. } => write!(f, "expiry of {credential} set"),
            Self::Said { what, .. } => f.write_str(what),
            Self::Suspended => f.write_str("suspended"),
            Self::Resumed => f.write_str("resumed"),
            Self::Revoked => f.write_str("revoked"),
            Self::SessionsEnded => f.write_str("sessions ended"),
        }
    }
}

/// What logs say together.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// In the order of their times.
    pub events: Vec<Event>,
    /// When the first line was written, in Unix seconds.
    pub begins: Option<u64>,
    /// Lines that are no JSON of a log, as one that was cut off is.
    pub unread: u64,
    /// Lines that the log itself says are missing, as nobody read them in time.
    pub dropped: u64,
}

#[derive(Deserialize)]
struct Line {
    timestamp: String,
    fields: Fields,
}

#[derive(Default, Deserialize)]
struct Fields {
    #[serde(default)]
    message: String,
    client_id: Option<String>,
    credential: Option<String>,
    was: Option<String>,
    version: Option<u32>,
    what: Option<String>,
    status: Option<String>,
    expires_at: Option<u64>,
    lines: Option<u64>,
}

impl Audit {
    /// Reads another log.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&mut self, log: impl BufRead) -> io::Result<()> {
        for line in log.split(b'\n') {
            let line = line?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Line>(&line).ok().and_then(|line| {
                let at = humantime::parse_rfc3339(&line.timestamp).ok()?;
                let at = at.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
                Some((at, line.fields))
            }) {
                Some((at, fields)) => self.take(at, &fields),
                None => self.unread += 1,
            }
        }
        self.events.sort_by_key(|event| event.at);
        Ok(())
    }

    fn take(&mut self, at: u64, fields: &Fields) {
        self.begins = Some(self.begins.map_or(at, |begins| begins.min(at)));
        if fields.message.starts_with("lines of this log were dropped") {
            self.dropped += fields.lines.unwrap_or(1);
            return;
        }
        let Some(name) = &fields.client_id else {
            return;
        };
        match (ClientId::parse(name), fields.what()) {
            (Ok(client_id), Some(Ok(what))) => self.events.push(Event {
                at,
                client_id,
                what,
            }),
            // A change that is not understood is not passed over.
            (Err(_), Some(_)) | (_, Some(Err(()))) => self.unread += 1,
            (_, None) => {}
        }
    }
}

impl Fields {
    /// `None` for what changes no record.
    fn what(&self) -> Option<Result<What, ()>> {
        let id = |text: &Option<String>| text.as_deref().and_then(|id| id.parse().ok());
        let credential = id(&self.credential).ok_or(());
        let version = self.version.ok_or(());
        let read = || {
            Ok(match self.message.as_str() {
                "enrolled" => What::Enrolled,
                "reset" => What::Reset { version: version? },
                "rotated" => What::Rotated {
                    was: id(&self.was),
                    version: version?,
                },
                "linked" => What::Linked {
                    credential: credential?,
                    version: version?,
                },
                "unlinked" => What::Unlinked {
                    credential: credential?,
                    version: version?,
                },
                _ => return self.by_the_operator(version?, credential),
            })
        };
        let changes = [
            "enrolled", "reset", "rotated", "linked", "unlinked", OPERATOR,
        ];
        changes.contains(&self.message.as_str()).then(read)
    }

    fn by_the_operator(
        &self,
        version: u32,
        credential: Result<CredentialId, ()>,
    ) -> Result<What, ()> {
        let what = self.what.as_deref().ok_or(())?;
        // Whoever is out stays so, whatever word the change goes by.
        if self.status.as_deref() == Some(ClientStatus::Revoked.as_str()) {
            return Ok(What::Revoked);
        }
        Ok(match (what, credential, self.expires_at) {
            ("suspended", ..) => What::Suspended,
            ("resumed", ..) => What::Resumed,
            ("sessions ended", ..) => What::SessionsEnded,
            ("expiry of a credential set", Ok(credential), Some(at)) => What::ExpirySet {
                credential,
                expires_at: (at != 0).then_some(at),
                version,
            },
            (what, ..) => What::Said {
                what: what.into(),
                version,
            },
        })
    }
}

/// The message of what an operator does to a record.
const OPERATOR: &str = "changed by the operator";
