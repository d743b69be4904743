//! Whole hosts: the smallest one that drives the ceremonies, and scripts of what it is asked.

use std::{collections::BTreeMap, sync::Arc};

use twofapi_crypto_core::{
    Audience, AuthenticationBinding, ChallengeTtl, ClientId, Commitment, Error, Record, Transition,
    ceremony::{
        Accepted, AuthenticationRequest, Change, Check, Committed, Decoys, EnrolmentRequest, Epoch,
        Keys, Named, OwnedSpentSet, Permission, Refused, Root, RotationRequest, Step, Terms,
        Wanted,
    },
};

use super::{Report, array, bytes, given::Given, names_are_unique, refusal};
use crate::cases::{
    CeremonyFile, CeremonyScript, CeremonyStep, FileError, HostTerms, IssuedChallenge, NumberedRoot,
};

pub(super) fn run(file: &CeremonyFile, report: &mut Report) -> Result<(), FileError> {
    names_are_unique(file.scripts.iter().map(|script| &script.name))?;
    for script in &file.scripts {
        play(script, report);
    }
    Ok(())
}

fn play(script: &CeremonyScript, report: &mut Report) {
    let mut host = match Host::new(&script.host) {
        Ok(host) => host,
        Err(what) => return report.disagree(&script.name, what),
    };
    for (at, step) in script.steps.iter().enumerate() {
        match host.take(step) {
            Ok(true) => report.accepted += 1,
            Ok(false) => report.rejected += 1,
            Err(what) => report.disagree(&format!("{}, step {}", script.name, at + 1), what),
        }
    }
}

/// A host that keeps everything in memory.
struct Host {
    terms: Terms,
    roots: Vec<Root>,
    spent: OwnedSpentSet,
    clients: BTreeMap<String, Record>,
}

fn roots(given: &[NumberedRoot]) -> Result<Vec<Root>, String> {
    given
        .iter()
        .map(|it| Ok(Root::new(it.number, array("root", &it.root)?)))
        .collect()
}

impl Host {
    fn new(given: &HostTerms) -> Result<Self, String> {
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
        })
    }

    /// Whether the step, which came out as the script says, was one that the host accepts.
    fn take(&mut self, step: &CeremonyStep) -> Result<bool, String> {
        match step {
            CeremonyStep::Enroll {
                permitted,
                client_id,
                commitment,
                proof,
                answer,
            } => {
                let (commitment, proof) =
                    (bytes("commitment", commitment)?, bytes("proof", proof)?);
                let outcome = self.enrol(*permitted, client_id, &commitment, &proof);
                answered(answer, &outcome.map(drop))
            }
            CeremonyStep::Challenge {
                now,
                client_id,
                random,
                draws,
                issued,
                answer,
            } => {
                let random = array("random", random)?;
                let draws = draws.as_deref().map(|it| array("draws", it)).transpose()?;
                let outcome = self.challenge(*now, client_id, random, draws)?;
                if outcome.as_ref().ok() != issued.as_ref() {
                    return Err(format!("what is issued is {outcome:?}"));
                }
                answered(answer, &outcome.map(drop).map_err(Refused::Failed))
            }
            CeremonyStep::Authenticate {
                now,
                client_id,
                challenge_id,
                proof,
                binding,
                answer,
                retry_after,
            } => {
                let proof = bytes("proof", proof)?;
                let binding = binding.as_deref().map(|it| bytes("binding", it));
                let binding = binding.transpose()?;
                let request = AuthenticationRequest {
                    of: named(client_id, challenge_id),
                    credential: None,
                    proof: &proof,
                    binding: binding.as_deref(),
                };
                let (keys, clock) = self.keys(*now)?;
                let wanted = self.terms.authenticate(&keys, clock, &request);
                let outcome = wanted.and_then(|wanted| self.attempt(wanted, *now));
                if let Err(Refused::Throttled {
                    retry_after_seconds,
                }) = outcome
                    && *retry_after != Some(retry_after_seconds)
                {
                    return Err(format!("retry_after is {retry_after_seconds}"));
                }
                answered(answer, &outcome.map(drop))
            }
            CeremonyStep::Rotate {
                now,
                client_id,
                challenge_id,
                proof_old,
                commitment_new,
                proof_new,
                answer,
                version,
            } => {
                let proof_old = bytes("proof_old", proof_old)?;
                let commitment_new = bytes("commitment_new", commitment_new)?;
                let proof_new = bytes("proof_new", proof_new)?;
                let request = RotationRequest {
                    of: named(client_id, challenge_id),
                    credential: None,
                    proof_old: &proof_old,
                    commitment_new: &commitment_new,
                    proof_new: &proof_new,
                };
                let (keys, clock) = self.keys(*now)?;
                let wanted = self.terms.rotate(&keys, clock, &request);
                let outcome = wanted.and_then(|wanted| self.attempt(wanted, *now));
                let rotated = outcome.map(|accepted| accepted.record().version());
                if rotated.as_ref().ok() != version.as_ref() {
                    return Err(format!("the version is {rotated:?}"));
                }
                answered(answer, &rotated.map(drop))
            }
            CeremonyStep::Operate {
                act,
                client_id,
                answer,
            } => {
                let ours = self.operate(act, client_id)?;
                if ours != *answer {
                    return Err(format!("the answer is {ours}"));
                }
                Ok(["changed", "unchanged"].contains(&&*ours))
            }
            CeremonyStep::Roots { roots: given } => {
                self.roots = roots(given)?;
                Ok(true)
            }
        }
    }

    /// The keys of the epoch in which the set is, and the time by which it goes.
    fn keys(&mut self, now: u64) -> Result<(Arc<Keys>, u64), String> {
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

    fn challenge(
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

    fn enrol(
        &mut self,
        permitted: bool,
        client_id: &str,
        commitment: &[u8],
        proof: &[u8],
    ) -> Result<Accepted, Refused> {
        let asked = self.terms.enrol(&EnrolmentRequest {
            client_id: client_id.as_bytes(),
            commitment,
            proof,
        })?;
        if !permitted {
            return Err(asked.refuse());
        }
        self.carry_out(asked.permitted(Permission::Host), 0)
    }

    fn attempt(&mut self, wanted: Wanted, now: u64) -> Result<Accepted, Refused> {
        let record = self.clients.get(wanted.client_id().as_str()).cloned();
        let check = wanted
            .found(record, |decoy| Commitment::from_bytes(decoy))
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
        if let Some(spend) = &step.spend {
            let committed = self.spent.set().accept(spend, now);
            if committed != Committed::Done {
                return committed;
            }
        }
        if let Change::Insert(record) | Change::Replace(record) = &step.change {
            self.clients.insert(client_id.to_owned(), record.clone());
        }
        Committed::Done
    }

    fn operate(&mut self, act: &str, client_id: &str) -> Result<String, String> {
        let Some(record) = self.clients.get_mut(client_id) else {
            return Ok("not_enrolled".into());
        };
        let outcome = match act {
            "suspend" => record.suspend(),
            "resume" => record.resume(),
            "revoke" => Ok(record.revoke()),
            _ => return Err(format!("there is no act {act:?}")),
        };
        Ok(match outcome {
            Ok(Transition::Changed) => "changed".into(),
            Ok(Transition::Unchanged) => "unchanged".into(),
            Err(error) => error.code().to_string(),
        })
    }
}

fn named<'a>(client_id: &'a str, challenge_id: &'a str) -> Named<'a> {
    Named::Apart {
        client_id: client_id.as_bytes(),
        challenge_id: challenge_id.as_bytes(),
    }
}

/// Whether the answer is one that accepts, if it is the one that the script has.
fn answered(theirs: &str, ours: &Result<(), Refused>) -> Result<bool, String> {
    let answer = match ours {
        Ok(()) => "accepted",
        Err(refused) => Error::from(refused.clone()).code().as_str(),
    };
    if answer != theirs {
        return Err(format!("the answer is {answer} ({ours:?})"));
    }
    Ok(ours.is_ok())
}
