//! Many attempts of many clients at once, in random order, against a store in memory: what the ceremonies
//! promise whatever happens between two of their steps.

use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    sync::Arc,
    vec,
    vec::Vec,
};

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::{
    Attributes, Authentication, AuthenticationBinding, Challenge, ChallengeId, ClientId,
    Commitment, Credential, CredentialId, CredentialName, Enrolment, Joining, Linking, Proof,
    Record, Rotation, Statement, Unlinking, prove, testing, testing::rng,
};

const NOW: u64 = 1_795_000_000;
const CLIENTS: usize = 3;

/// A store that takes a step as one action.
struct Store {
    records: BTreeMap<String, Record>,
    pending: BTreeMap<String, PendingLink>,
    spent: OwnedSpentSet,
    now: u64,
}

impl Store {
    fn take(&mut self, step: &Step) -> Committed {
        let id = step.client_id.as_str();
        match step.expect.met_by(self.records.get(id), self.now) {
            Committed::Done => {}
            other => return other,
        }
        let joined = match &step.expect {
            Expect::Unchanged { joined, .. } => joined.as_deref(),
            _ => None,
        };
        if joined.is_some_and(|joined| self.pending.get(id) != Some(joined)) {
            return Committed::Changed;
        }
        if let Some(spend) = &step.spend {
            match self.spent.set().accept(spend, self.now) {
                Committed::Done => {}
                other => return other,
            }
        }
        if joined.is_some() {
            self.pending.remove(id);
        }
        match &step.change {
            Change::None => {}
            Change::Insert(record) | Change::Replace(record) => {
                self.records.insert(id.into(), record.clone());
            }
        }
        Committed::Done
    }

    fn replace_pending(&mut self, join: &Join) -> bool {
        let id = join.client_id().as_str();
        let as_expected = self.pending.get(id) == Some(join.before());
        if as_expected {
            self.pending.insert(id.into(), join.after().clone());
        }
        as_expected
    }
}

/// An attempt on its way, and what it would be accepted as.
struct Attempt {
    stage: Stage,
    challenge: Option<ChallengeId>,
    client: usize,
    /// By which credential its proof was made.
    by: Option<CredentialId>,
    /// Whether its proofs were made as a client makes them.
    good: bool,
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
    /// All that there ever were, enrolled or not.
    credentials: Vec<Arc<Credential>>,
    challenges: Vec<(usize, Challenge)>,
    attempts: Vec<Attempt>,
    accepted: BTreeSet<(usize, [u8; ChallengeId::TEXT_LEN])>,
}

fn id(client: usize) -> ClientId {
    format!("client-{client}").parse().unwrap()
}

fn name() -> CredentialName {
    "a device".parse().unwrap()
}

fn id_of(credential: &Credential) -> CredentialId {
    CredentialId::of(credential.commitment().as_bytes())
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = rng(seed);
        let credentials: Vec<_> = (0..CLIENTS)
            .map(|_| Arc::new(Credential::generate(&mut rng).unwrap()))
            .collect();
        // The last client is a stranger: it has a credential and no record.
        let records = (0..CLIENTS - 1)
            .map(|n| {
                let record = Record::enrolled(credentials[n].commitment(), name(), NOW);
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
                pending: BTreeMap::new(),
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

    fn challenge(&mut self, client: usize) {
        let (keys, now) = self.keys();
        let challenge = self.terms.challenge(&keys, &id(client), now, &mut self.rng);
        self.challenges.push((client, challenge.unwrap()));
    }

    fn pick(&self, which: usize) -> Option<(usize, Challenge)> {
        let count = self.challenges.len();
        (count > 0).then(|| self.challenges[which % count].clone())
    }

    /// A credential that the client has now, or had, or never had.
    fn some_credential(&self, which: usize) -> Arc<Credential> {
        Arc::clone(&self.credentials[which % self.credentials.len()])
    }

    fn prove(&mut self, by: &Credential, statement: &dyn Statement) -> [u8; Proof::LEN] {
        prove(by, statement, &mut self.rng).unwrap().to_bytes()
    }

    /// Begins what a credential asks for. `wrong`: one bit of its proof is another.
    fn ask(&mut self, what: What, which: usize, by: usize, wrong: bool) {
        let Some((client, challenge)) = self.pick(which) else {
            return;
        };
        let (keys, now) = self.keys();
        let (client_id, terms) = (id(client), self.terms.clone());
        let (nonce, binding) = (&challenge.nonce, terms.binding());
        let by = self.some_credential(by);
        let (by_id, credential) = (id_of(&by), format!("{}", id_of(&by)));
        let credential = Some(credential.as_bytes());
        let joined = format!("{}.{client_id}", challenge.id);
        let of = Named::Joined(joined.as_bytes());
        let drawn = Arc::new(Credential::generate(&mut self.rng).unwrap());
        let spoil = |mut proof: [u8; Proof::LEN]| {
            proof[64] ^= u8::from(wrong);
            proof
        };
        let mut good = !wrong;
        let wanted = match what {
            What::Authenticate => {
                let statement = Authentication {
                    client_id: &client_id,
                    nonce,
                    binding,
                };
                let proof = spoil(self.prove(&by, &statement));
                let request = AuthenticationRequest {
                    of,
                    credential,
                    proof: &proof,
                    binding: None,
                };
                terms.authenticate(&keys, now, &request)
            }
            What::Rotate { to_one_of_its_own } => {
                let new = match to_one_of_its_own {
                    true => &by,
                    false => &drawn,
                };
                good &= !to_one_of_its_own;
                let statement = Rotation::new(&client_id, nonce, new.commitment(), binding);
                let proof_old = spoil(self.prove(&by, &statement.unwrap()));
                let possession = Enrolment {
                    client_id: &client_id,
                };
                let proof_new = self.prove(new, &possession);
                let request = RotationRequest {
                    of,
                    credential,
                    proof_old: &proof_old,
                    commitment_new: new.commitment().as_bytes(),
                    proof_new: &proof_new,
                };
                self.credentials.push(Arc::clone(&drawn));
                terms.rotate(&keys, now, &request)
            }
            What::Link { joined_before } => {
                let pending = self.store.pending.get(client_id.as_str());
                let left = pending.and_then(|pending| pending.state(now));
                let commitment_new = match (joined_before, left) {
                    (true, Some(LinkState::Joined { commitment, .. })) => *commitment,
                    (true, _) => return,
                    (false, _) => drawn.commitment().to_bytes(),
                };
                let statement = Linking::new(&client_id, nonce, &commitment_new, binding);
                let proof = spoil(self.prove(&by, &statement.unwrap()));
                let joining = Joining::new(&client_id, nonce, binding).unwrap();
                let proof_new = self.prove(&drawn, &joining);
                let request = LinkRequest {
                    of,
                    credential,
                    proof: &proof,
                    commitment_new: &commitment_new,
                    joining: (!joined_before).then_some(JoiningPart {
                        proof: &proof_new,
                        name: b"a device",
                    }),
                };
                self.credentials.push(Arc::clone(&drawn));
                terms.link(&keys, now, &request)
            }
            What::Unlink { target } => {
                let target = self.some_credential(target);
                let gone = target.commitment().as_bytes();
                let statement = Unlinking::new(&client_id, nonce, gone, binding).unwrap();
                let proof = spoil(self.prove(&by, &statement));
                let request = UnlinkRequest {
                    of,
                    credential,
                    proof: &proof,
                    commitment_old: gone,
                };
                terms.unlink(&keys, now, &request)
            }
        };
        match wanted {
            Ok(wanted) => self.attempts.push(Attempt {
                stage: Stage::Wanted(wanted),
                challenge: Some(challenge.id),
                client,
                by: Some(by_id),
                good,
            }),
            Err(refused) => assert_eq!(refused, Refused::Denied(Cause::Challenge)),
        }
    }

    /// Offers a challenge to a second device.
    fn offer(&mut self, which: usize) {
        let Some((client, challenge)) = self.pick(which) else {
            return;
        };
        let (keys, now) = self.keys();
        let joined = format!("{}.{}", challenge.id, id(client));
        let of = Named::Joined(joined.as_bytes());
        if let Ok(pending) = self.terms.offer(&keys, now, &id(client), &of) {
            self.store
                .pending
                .insert(id(client).as_str().into(), pending);
        }
    }

    /// A second device takes what this client has on offer.
    fn join(&mut self, client: usize) {
        let Some(pending) = self.store.pending.get(id(client).as_str()).cloned() else {
            return;
        };
        let (keys, now) = self.keys();
        let offered = self
            .challenges
            .iter()
            .find(|(_, challenge)| challenge.id == pending.offer());
        let (_, challenge) = offered.unwrap().clone();
        let drawn = Credential::generate(&mut self.rng).unwrap();
        let (client_id, terms) = (id(client), self.terms.clone());
        let joining = Joining::new(&client_id, &challenge.nonce, terms.binding()).unwrap();
        let proof = self.prove(&drawn, &joining);
        let joined = format!("{}.{client_id}", challenge.id);
        let request = JoinRequest {
            of: Named::Joined(joined.as_bytes()),
            commitment: drawn.commitment().as_bytes(),
            joining: JoiningPart {
                proof: &proof,
                name: b"a second one",
            },
        };
        let Ok(joiner) = terms.join(&keys, now, &request) else {
            return;
        };
        let was_open = pending.state(now) == Some(&LinkState::Open);
        let Ok(join) = joiner.found(Some(pending)) else {
            return;
        };
        let replaced = self.store.replace_pending(&join);
        let number = join.done(replaced);
        // Only the first one to come is told its number.
        assert_eq!(number.is_ok(), was_open);
        self.credentials.push(Arc::new(drawn));
    }

    /// Whoever has permission replaces all credentials of a client.
    fn reset(&mut self, client: usize) {
        let drawn = Arc::new(Credential::generate(&mut self.rng).unwrap());
        let client_id = id(client);
        let proof = self.prove(
            &drawn,
            &Enrolment {
                client_id: &client_id,
            },
        );
        let request = EnrolmentRequest {
            client_id: client_id.as_bytes(),
            commitment: drawn.commitment().as_bytes(),
            proof: &proof,
        };
        let record = self.store.records.get(client_id.as_str()).cloned();
        let asked = self.terms.enrol(&request).unwrap().at(self.store.now);
        let check = match asked.permitted_to_reset(Permission::Host, record) {
            Ok(check) => check,
            Err(refused) => {
                assert_eq!(refused, Refused::Denied(Cause::UnknownClient));
                return;
            }
        };
        self.credentials.push(drawn);
        self.attempts.push(Attempt {
            stage: Stage::Check(check),
            challenge: None,
            client,
            by: None,
            good: true,
        });
    }

    /// Takes an attempt one step on.
    fn advance(&mut self, which: usize) {
        if self.attempts.is_empty() {
            return;
        }
        let mut attempt = self.attempts.swap_remove(which % self.attempts.len());
        attempt.stage = match attempt.stage {
            Stage::Wanted(wanted) => {
                let id = wanted.client_id().as_str().to_owned();
                let record = self.store.records.get(&*id).cloned();
                let pending = match wanted.wants_pending_link() {
                    true => self.store.pending.get(&*id).cloned(),
                    false => None,
                };
                let check = wanted
                    .with_pending_link(pending)
                    .found(record, |bytes| Commitment::from_bytes(bytes));
                Stage::Check(check.unwrap())
            }
            Stage::Check(check) => {
                let before = testing::equations();
                let checked = check.verify();
                let looked_at = testing::equations() - before;
                assert!(looked_at == 1 || (looked_at == 2 && checked.brings_a_credential()));
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
                self.conclude(attempt.client, attempt.challenge, attempt.by, commit);
                return;
            }
        };
        self.attempts.push(attempt);
    }

    fn conclude(
        &mut self,
        client: usize,
        challenge: Option<ChallengeId>,
        by: Option<CredentialId>,
        commit: Commit,
    ) {
        let before = self.store.records.get(id(client).as_str()).cloned();
        let step = commit.step().clone();
        let committed = self.store.take(&step);
        let accepted = match commit.done(committed) {
            Ok(accepted) => accepted,
            Err(_) => return,
        };
        let before = before.expect("only an enrolled client is accepted");
        let after = self.store.records[id(client).as_str()].clone();
        assert_eq!(*accepted.record(), after);
        let ids: BTreeSet<_> = after.credentials().iter().map(|one| one.id()).collect();
        assert_eq!(ids.len(), after.credentials().len(), "one credential twice");
        assert!((1..=16).contains(&ids.len()), "{} credentials", ids.len());
        let changed = matches!(step.change, Change::Replace(_));
        assert_eq!(after.version(), before.version() + u32::from(changed));
        let Some(by) = by else {
            // A reset.
            assert_eq!(after.status(), before.status());
            assert_eq!(after.generation(), before.generation() + 1);
            assert_eq!(after.credentials().len(), 1);
            return;
        };
        assert!(
            before.is_active(),
            "a client that is not active was accepted"
        );
        let proven = before.credential(Some(&by));
        let proven = proven.expect("a credential that is gone was accepted");
        let expiry = before.expiry_of(proven);
        assert!(
            expiry.is_none_or(|at| self.store.now < at),
            "an expired one was accepted"
        );
        assert_eq!(after.generation(), before.generation());
        let challenge = challenge.unwrap();
        assert!(u64::from(challenge.expires_at()) > self.store.now);
        assert!(
            self.accepted.insert((client, challenge.to_text())),
            "a challenge was accepted twice"
        );
        if !changed {
            assert_eq!(after, before);
        }
        // What a session names is good as long as its credential is there.
        let (credential, since) = (accepted.credential_id(), accepted.since());
        let honoured = after.honours(Some(credential), since, accepted.generation(), NOW - 1000);
        assert_eq!(honoured, ids.contains(credential));
    }

    fn check_together(&mut self) {
        let mut checks = Vec::new();
        let mut of = Vec::new();
        for attempt in core::mem::take(&mut self.attempts) {
            match attempt.stage {
                Stage::Check(check) => {
                    checks.push(check);
                    of.push((attempt.challenge, attempt.client, attempt.by, attempt.good));
                }
                stage => self.attempts.push(Attempt { stage, ..attempt }),
            }
        }
        let checked = verify_batch(checks, &mut self.rng);
        assert_eq!(checked.len(), of.len());
        for (checked, (challenge, client, by, good)) in checked.into_iter().zip(of) {
            assert_eq!(checked.client_id(), &id(client));
            self.attempts.push(Attempt {
                stage: Stage::Checked(checked),
                challenge,
                client,
                by,
                good,
            });
        }
    }

    /// What an operator does, beside all attempts.
    fn operate(&mut self, op: &Op) {
        let now = self.store.now;
        let (Op::Suspend(client)
        | Op::Resume(client)
        | Op::EndSessions(client)
        | Op::Expire { client, .. }) = op
        else {
            return;
        };
        let Some(record) = self.store.records.get_mut(id(*client).as_str()) else {
            return;
        };
        match op {
            Op::Suspend(_) => drop(record.suspend()),
            Op::Resume(_) => drop(record.resume()),
            Op::EndSessions(_) => drop(record.end_sessions()),
            Op::Expire { credential, .. } => {
                let at = Some(now + 30);
                match record.credentials().get(*credential) {
                    Some(one) => drop(record.set_expiry(&one.id(), at)),
                    None => {
                        let said = Attributes {
                            expires_at: at,
                            ..Attributes::default()
                        };
                        drop(record.set_attributes(said));
                    }
                }
            }
            _ => {}
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    Authenticate,
    Rotate { to_one_of_its_own: bool },
    Link { joined_before: bool },
    Unlink { target: usize },
}

#[derive(Clone, Debug)]
enum Op {
    Challenge(usize),
    Ask {
        what: What,
        which: usize,
        by: usize,
        wrong: bool,
    },
    Offer(usize),
    Join(usize),
    Reset(usize),
    Advance(usize),
    CheckTogether,
    Suspend(usize),
    Resume(usize),
    EndSessions(usize),
    Expire {
        client: usize,
        credential: usize,
    },
    Wait(u64),
    SetBack(u64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let any = 0_usize..64;
    let what = prop_oneof![
        4 => Just(What::Authenticate),
        2 => prop::bool::weighted(0.2)
            .prop_map(|to_one_of_its_own| What::Rotate { to_one_of_its_own }),
        3 => prop::bool::ANY.prop_map(|joined_before| What::Link { joined_before }),
        2 => any.clone().prop_map(|target| What::Unlink { target }),
    ];
    let op = prop_oneof![
        4 => (0..CLIENTS).prop_map(Op::Challenge),
        8 => (what, any.clone(), any.clone(), prop::bool::weighted(0.1))
            .prop_map(|(what, which, by, wrong)| Op::Ask { what, which, by, wrong }),
        2 => any.clone().prop_map(Op::Offer),
        2 => (0..CLIENTS).prop_map(Op::Join),
        1 => (0..CLIENTS).prop_map(Op::Reset),
        24 => any.prop_map(Op::Advance),
        1 => Just(Op::CheckTogether),
        1 => (0..CLIENTS).prop_map(Op::Suspend),
        1 => (0..CLIENTS).prop_map(Op::Resume),
        1 => (0..CLIENTS).prop_map(Op::EndSessions),
        1 => (0..CLIENTS, 0_usize..3)
            .prop_map(|(client, credential)| Op::Expire { client, credential }),
        1 => (0_u64..40).prop_map(Op::Wait),
        1 => (0_u64..100).prop_map(Op::SetBack),
    ];
    proptest::collection::vec(op, 0..160)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_happens_between_its_steps_an_attempt_is_accepted_rightly_or_not_at_all(
        seed: u64,
        ops in ops(),
    ) {
        let mut world = World::new(seed);
        for op in ops {
            match op {
                Op::Challenge(client) => world.challenge(client),
                Op::Ask { what, which, by, wrong } => world.ask(what, which, by, wrong),
                Op::Offer(which) => world.offer(which),
                Op::Join(client) => world.join(client),
                Op::Reset(client) => world.reset(client),
                Op::Advance(which) => world.advance(which),
                Op::CheckTogether => world.check_together(),
                Op::Wait(seconds) => world.store.now += seconds,
                Op::SetBack(seconds) => world.store.now -= seconds,
                op => world.operate(&op),
            }
        }
        while !world.attempts.is_empty() {
            world.advance(0);
        }
        // Whoever is active and has a credential is let in all the same.
        let lively = id(0);
        let record = world.store.records.get_mut(lively.as_str()).unwrap();
        let _ = record.resume();
        record.set_attributes(Attributes::default()).unwrap();
        let first = record.first().id();
        record.set_expiry(&first, None).unwrap();
        let by = world.credentials.iter().position(|one| id_of(one) == first).unwrap();
        let before = world.accepted.len();
        world.challenge(0);
        world.ask(What::Authenticate, world.challenges.len() - 1, by, false);
        for _ in 0..4 {
            world.advance(0);
        }
        prop_assert_eq!(world.accepted.len(), before + 1);
    }
}
