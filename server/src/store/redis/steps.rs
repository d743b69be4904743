//! A step, as one script, and what its answer means.

use twofapi_crypto_core::{
    ChallengeTtl, ClientStatus,
    ceremony::{Change, Committed, Expect, Permission, SpentSet, Step, Terms},
};

use super::{
    about::StoreId,
    layout::{Bucket, beginning, kept},
    said::{Answer, Said, unexpected},
    scripts::Name,
};
use crate::store::{api::StoreError, session::Session};

/// A challenge lives no longer.
const LONGEST: u32 = ChallengeTtl::MAX_SECONDS + Terms::MAX_SKEW;

/// How many challenges can be spent at a time in one bucket, and how many of these can be one client's where they are many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    all: u32,
    of_one: u32,
}

impl Capacity {
    /// Of a store whose buckets hold so many together. Clients are not spread evenly, so none holds too few.
    pub(super) fn of(capacity: u32, buckets: u16) -> Self {
        let all = match buckets {
            1 => capacity.max(2),
            buckets => capacity.div_ceil(buckets.into()).max(64),
        };
        Self {
            all,
            of_one: SpentSet::share_of_one(all),
        }
    }
}

/// A step as it is said, and whether it changes what lasts.
pub(super) struct SaidStep {
    pub(super) said: Said,
    pub(super) lasts: bool,
}

impl SaidStep {
    /// `None` for a step that no ceremony makes: a proven one that spends nothing, or one that changes what it does not
    /// expect.
    pub(super) fn of(
        step: &Step,
        session: Option<&Session>,
        store: &StoreId,
        bucket: Bucket,
        capacity: Capacity,
    ) -> Option<Self> {
        let id = &step.client_id;
        let (kind, permission, before, after) = match (&step.expect, &step.change, &step.spend) {
            (Expect::Absent(permission), Change::Insert(record), None) => {
                ("e", permission, Vec::new(), record)
            }
            (
                Expect::Unrevoked {
                    permission,
                    version,
                    generation,
                    status,
                },
                Change::Replace(record),
                None,
            ) if *status != ClientStatus::Revoked => {
                let before = beginning(*status, *version, *generation).to_vec();
                ("r", permission, before, record)
            }
            _ => return Self::proven(step, session, store, bucket, capacity),
        };
        let invitation = match permission {
            Permission::Invitation(key) => key.to_vec(),
            Permission::Host => Vec::new(),
        };
        let (client, ids, invitations) = (bucket.client(id), bucket.ids(), bucket.invitations(id));
        let said = Said::new(Name::Permitted, store, bucket)
            .key(client)
            .key(ids)
            .key(invitations)
            .with(kind)
            .with(invitation)
            .with(before)
            .with(kept(after))
            .with(id.as_bytes());
        Some(Self { said, lasts: true })
    }

    fn proven(
        step: &Step,
        session: Option<&Session>,
        store: &StoreId,
        bucket: Bucket,
        capacity: Capacity,
    ) -> Option<Self> {
        let (
            Expect::Unchanged {
                version,
                generation,
                credential,
                expires_at,
                joined,
            },
            Some(spend),
        ) = (&step.expect, &step.spend)
        else {
            return None;
        };
        let after = match (&step.change, joined) {
            (Change::None, None) => Vec::new(),
            (Change::Replace(record), _) => kept(record),
            _ => return None,
        };
        let mut member = spend.share.number().to_be_bytes().to_vec();
        member.extend(spend.key.as_bytes());
        let expires_at = expires_at.map_or(String::new(), |at| at.to_string());
        let joined = joined
            .as_ref()
            .map_or(Vec::new(), |joined| joined.to_bytes());
        let id = &step.client_id;
        let (client, link) = (bucket.client(id), bucket.link(id));
        let (sessions, ends) = (bucket.sessions(id), bucket.session_ends(id));
        let lasts = !after.is_empty();
        let said = of_set(Name::Proven, store, bucket)
            .key(client)
            .key(link)
            .key(sessions)
            .key(ends)
            .with(beginning(ClientStatus::Active, *version, *generation))
            .with(credential.as_bytes().as_slice())
            .with(expires_at)
            .with(member)
            .number(spend.expires_at)
            .with(spend.epoch.as_bytes().as_slice())
            .number(capacity.all)
            .number(capacity.of_one)
            .number(LONGEST)
            .with(after)
            .with(joined)
            .with(session.map_or(Vec::new(), |session| session.id.as_bytes().to_vec()))
            .number(session.map_or(0, |session| session.expires_at))
            .with(session.map_or(Vec::new(), Session::to_bytes))
            .number(Session::MOST_OF_ONE);
        Some(Self { said, lasts })
    }
}

/// A script about the spent set of a bucket.
pub(super) fn of_set(script: Name, store: &StoreId, bucket: Bucket) -> Said {
    let (spent, shares) = (bucket.spent(), bucket.shares());
    Said::new(script, store, bucket).key(spent).key(shares)
}

/// What the answer means, and what the clock said in it.
pub(super) fn outcome(answer: &Answer) -> Result<(Committed, Option<u64>), StoreError> {
    let committed = match answer.word.as_str() {
        "done" => Committed::Done,
        "changed" => Committed::Changed,
        "exists" => Committed::Exists,
        "not invited" => Committed::NotInvited,
        "spent" => Committed::Spent,
        "expired" => Committed::Expired,
        "stale epoch" => Committed::StaleEpoch,
        "full" => Committed::Full {
            retry_after: answer.number(1)?.clamp(1, u32::MAX.into()) as u32,
        },
        _ => return Err(unexpected()),
    };
    Ok((committed, answer.number(0).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buckets_share_the_capacity_and_none_is_too_small() {
        let of = |all, of_one| Capacity { all, of_one };
        assert_eq!(Capacity::of(40, 1), of(40, 16));
        assert_eq!(Capacity::of(0, 1), of(2, 16));
        assert_eq!(Capacity::of(1_000_000, 1), of(1_000_000, 15_625));
        assert_eq!(Capacity::of(1_000_000, 1024), of(977, 16));
        assert_eq!(Capacity::of(40, 1024), of(64, 16));
    }
}
