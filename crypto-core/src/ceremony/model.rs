//! Many attempts of many clients at once, in random order, against a store in memory: what the ceremonies
//! promise whatever happens between two of their steps.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    sync::Arc,
    vec::Vec,
};

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::{
    Authentication, AuthenticationBinding, Challenge, ChallengeId, ClientId, ClientRecord,
    Commitment, Credential, Enrolment, Proof, Rotation, prove, testing, testing::rng,
};

const NOW: u64 = 1_795_000_000;
const CLIENTS: usize = 3;

/// A store that takes a step as one action.
struct Store {
    records: BTreeMap<String, ClientRecord>,
    spent: OwnedSpentSet,
    now: u64,
}

impl Store {
    fn take(&mut self, step: &Step) -> Committed {
        let record = self.records.get(step.client_id.as_str());
        match (&step.expect, record) {
            (Expect::Absent(_), None) => {}
            (Expect::Absent(_), Some(_)) => return Committed::Exists,
            (Expect::Unchanged { version }, Some(record))
                if record.is_active() && record.commitment_version == *version => {}
            (Expect::Unchanged { .. }, _) => return Committed::Changed,
        }
        if let Some(spend) = &step.spend {
            match self.spent.set().accept(spend, self.now) {
                Committed::Done => {}
                other => return other,
            }
        }
        match &step.change {
            Change::None => {}
            Change::Insert(record) | Change::Replace(record) => {
                self.records.insert(step.client_id.as_str().into(), *record);
            }
        }
        Committed::Done
    }
}

/// An attempt on its way, and what it would be accepted as.
struct Attempt {
    stage: Stage,
    challenge: ChallengeId,
    client: usize,
    /// Whether its proofs were made as a client makes them.
    good: bool,
    /// What the client has from the acceptance of a rotation on.
    new: Option<Credential>,
}

enum Stage {
    Wanted(Wanted),
    Check(Check),
    Checked(Checked),
    Commit(Commit),
}

struct World {
    rng: ChaCha20Rng,
    terms: Terms,
    root: Root,
    store: Store,
    credentials: Vec<Credential>,
    challenges: Vec<(usize, Challenge, Proof)>,
    attempts: Vec<Attempt>,
    accepted: BTreeSet<(usize, [u8; ChallengeId::TEXT_LEN])>,
}

fn id(client: usize) -> ClientId {
    format!("client-{client}").parse().unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = rng(seed);
        let credentials: Vec<_> = (0..CLIENTS)
            .map(|_| Credential::generate(&mut rng).unwrap())
            .collect();
        // The last client is a stranger: it has a credential and no record.
        let records = (0..CLIENTS - 1)
            .map(|n| {
                let record = ClientRecord::enrolled(*credentials[n].commitment());
                (id(n).as_str().into(), record)
            })
            .collect();
        let binding = AuthenticationBinding::for_audience(&"https://a.example".parse().unwrap());
        let epoch = Epoch::generate(&mut rng).unwrap();
        Self {
            terms: Terms::new(binding, Decoys::new([1; 16])),
            root: Root::generate(3, &mut rng).unwrap(),
            store: Store {
                records,
                spent: OwnedSpentSet::new(1000, epoch),
                now: NOW,
            },
            rng,
            credentials,
            challenges: Vec::new(),
            attempts: Vec::new(),
            accepted: BTreeSet::new(),
        }
    }

    fn keys(&mut self) -> (Arc<Keys>, u64) {
        let rng = &mut self.rng;
        let mut set = self.store.spent.set();
        let at = set.at(self.store.now, || Epoch::generate(rng)).unwrap();
        let keys = Keys::derive(core::slice::from_ref(&self.root), at.epoch).unwrap();
        (Arc::new(keys), at.now)
    }

    /// A challenge with a good proof for it, by the credential that the client has now.
    fn challenge(&mut self, client: usize) {
        let (keys, now) = self.keys();
        let client_id = id(client);
        let challenge = self
            .terms
            .challenge(&keys, &client_id, now, &mut self.rng)
            .unwrap();
        let statement = Authentication {
            client_id: &client_id,
            nonce: &challenge.nonce,
            binding: self.terms.binding(),
        };
        let proof = prove(&self.credentials[client], &statement, &mut self.rng).unwrap();
        self.challenges.push((client, challenge, proof));
    }

    fn authenticate(&mut self, which: usize, wrong: bool) {
        let Some((client, challenge, proof)) = self.pick(which) else {
            return;
        };
        let mut proof = proof.to_bytes();
        if wrong {
            proof[64] ^= 1;
        }
        let (keys, now) = self.keys();
        let wanted = self.terms.authenticate(
            &keys,
            now,
            &AuthenticationRequest {
                of: Named::Apart {
                    client_id: id(client).as_bytes(),
                    challenge_id: &challenge.id.to_text(),
                },
                proof: &proof,
                binding: None,
            },
        );
        self.add(client, challenge.id, wanted, !wrong, None);
    }

    fn rotate(&mut self, which: usize, to_the_same: bool) {
        let Some((client, challenge, _)) = self.pick(which) else {
            return;
        };
        let (keys, now) = self.keys();
        let client_id = id(client);
        let drawn = Credential::generate(&mut self.rng).unwrap();
        let old = &self.credentials[client];
        let new = if to_the_same { old } else { &drawn };
        let commitment_new = *new.commitment();
        let statement = Rotation::new(
            &client_id,
            &challenge.nonce,
            &commitment_new,
            self.terms.binding(),
        )
        .unwrap();
        let proof_old = prove(old, &statement, &mut self.rng).unwrap();
        let possession = Enrolment {
            client_id: &client_id,
        };
        let proof_new = prove(new, &possession, &mut self.rng).unwrap();
        let joined = format!("{}.{client_id}", challenge.id);
        let wanted = self.terms.rotate(
            &keys,
            now,
            &RotationRequest {
                of: Named::Joined(joined.as_bytes()),
                proof_old: &proof_old.to_bytes(),
                commitment_new: commitment_new.as_bytes(),
                proof_new: &proof_new.to_bytes(),
            },
        );
        self.add(client, challenge.id, wanted, !to_the_same, Some(drawn));
    }

    fn pick(&self, which: usize) -> Option<(usize, Challenge, Proof)> {
        let count = self.challenges.len();
        (count > 0).then(|| self.challenges[which % count].clone())
    }

    fn add(
        &mut self,
        client: usize,
        challenge: ChallengeId,
        wanted: Result<Wanted, Refused>,
        good: bool,
        new: Option<Credential>,
    ) {
        match wanted {
            Ok(wanted) => self.attempts.push(Attempt {
                stage: Stage::Wanted(wanted),
                challenge,
                client,
                good,
                new,
            }),
            Err(refused) => assert_eq!(refused, Refused::Denied(Cause::Challenge)),
        }
    }

    /// Takes an attempt one step on.
    fn advance(&mut self, which: usize) {
        if self.attempts.is_empty() {
            return;
        }
        let mut attempt = self.attempts.swap_remove(which % self.attempts.len());
        attempt.stage = match attempt.stage {
            Stage::Wanted(wanted) => {
                let record = self.store.records.get(wanted.client_id().as_str()).copied();
                let check = wanted.found(record, |decoy| Commitment::from_bytes(decoy));
                Stage::Check(check.unwrap())
            }
            Stage::Check(check) => {
                let before = testing::equations();
                let checked = check.verify();
                let looked_at = testing::equations() - before;
                let rotates = matches!(checked.purpose(), attempt::Purpose::Rotate { .. });
                assert!(looked_at == 1 || (looked_at == 2 && rotates && checked.holds()));
                Stage::Checked(checked)
            }
            Stage::Checked(checked) => match checked.settle() {
                Ok(commit) => {
                    assert!(attempt.good, "a wrong proof got as far as the store");
                    Stage::Commit(commit)
                }
                Err(Refused::Denied(_)) => return,
                Err(other) => panic!("{other:?}"),
            },
            Stage::Commit(commit) => {
                self.conclude(attempt.client, attempt.challenge, attempt.new, commit);
                return;
            }
        };
        self.attempts.push(attempt);
    }

    fn conclude(
        &mut self,
        client: usize,
        challenge: ChallengeId,
        new: Option<Credential>,
        commit: Commit,
    ) {
        let before = self.store.records.get(id(client).as_str()).copied();
        let step = commit.step().clone();
        let committed = self.store.take(&step);
        let accepted = match commit.done(committed) {
            Ok(accepted) => accepted,
            Err(_) => return,
        };
        let before = before.expect("only an enrolled client is accepted");
        assert!(
            before.is_active(),
            "a client that is not active was accepted"
        );
        assert_eq!(
            step.expect,
            Expect::Unchanged {
                version: before.commitment_version
            }
        );
        assert!(u64::from(challenge.expires_at()) > self.store.now);
        assert!(
            self.accepted.insert((client, challenge.to_text())),
            "a challenge was accepted twice"
        );
        let after = self.store.records[id(client).as_str()];
        assert_eq!(*accepted.record(), after);
        match step.change {
            Change::Replace(_) => {
                assert_eq!(after.commitment_version, before.commitment_version + 1);
                self.credentials[client] = new.expect("a rotation has a new credential");
                assert_eq!(after.commitment, *self.credentials[client].commitment());
            }
            _ => assert_eq!(after, before),
        }
    }

    fn check_together(&mut self) {
        let mut checks = Vec::new();
        let mut of = Vec::new();
        for attempt in core::mem::take(&mut self.attempts) {
            let Attempt {
                stage,
                challenge,
                client,
                good,
                new,
            } = attempt;
            match stage {
                Stage::Check(check) => {
                    checks.push(check);
                    of.push((challenge, client, good, new));
                }
                stage => self.attempts.push(Attempt {
                    stage,
                    challenge,
                    client,
                    good,
                    new,
                }),
            }
        }
        let checked = verify_batch(checks, &mut self.rng);
        assert_eq!(checked.len(), of.len());
        for (checked, (challenge, client, good, new)) in checked.into_iter().zip(of) {
            assert_eq!(checked.client_id(), &id(client));
            self.attempts.push(Attempt {
                stage: Stage::Checked(checked),
                challenge,
                client,
                good,
                new,
            });
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Challenge(usize),
    Authenticate { which: usize, wrong: bool },
    Rotate { which: usize, to_the_same: bool },
    Advance(usize),
    CheckTogether,
    Suspend(usize),
    Resume(usize),
    Wait(u64),
    SetBack(u64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let any = 0_usize..64;
    let op = prop_oneof![
        3 => (0..CLIENTS).prop_map(Op::Challenge),
        4 => (any.clone(), prop::bool::weighted(0.2))
            .prop_map(|(which, wrong)| Op::Authenticate { which, wrong }),
        2 => (any.clone(), prop::bool::weighted(0.2))
            .prop_map(|(which, to_the_same)| Op::Rotate { which, to_the_same }),
        16 => any.prop_map(Op::Advance),
        1 => Just(Op::CheckTogether),
        1 => (0..CLIENTS).prop_map(Op::Suspend),
        1 => (0..CLIENTS).prop_map(Op::Resume),
        1 => (0_u64..70).prop_map(Op::Wait),
        1 => (0_u64..100).prop_map(Op::SetBack),
    ];
    proptest::collection::vec(op, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_between_its_steps_an_attempt_is_accepted_rightly_or_not_at_all(
        seed: u64,
        ops in ops(),
    ) {
        let mut world = World::new(seed);
        for op in ops {
            match op {
                Op::Challenge(client) => world.challenge(client),
                Op::Authenticate { which, wrong } => world.authenticate(which, wrong),
                Op::Rotate { which, to_the_same } => world.rotate(which, to_the_same),
                Op::Advance(which) => world.advance(which),
                Op::CheckTogether => world.check_together(),
                Op::Suspend(client) | Op::Resume(client) => {
                    if let Some(record) = world.store.records.get_mut(id(client).as_str()) {
                        let suspend = matches!(op, Op::Suspend(_));
                        let _ = if suspend { record.suspend() } else { record.resume() };
                    }
                }
                Op::Wait(seconds) => world.store.now += seconds,
                Op::SetBack(seconds) => world.store.now -= seconds,
            }
        }
        while !world.attempts.is_empty() {
            world.advance(0);
        }
        // Whoever is active is let in all the same.
        let lively = id(0);
        let record = world.store.records.get_mut(lively.as_str()).unwrap();
        let _ = record.resume();
        let before = world.accepted.len();
        world.challenge(0);
        world.authenticate(world.challenges.len() - 1, false);
        for _ in 0..4 {
            world.advance(0);
        }
        prop_assert_eq!(world.accepted.len(), before + 1);
    }
}
