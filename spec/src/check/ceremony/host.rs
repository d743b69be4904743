//! The smallest host that drives the ceremonies: it keeps everything in memory.

use std::{collections::BTreeMap, sync::Arc};

use twofapi_crypto_core::{
    Attributes, Audience, AuthenticationBinding, ChallengeTtl, ClientId, Commitment, CredentialId,
    Error, Record, Transition,
    ceremony::{
        Accepted, Change, Check, Committed, Decoys, EnrolmentRequest, Epoch, Expect, JoinRequest,
        Keys, LinkState, Named, OwnedSpentSet, PendingLink, Permission, Refused, Root, Step, Terms,
        Wanted,
    },
};

use super::super::{array, given::Given, refusal};
use crate::cases::{HostTerms, IssuedChallenge, ListedCredential, NumberedRoot, PendingCase};

pub(super) struct Host {
    pub(super) terms: Terms,
    roots: Vec<Root>,
    spent: OwnedSpentSet,
    clients: BTreeMap<String, Record>,
    pending: BTreeMap<String, PendingLink>,
}

fn roots(given: &[NumberedRoot]) -> Result<Vec<Root>, String> {
    given
        .iter()
        .map(|it| Ok(Root::new(it.number, array("root", &it.root)?)))
        .collect()
}

impl Host {
    pub(super) fn new(given: &HostTerms) -> Result<Self, String> {
        let binding = match &given.audience {
            Some(audience) => {
                AuthenticationBinding::for_audience(&Audience::parse(audience).map_err(refusal)?)
            }
            None => AuthenticationBinding::none(),
        };
        let ttl = ChallengeTtl::from_seconds(given.ttl).map_err(refusal)?;
        let epoch = Epoch::from_bytes(array("epoch", &given.epoch)?);
        Ok(Self {
            terms: Terms::new(binding, Decoys::new([0; 16]))
                .with_ttl(ttl)
                .with_skew(given.skew),
            roots: roots(&given.roots)?,
            spent: OwnedSpentSet::new(given.capacity, epoch),
            clients: BTreeMap::new(),
            pending: BTreeMap::new(),
        })
    }

    pub(super) fn change_roots(&mut self, given: &[NumberedRoot]) -> Result<(), String> {
        self.roots = roots(given)?;
        Ok(())
    }

    /// The keys of the epoch in which the set is, and the time by which it goes.
    pub(super) fn keys(&mut self, now: u64) -> Result<(Arc<Keys>, u64), String> {
        let mut set_back = false;
        let at = self.spent.set().at(now, || {
            set_back = true;
            Ok(Epoch::from_bytes([0xee; Epoch::LEN]))
        });
        let at = at.map_err(refusal)?;
        if set_back {
            return Err("the clock was set back: a challenge has to be asked for first".into());
        }
        let keys = Keys::derive(&self.roots, at.epoch).map_err(refusal)?;
        Ok((Arc::new(keys), at.now))
    }

    pub(super) fn challenge(
        &mut self,
        now: u64,
        client_id: &str,
        random: [u8; 8],
        draws: Option<[u8; Epoch::LEN]>,
    ) -> Result<Result<IssuedChallenge, Error>, String> {
        let client_id = match ClientId::parse(client_id) {
            Ok(client_id) => client_id,
            Err(error) => return Ok(Err(error)),
        };
        let mut drawn = false;
        let at = self.spent.set().at(now, || {
            drawn = true;
            Ok(Epoch::from_bytes(draws.unwrap_or([0; Epoch::LEN])))
        });
        let at = at.map_err(refusal)?;
        if drawn != draws.is_some() {
            return Err(format!("a new epoch was drawn: {drawn}"));
        }
        let keys = Keys::derive(&self.roots, at.epoch).map_err(refusal)?;
        let issued = self
            .terms
            .challenge(&keys, &client_id, at.now, &mut Given(random));
        Ok(issued.map(|challenge| IssuedChallenge {
            challenge_id: challenge.id.to_string(),
            nonce: hex::encode(challenge.nonce.as_bytes()),
            expires_at: challenge.id.expires_at().into(),
        }))
    }

    pub(super) fn enrol(
        &mut self,
        permitted: bool,
        request: &EnrolmentRequest<'_>,
    ) -> Result<Accepted, Refused> {
        let asked = self.terms.enrol(request)?;
        if !permitted {
            return Err(asked.refuse());
        }
        self.carry_out(asked.permitted(Permission::Host), 0)
    }

    pub(super) fn reset(
        &mut self,
        now: u64,
        permitted: bool,
        request: &EnrolmentRequest<'_>,
    ) -> Result<Accepted, Refused> {
        let asked = self.terms.enrol(request)?.at(now);
        if !permitted {
            return Err(asked.refuse());
        }
        let record = self.clients.get(asked.client_id().as_str()).cloned();
        self.carry_out(asked.permitted_to_reset(Permission::Host, record)?, now)
    }

    /// `now` is the store's clock.
    pub(super) fn attempt(&mut self, wanted: Wanted, now: u64) -> Result<Accepted, Refused> {
        let client_id = wanted.client_id().as_str().to_owned();
        let record = self.clients.get(&client_id).cloned();
        let pending = self.pending.get(&client_id).cloned();
        let pending = pending.filter(|_| wanted.wants_pending_link());
        let check = wanted
            .with_pending_link(pending)
            .found(record, |bytes| Commitment::from_bytes(bytes))
            .map_err(Refused::Failed)?;
        self.carry_out(check, now)
    }

    fn carry_out(&mut self, check: Check, now: u64) -> Result<Accepted, Refused> {
        let commit = check.verify().settle()?;
        let committed = self.step(commit.step(), now);
        commit.done(committed)
    }

    /// The one step of the store.
    fn step(&mut self, step: &Step, now: u64) -> Committed {
        let client_id = step.client_id.as_str();
        let as_expected = step.expect.met_by(self.clients.get(client_id), now);
        if as_expected != Committed::Done {
            return as_expected;
        }
        let joined = match &step.expect {
            Expect::Unchanged { joined, .. } => joined.as_deref(),
            _ => None,
        };
        if joined.is_some() && self.pending.get(client_id) != joined {
            return Committed::Changed;
        }
        if let Some(spend) = &step.spend {
            let committed = self.spent.set().accept(spend, now);
            if committed != Committed::Done {
                return committed;
            }
        }
        if joined.is_some() {
            self.pending.remove(client_id);
        }
        if let Change::Insert(record) | Change::Replace(record) = &step.change {
            self.clients.insert(client_id.to_owned(), record.clone());
        }
        Committed::Done
    }

    /// A token has shown already that it is this client.
    pub(super) fn offer(
        &mut self,
        now: u64,
        client_id: &str,
        of: &str,
    ) -> Result<Result<(), Refused>, String> {
        let client = ClientId::parse(client_id).map_err(refusal)?;
        let (keys, clock) = self.keys(now)?;
        let of = Named::Joined(of.as_bytes());
        let offered = self.terms.offer(&keys, clock, &client, &of);
        Ok(offered.map(|pending| {
            self.pending.insert(client_id.to_owned(), pending);
        }))
    }

    /// The number that the second device shows.
    pub(super) fn join(
        &mut self,
        now: u64,
        request: &JoinRequest<'_>,
    ) -> Result<Result<u32, Refused>, String> {
        let (keys, clock) = self.keys(now)?;
        let joiner = match self.terms.join(&keys, clock, request) {
            Ok(joiner) => joiner,
            Err(refused) => return Ok(Err(refused)),
        };
        let pending = self.pending.get(joiner.client_id().as_str()).cloned();
        Ok(joiner.found(pending).and_then(|join| {
            let (client_id, after) = (join.client_id().as_str().to_owned(), join.after().clone());
            self.pending.insert(client_id, after);
            join.done(true)
        }))
    }

    pub(super) fn pending(&self, now: u64, client_id: &str) -> PendingCase {
        let kept = self.pending.get(client_id);
        let found = kept.and_then(|kept| Some((kept, kept.state(now)?)));
        let Some((kept, state)) = found else {
            return PendingCase {
                state: "none".into(),
                ..PendingCase::default()
            };
        };
        let (word, joined, called) = match state {
            LinkState::Open => ("open", None, None),
            LinkState::Joined {
                commitment, name, ..
            } => ("joined", Some(hex::encode(commitment)), Some(name)),
            LinkState::Clashed => ("clashed", None, None),
        };
        PendingCase {
            state: word.into(),
            until: Some(kept.until()),
            joined,
            called: called.map(ToString::to_string),
        }
    }

    pub(super) fn record(&self, client_id: &str) -> Result<&Record, String> {
        let record = self.clients.get(client_id);
        record.ok_or_else(|| format!("no client is enrolled as {client_id:?}"))
    }

    pub(super) fn listed(record: &Record) -> Vec<ListedCredential> {
        let listed = record.credentials().iter().map(|one| ListedCredential {
            id: one.id().to_string(),
            called: one.name().to_string(),
            created: one.created(),
            since: one.since(),
        });
        listed.collect()
    }

    /// The version of the record from then on.
    pub(super) fn expire(
        &mut self,
        client_id: &str,
        credential: Option<&str>,
        expires_at: Option<u64>,
    ) -> Result<u32, String> {
        let mut record = self.record(client_id)?.clone();
        match credential {
            Some(id) => {
                let id: CredentialId = id.parse().map_err(refusal)?;
                record.set_expiry(&id, expires_at).map_err(refusal)?;
            }
            None => record
                .set_attributes(Attributes {
                    expires_at,
                    ..record.attributes().cloned().unwrap_or_default()
                })
                .map_err(refusal)?,
        }
        let version = record.version();
        self.clients.insert(client_id.to_owned(), record);
        Ok(version)
    }

    pub(super) fn operate(&mut self, act: &str, client_id: &str) -> Result<String, String> {
        let Some(record) = self.clients.get_mut(client_id) else {
            return Ok("not_enrolled".into());
        };
        let outcome = match act {
            "suspend" => record.suspend(),
            "resume" => record.resume(),
            "revoke" => Ok(record.revoke()),
            "end_sessions" => record.end_sessions().map(|()| Transition::Changed),
            _ => return Err(format!("there is no act {act:?}")),
        };
        Ok(match outcome {
            Ok(Transition::Changed) => "changed".into(),
            Ok(Transition::Unchanged) => "unchanged".into(),
            Err(error) => error.code().to_string(),
        })
    }
}
