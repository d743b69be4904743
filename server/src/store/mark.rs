//! What a store says of itself when no server may use it: where its clients went, or what has to be done first.

use std::time::{Duration, UNIX_EPOCH};

use super::api::StoreError;

/// Why no server may use a store. While a store has a mark, no step, no look-up and no server's start works on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Its clients were moved there.
    Moved {
        /// Where that is.
        to: String,
    },
    /// Something is copied or restored into it, and is not whole yet.
    Filling {
        /// Which attempt: of two, the later one goes on.
        run: String,
        /// From where.
        from: String,
    },
    /// It came back from a backup of its engine, and what that brings back is being made void.
    Reviving {
        /// When the backup was made, in Unix seconds.
        since: u64,
    },
    /// It came back from a backup, and nobody has looked yet at what was done since.
    Restored {
        /// When the backup was made, in Unix seconds.
        since: u64,
    },
    /// It is a backup itself.
    Backup {
        /// When it was begun, in Unix seconds.
        made_at: u64,
    },
}

impl Mark {
    /// For something that is put into a store from there.
    pub(crate) fn filling(from: &str) -> Result<Self, StoreError> {
        let mut run = [0; 8];
        getrandom::fill(&mut run)
            .map_err(|_| StoreError("the random source of the operating system failed".into()))?;
        Ok(Self::Filling {
            run: hex::encode(run),
            from: from.into(),
        })
    }

    /// As it stands in a store.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Moved { to } => format!("moved {to}"),
            Self::Filling { run, from } => format!("filling {run} {from}"),
            Self::Reviving { since } => format!("reviving {since}"),
            Self::Restored { since } => format!("restored {since}"),
            Self::Backup { made_at } => format!("backup {made_at}"),
        }
    }

    /// What stands in a store. Whatever is none of ours says where it was moved, as an operator may have written it.
    pub(crate) fn parse(text: &str) -> Self {
        let moved = || Self::Moved {
            to: text.strip_prefix("moved ").unwrap_or(text).into(),
        };
        let Some((kind, rest)) = text.split_once(' ') else {
            return moved();
        };
        let time = || rest.parse().ok();
        let read = match kind {
            "filling" => rest.split_once(' ').map(|(run, from)| Self::Filling {
                run: run.into(),
                from: from.into(),
            }),
            "reviving" => time().map(|since| Self::Reviving { since }),
            "restored" => time().map(|since| Self::Restored { since }),
            "backup" => time().map(|made_at| Self::Backup { made_at }),
            _ => None,
        };
        read.unwrap_or_else(moved)
    }

    /// Why it is not used, and what would be right.
    #[must_use]
    pub fn refusal(&self) -> String {
        match self {
            Self::Moved { to } => format!("it was moved to {to}; use that"),
            Self::Filling { from, .. } => format!(
                "what is put into it from {from} is not whole; give the command that does so once more, or use another \
                 store"
            ),
            Self::Reviving { .. } => {
                "what its backup brings back is not void yet; give 2fapi store restored once more"
                    .into()
            }
            Self::Restored { since } => format!(
                "it was restored from a backup of {}, and whoever was revoked, rotated or unlinked since is let in as \
                 before: 2fapi store restored --audit LOG says who that is, and with --apply or --waive has it served",
                date(*since)
            ),
            Self::Backup { made_at } => format!(
                "it is a backup, of {}; 2fapi store restore puts it into a store",
                date(*made_at)
            ),
        }
    }
}

impl From<Mark> for StoreError {
    fn from(mark: Mark) -> Self {
        Self(mark.refusal())
    }
}

/// A time as people and logs write it.
pub(crate) fn date(seconds: u64) -> String {
    let at = UNIX_EPOCH.checked_add(Duration::from_secs(seconds.min(253_402_300_799)));
    at.map_or_else(
        || seconds.to_string(),
        |at| humantime::format_rfc3339_seconds(at).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_what_is_unknown_says_where_it_went() {
        for mark in [
            Mark::Moved {
                to: "postgres://db/a b".into(),
            },
            Mark::filling("/var/lib/a file").unwrap(),
            Mark::Reviving { since: 5 },
            Mark::Restored {
                since: 1_795_000_000,
            },
            Mark::Backup { made_at: 7 },
        ] {
            assert_eq!(Mark::parse(&mark.to_text()), mark);
            assert!(!mark.refusal().is_empty());
        }
        for by_hand in ["postgres://db/d", "restored yesterday", "filling", ""] {
            let to = by_hand.into();
            assert_eq!(Mark::parse(by_hand), Mark::Moved { to });
        }
        assert_eq!(date(1_795_000_000), "2026-11-18T11:06:40Z");
        assert_eq!(date(u64::MAX), "9999-12-31T23:59:59Z");
    }
}
