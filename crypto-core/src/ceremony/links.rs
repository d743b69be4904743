//! Attempts to link, unlink and reset, one rule or attack each.

use alloc::{format, string::String, sync::Arc, vec, vec::Vec};

use super::*;
use crate::{
    Attributes, Authentication, AuthenticationBinding, Challenge, ClientId, Commitment, Credential,
    CredentialId, CredentialName, Enrolment, Error, ErrorCode, Joining, Linking, Proof, Record,
    Rotation, Statement, Unlinking, prove,
    testing::{equations, rng},
};

const NOW: u64 = 1_795_000_000;

/// A host with a store of one client.
struct Scene {
    id: ClientId,
    phone: Credential,
    laptop: Credential,
    terms: Terms,
    keys: Arc<Keys>,
    record: Record,
    pending: Option<PendingLink>,
    spent: OwnedSpentSet,
    issued: u64,
    now: u64,
}

fn name(text: &str) -> CredentialName {
    text.parse().unwrap()
}

fn id_of(credential: &Credential) -> CredentialId {
    CredentialId::of(credential.commitment().as_bytes())
}

fn drawn(seed: u64) -> Credential {
    Credential::generate(&mut rng(seed)).unwrap()
}

impl Scene {
    /// `alice` has a phone.
    fn new() -> Self {
        let binding = AuthenticationBinding::for_audience(&"https://a.example".parse().unwrap());
        let epoch = Epoch::from_bytes([2; 16]);
        let keys = Keys::derive(&[Root::new(0, [1; 32])], epoch).unwrap();
        let phone = drawn(1);
        Self {
            id: "alice".parse().unwrap(),
            record: Record::enrolled(phone.commitment(), name("phone"), NOW),
            phone,
            laptop: drawn(2),
            terms: Terms::new(binding, Decoys::new([3; 16])),
            keys: Arc::new(keys),
            pending: None,
            spent: OwnedSpentSet::new(1000, epoch),
            issued: 100,
            now: NOW,
        }
    }

    /// `alice` has a phone and a laptop.
    fn with_both() -> Self {
        let mut scene = Self::new();
        let laptop = *scene.laptop.commitment();
        scene.record.link(&laptop, name("laptop"), NOW).unwrap();
        scene
    }

    fn challenge(&mut self) -> Challenge {
        self.issued += 1;
        let rng = &mut rng(self.issued);
        self.terms
            .challenge(&self.keys, &self.id, self.now, rng)
            .unwrap()
    }

    fn named(&self, challenge: &Challenge) -> String {
        format!("{}.{}", challenge.id, self.id)
    }

    fn proof(&self, by: &Credential, statement: &dyn Statement) -> [u8; Proof::LEN] {
        prove(by, statement, &mut rng(7)).unwrap().to_bytes()
    }

    fn linking(&self, by: &Credential, of: &Challenge, new: &Credential) -> [u8; Proof::LEN] {
        let (id, binding) = (&self.id, self.terms.binding());
        let new = new.commitment().as_bytes();
        self.proof(by, &Linking::new(id, &of.nonce, new, binding).unwrap())
    }

    fn joining(&self, by: &Credential, of: &Challenge) -> [u8; Proof::LEN] {
        let (id, binding) = (&self.id, self.terms.binding());
        self.proof(by, &Joining::new(id, &of.nonce, binding).unwrap())
    }

    fn unlinking(&self, by: &Credential, of: &Challenge, old: &Credential) -> [u8; Proof::LEN] {
        let (id, binding) = (&self.id, self.terms.binding());
        let old = old.commitment().as_bytes();
        self.proof(by, &Unlinking::new(id, &of.nonce, old, binding).unwrap())
    }

    /// Asks for a link with these proofs.
    fn ask_link(
        &self,
        by: Option<CredentialId>,
        of: &Challenge,
        proof: &[u8],
        new: &Credential,
        joining: Option<(&[u8], &[u8])>,
    ) -> Result<Wanted, Refused> {
        let (of, by) = (self.named(of), by.map(|by| format!("{by}")));
        let request = LinkRequest {
            of: Named::Joined(of.as_bytes()),
            credential: by.as_ref().map(|by| by.as_bytes()),
            proof,
            commitment_new: new.commitment().as_bytes(),
            joining: joining.map(|(proof, name)| JoiningPart { proof, name }),
        };
        self.terms.link(&self.keys, self.now, &request)
    }

    /// The link of a new credential at the same device, as its owner asks for it.
    fn link(&mut self, by: &Credential, new: &Credential) -> Wanted {
        let of = self.challenge();
        let (proof, joining) = (self.linking(by, &of, new), self.joining(new, &of));
        let joining = (&joining[..], &b"new"[..]);
        self.ask_link(Some(id_of(by)), &of, &proof, new, Some(joining))
            .unwrap()
    }

    fn unlink(&mut self, by: &Credential, old: &Credential) -> Wanted {
        let of = self.challenge();
        let proof = self.unlinking(by, &of, old);
        let (of, by) = (self.named(&of), format!("{}", id_of(by)));
        let request = UnlinkRequest {
            of: Named::Joined(of.as_bytes()),
            credential: Some(by.as_bytes()),
            proof: &proof,
            commitment_old: old.commitment().as_bytes(),
        };
        self.terms.unlink(&self.keys, self.now, &request).unwrap()
    }

    fn login(&mut self, by: &Credential, named: Option<CredentialId>) -> Wanted {
        let of = self.challenge();
        let statement = Authentication {
            client_id: &self.id,
            nonce: &of.nonce,
            binding: self.terms.binding(),
        };
        let proof = self.proof(by, &statement);
        let (of, named) = (self.named(&of), named.map(|named| format!("{named}")));
        let request = AuthenticationRequest {
            of: Named::Joined(of.as_bytes()),
            credential: named.as_ref().map(|named| named.as_bytes()),
            proof: &proof,
            binding: None,
        };
        self.terms
            .authenticate(&self.keys, self.now, &request)
            .unwrap()
    }

    fn settle(&self, wanted: Wanted) -> Result<Commit, Refused> {
        let pending = self.pending.clone().filter(|_| wanted.wants_pending_link());
        let wanted = wanted.with_pending_link(pending);
        let record = Some(self.record.clone());
        let check = wanted.found(record, |bytes| Commitment::from_bytes(bytes));
        check.unwrap().verify().settle()
    }

    fn commit(&mut self, commit: Commit) -> Result<Accepted, Refused> {
        let step = commit.step().clone();
        let mut committed = step.expect.met_by(Some(&self.record), self.now);
        if let Expect::Unchanged {
            joined: Some(joined),
            ..
        } = &step.expect
            && self.pending.as_ref() != Some(&**joined)
        {
            committed = Committed::Changed;
        }
        if let (Committed::Done, Some(spend)) = (committed, &step.spend) {
            committed = self.spent.set().accept(spend, self.now);
        }
        if committed == Committed::Done
            && let Change::Replace(record) = step.change
        {
            self.record = record;
        }
        commit.done(committed)
    }

    /// From the look-up to the end.
    fn carry_out(&mut self, wanted: Wanted) -> Result<Accepted, Refused> {
        let commit = self.settle(wanted)?;
        self.commit(commit)
    }

    fn offer(&mut self) -> Challenge {
        let challenge = self.challenge();
        let of = self.named(&challenge);
        let of = Named::Joined(of.as_bytes());
        let pending = self.terms.offer(&self.keys, self.now, &self.id, &of);
        self.pending = Some(pending.unwrap());
        challenge
    }

    /// A second device takes the offer and is told a number.
    fn join(&mut self, offer: &Challenge, by: &Credential) -> Result<u32, Refused> {
        let proof = self.joining(by, offer);
        let of = self.named(offer);
        let request = JoinRequest {
            of: Named::Joined(of.as_bytes()),
            commitment: by.commitment().as_bytes(),
            joining: JoiningPart {
                proof: &proof,
                name: b"laptop",
            },
        };
        let joiner = self.terms.join(&self.keys, self.now, &request)?;
        let join = joiner.found(self.pending.clone())?;
        let as_expected = self.pending.as_ref() == Some(join.before());
        if as_expected {
            self.pending = Some(join.after().clone());
        }
        join.done(as_expected)
    }

    /// What the first device asks after its user has typed the number.
    fn link_what_joined(&mut self, new: &Credential) -> Result<Accepted, Refused> {
        let of = self.challenge();
        let phone = drawn(1);
        let proof = self.linking(&phone, &of, new);
        let wanted = self.ask_link(None, &of, &proof, new, None).unwrap();
        self.carry_out(wanted)
    }
}

fn cause(refused: Result<Accepted, Refused>) -> Cause {
    match refused {
        Err(Refused::Denied(cause)) => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_credential_is_linked_behind_the_others_and_lets_its_owner_in() {
    let mut scene = Scene::new();
    let (phone, laptop) = (drawn(1), drawn(2));
    let wanted = scene.link(&phone, &laptop);
    let accepted = scene.carry_out(wanted).unwrap();
    assert_eq!(accepted.credential_id(), &id_of(&phone));
    assert_eq!((accepted.since(), accepted.generation()), (1, 0));
    let names: Vec<_> = scene
        .record
        .credentials()
        .iter()
        .map(|one| one.name().as_str())
        .collect();
    assert_eq!(names, ["phone", "new"]);
    assert_eq!((scene.record.version(), scene.record.generation()), (2, 0));
    assert_eq!(scene.record.credentials()[1].created(), NOW);

    let wanted = scene.login(&laptop, Some(id_of(&laptop)));
    let accepted = scene.carry_out(wanted).unwrap();
    assert_eq!(
        (accepted.credential_id(), accepted.since()),
        (&id_of(&laptop), 2)
    );
    // Where none is named, the first is meant.
    let wanted = scene.login(&laptop, None);
    assert_eq!(cause(scene.carry_out(wanted)), Cause::Proof);
    let wanted = scene.login(&phone, None);
    assert!(scene.carry_out(wanted).is_ok());
}

#[test]
fn a_proof_of_a_rotation_an_authentication_or_an_enrolment_links_nothing() {
    let mut scene = Scene::new();
    let (phone, laptop) = (drawn(1), drawn(2));
    let (of, other) = (scene.challenge(), scene.challenge());
    let (id, nonce) = (&scene.id, &of.nonce);
    let binding = scene.terms.binding();
    let rotation = Rotation::new(id, nonce, laptop.commitment(), binding).unwrap();
    let authentication = Authentication {
        client_id: id,
        nonce,
        binding,
    };
    let possession = Enrolment { client_id: id };
    let good_joining = scene.joining(&laptop, &of);
    let unlinking = scene.unlinking(&phone, &of, &laptop);
    for proof in [
        scene.proof(&phone, &rotation),
        scene.proof(&phone, &authentication),
        scene.proof(&phone, &possession),
        scene.joining(&phone, &of),
        unlinking,
        // Of the new one over itself.
        scene.linking(&laptop, &of, &laptop),
        // Of another commitment.
        scene.linking(&phone, &of, &drawn(3)),
    ] {
        let wanted = scene.ask_link(None, &of, &proof, &laptop, Some((&good_joining, b"new")));
        assert_eq!(
            scene.settle(wanted.unwrap()).unwrap_err(),
            Refused::Denied(Cause::Proof)
        );
    }
    // The enrolment proof of the new credential may be replayed by anybody who saw it at another host.
    let good = scene.linking(&phone, &of, &laptop);
    for joining in [
        scene.proof(&laptop, &possession),
        scene.proof(&laptop, &authentication),
        scene.joining(&laptop, &other),
        scene.joining(&phone, &of),
    ] {
        let wanted = scene.ask_link(None, &of, &good, &laptop, Some((&joining, b"new")));
        assert_eq!(
            scene.settle(wanted.unwrap()).unwrap_err(),
            Refused::Denied(Cause::Proof)
        );
    }
    let wanted = scene.ask_link(None, &of, &good, &laptop, Some((&good_joining, b"new")));
    assert!(scene.carry_out(wanted.unwrap()).is_ok());
}

#[test]
fn a_proof_of_a_link_or_an_unlinking_does_nothing_else() {
    let mut scene = Scene::with_both();
    let (phone, laptop, tablet) = (drawn(1), drawn(2), drawn(3));
    let of = scene.challenge();
    let named = scene.named(&of);
    let linking = scene.linking(&phone, &of, &tablet);
    let unlinking = scene.unlinking(&phone, &of, &laptop);
    let possession = scene.proof(
        &tablet,
        &Enrolment {
            client_id: &scene.id,
        },
    );
    for proof in [&linking, &unlinking] {
        let request = AuthenticationRequest {
            of: Named::Joined(named.as_bytes()),
            credential: None,
            proof,
            binding: None,
        };
        let wanted = scene
            .terms
            .authenticate(&scene.keys, NOW, &request)
            .unwrap();
        assert_eq!(
            scene.settle(wanted).unwrap_err(),
            Refused::Denied(Cause::Proof)
        );
        let request = RotationRequest {
            of: Named::Joined(named.as_bytes()),
            credential: None,
            proof_old: proof,
            commitment_new: tablet.commitment().as_bytes(),
            proof_new: &possession,
        };
        let wanted = scene.terms.rotate(&scene.keys, NOW, &request).unwrap();
        assert_eq!(
            scene.settle(wanted).unwrap_err(),
            Refused::Denied(Cause::Proof)
        );
    }
    let request = UnlinkRequest {
        of: Named::Joined(named.as_bytes()),
        credential: None,
        proof: &linking,
        commitment_old: tablet.commitment().as_bytes(),
    };
    let wanted = scene.terms.unlink(&scene.keys, NOW, &request).unwrap();
    assert_eq!(
        scene.settle(wanted).unwrap_err(),
        Refused::Denied(Cause::Proof)
    );
}

#[test]
fn a_credential_that_is_being_unlinked_links_nothing() {
    let mut scene = Scene::with_both();
    let (phone, laptop, tablet) = (drawn(1), drawn(2), drawn(3));
    let link = scene.link(&laptop, &tablet);
    let verified = scene.settle(link).unwrap();
    let wanted = scene.unlink(&phone, &laptop);
    assert!(scene.carry_out(wanted).is_ok());
    assert_eq!(cause(scene.commit(verified)), Cause::Changed);
    // Afterwards it is not known at all.
    let late = scene.link(&laptop, &tablet);
    assert_eq!(cause(scene.carry_out(late)), Cause::UnknownCredential);
    assert_eq!(scene.record.credentials().len(), 1);
}

#[test]
fn of_changes_from_one_version_one_wins() {
    // Each pair of: link, unlink, rotate, suspend, reset.
    let changes = ["link", "unlink", "rotate", "suspend", "reset"];
    for first in changes {
        for second in changes {
            let mut scene = Scene::with_both();
            let begun = [first, second].map(|change| begin(&mut scene, change));
            let [one, two] = begun;
            assert!(end(&mut scene, one).is_some(), "{first}");
            let after_first = scene.record.clone();
            let both = end(&mut scene, two).is_some();
            // An operator's suspension is no attempt and has no version to go by.
            assert_eq!(both, second == "suspend", "{first} then {second}");
            if second != "suspend" {
                assert_eq!(scene.record, after_first);
            }
        }
    }
}

/// What is to be committed; a suspension has nothing.
type Begun = Option<Commit>;

fn begin(scene: &mut Scene, change: &str) -> Begun {
    let (phone, laptop) = (drawn(1), drawn(2));
    let new = drawn(10 + scene.issued);
    let wanted = match change {
        "link" => scene.link(&phone, &new),
        "unlink" => scene.unlink(&phone, &laptop),
        "rotate" => {
            let of = scene.challenge();
            let (id, binding) = (&scene.id, scene.terms.binding());
            let statement = Rotation::new(id, &of.nonce, new.commitment(), binding).unwrap();
            let proof_old = scene.proof(&phone, &statement);
            let proof_new = scene.proof(&new, &Enrolment { client_id: id });
            let of = scene.named(&of);
            let request = RotationRequest {
                of: Named::Joined(of.as_bytes()),
                credential: None,
                proof_old: &proof_old,
                commitment_new: new.commitment().as_bytes(),
                proof_new: &proof_new,
            };
            scene.terms.rotate(&scene.keys, NOW, &request).unwrap()
        }
        "reset" => return Some(reset(scene, &new).unwrap().verify().settle().unwrap()),
        _ => return None,
    };
    Some(scene.settle(wanted).unwrap())
}

fn end(scene: &mut Scene, begun: Begun) -> Option<()> {
    match begun {
        Some(commit) => scene.commit(commit).ok().map(drop),
        None => scene.record.suspend().ok().map(drop),
    }
}

fn reset(scene: &Scene, new: &Credential) -> Result<Check, Refused> {
    let possession = scene.proof(
        new,
        &Enrolment {
            client_id: &scene.id,
        },
    );
    let request = EnrolmentRequest {
        client_id: scene.id.as_bytes(),
        commitment: new.commitment().as_bytes(),
        proof: &possession,
    };
    let asked = scene
        .terms
        .enrol(&request)
        .unwrap()
        .at(scene.now)
        .named(name("found again"));
    asked.permitted_to_reset(Permission::Invitation([4; 32]), Some(scene.record.clone()))
}

#[test]
fn a_reset_replaces_all_credentials_and_ends_what_was_issued() {
    let mut scene = Scene::with_both();
    let (phone, laptop, new) = (drawn(1), drawn(2), drawn(3));
    scene.record.suspend().unwrap();
    let before = scene.record.clone();
    let commit = reset(&scene, &new).unwrap().verify().settle().unwrap();
    assert_eq!(commit.step().spend, None);
    let expected = Expect::Unrevoked {
        permission: Permission::Invitation([4; 32]),
        version: before.version(),
        generation: before.generation(),
        status: before.status(),
    };
    assert_eq!(commit.step().expect, expected);
    assert!(scene.commit(commit).is_ok());
    assert_eq!(
        scene.record.status(),
        before.status(),
        "suspended stays suspended"
    );
    assert_eq!(scene.record.version(), before.version() + 1);
    assert_eq!(scene.record.generation(), before.generation() + 1);
    scene.record.resume().unwrap();
    for old in [&phone, &laptop] {
        let wanted = scene.login(old, Some(id_of(old)));
        assert_eq!(cause(scene.carry_out(wanted)), Cause::UnknownCredential);
        assert!(
            !scene
                .record
                .honours(Some(&id_of(old)), 1, before.generation(), NOW)
        );
    }
    let wanted = scene.login(&new, None);
    assert!(scene.carry_out(wanted).is_ok());

    // To what is there already it is none, and a revoked client is never reset.
    let again = reset(&scene, &new).unwrap().verify().settle();
    assert_eq!(again.unwrap_err(), Refused::Denied(Cause::Credentials));
    scene.record.revoke();
    let refused = reset(&scene, &drawn(9)).unwrap_err();
    assert_eq!(refused, Refused::Denied(Cause::InactiveClient));
}

#[test]
fn a_reset_that_was_read_before_a_suspension_or_its_end_changes_nothing() {
    let mut scene = Scene::with_both();
    scene.record.suspend().unwrap();
    let commit = reset(&scene, &drawn(3)).unwrap().verify().settle().unwrap();
    scene.record.resume().unwrap();
    let before = scene.record.clone();
    assert_eq!(cause(scene.commit(commit)), Cause::Changed);
    assert_eq!(scene.record, before);
}

#[test]
fn the_last_credential_stays() {
    let mut scene = Scene::with_both();
    let (phone, laptop) = (drawn(1), drawn(2));
    // One may take itself away, and the other is the first then.
    let wanted = scene.unlink(&phone, &phone);
    let accepted = scene.carry_out(wanted).unwrap();
    assert_eq!(
        (accepted.credential_id(), accepted.since()),
        (&id_of(&phone), 1)
    );
    assert_eq!(scene.record.first().id(), &id_of(&laptop));
    let before = scene.record.clone();
    for old in [&laptop, &phone] {
        let wanted = scene.unlink(&laptop, old);
        assert_eq!(cause(scene.carry_out(wanted)), Cause::Credentials);
    }
    assert_eq!(scene.record, before);
    let wanted = scene.login(&laptop, None);
    assert!(scene.carry_out(wanted).is_ok());
}

#[test]
fn an_unlinked_device_is_out_with_its_sessions_and_the_others_stay_in() {
    let mut scene = Scene::with_both();
    let (phone, laptop) = (drawn(1), drawn(2));
    // Verified before it was unlinked, and proven before as well.
    let wanted = scene.login(&laptop, Some(id_of(&laptop)));
    let verified = scene.settle(wanted).unwrap();
    let kept = scene.login(&laptop, Some(id_of(&laptop)));
    let session = |scene: &Scene, by: &Credential, since| {
        scene.record.honours(Some(&id_of(by)), since, 0, NOW)
    };
    assert!(session(&scene, &laptop, 2) && session(&scene, &phone, 1));
    let wanted = scene.unlink(&phone, &laptop);
    assert!(scene.carry_out(wanted).is_ok());
    assert_eq!(cause(scene.commit(verified)), Cause::Changed);
    assert_eq!(cause(scene.carry_out(kept)), Cause::UnknownCredential);
    assert!(!session(&scene, &laptop, 2) && session(&scene, &phone, 1));
    // Linked again, its old sessions stay ended.
    let wanted = scene.link(&phone, &laptop);
    assert!(scene.carry_out(wanted).is_ok());
    assert!(!session(&scene, &laptop, 2) && session(&scene, &laptop, 4));
}

#[test]
fn a_rotation_ends_the_sessions_of_its_credential_and_of_no_other() {
    let mut scene = Scene::with_both();
    let begun = begin(&mut scene, "rotate");
    let (phone, laptop) = (id_of(&drawn(1)), id_of(&drawn(2)));
    let accepted = scene.commit(begun.unwrap()).unwrap();
    assert_eq!(accepted.since(), 3);
    let first = scene.record.first();
    assert_eq!((first.name().as_str(), first.since()), ("phone", 3));
    assert_eq!(accepted.credential_id(), first.id());
    assert!(!scene.record.honours(Some(&phone), 1, 0, NOW));
    assert!(scene.record.honours(Some(&laptop), 2, 0, NOW));
    // A token of before these names none, and means the first.
    assert!(scene.record.honours(None, 3, 0, NOW));
    assert!(!scene.record.honours(None, 1, 0, NOW));
}

#[test]
fn what_was_issued_before_a_suspension_is_bad_after_it() {
    let mut scene = Scene::new();
    let phone = id_of(&scene.phone);
    let wanted = scene.login(&drawn(1), None);
    let verified = scene.settle(wanted).unwrap();
    scene.record.suspend().unwrap();
    assert!(!scene.record.honours(Some(&phone), 1, 1, NOW));
    scene.record.resume().unwrap();
    assert!(!scene.record.honours(Some(&phone), 1, 0, NOW));
    assert!(scene.record.honours(Some(&phone), 1, 1, NOW));
    assert_eq!(cause(scene.commit(verified)), Cause::Changed);
    scene.record.end_sessions().unwrap();
    assert!(!scene.record.honours(Some(&phone), 1, 1, NOW));
    let wanted = scene.login(&drawn(1), None);
    assert_eq!(scene.carry_out(wanted).unwrap().generation(), 2);
}

#[test]
fn a_client_has_sixteen_credentials_each_once() {
    let mut scene = Scene::new();
    let phone = drawn(1);
    for seed in 2..=16 {
        let wanted = scene.link(&phone, &drawn(seed));
        assert!(scene.carry_out(wanted).is_ok(), "{seed}");
    }
    let before = scene.record.clone();
    assert_eq!((before.credentials().len(), before.version()), (16, 16));
    for (new, what) in [(drawn(17), "a 17th"), (drawn(5), "one that is there")] {
        let wanted = scene.link(&phone, &new);
        assert_eq!(cause(scene.carry_out(wanted)), Cause::Credentials, "{what}");
    }
    assert_eq!(scene.record, before);
    // Nor is one rotated to what another one is.
    let mut scene = Scene::with_both();
    let first = id_of(&phone);
    assert_eq!(
        scene.record.rotate(&first, drawn(2).commitment()),
        Err(Error::Denied)
    );
}

#[test]
fn an_expired_credential_or_client_is_out_by_the_clock_of_the_store() {
    let mut scene = Scene::with_both();
    let (phone, laptop) = (drawn(1), drawn(2));
    scene
        .record
        .set_expiry(&id_of(&laptop), Some(NOW + 60))
        .unwrap();
    let wanted = scene.login(&laptop, Some(id_of(&laptop)));
    let verified = scene.settle(wanted).unwrap();
    assert!(scene.record.honours(Some(&id_of(&laptop)), 2, 0, NOW + 59));
    assert!(!scene.record.honours(Some(&id_of(&laptop)), 2, 0, NOW + 60));
    // Verified in time and carried out too late.
    scene.now = NOW + 60;
    assert_eq!(cause(scene.commit(verified)), Cause::Changed);
    let wanted = scene.login(&laptop, Some(id_of(&laptop)));
    assert_eq!(cause(scene.carry_out(wanted)), Cause::Expired);
    let tablet = drawn(3);
    let wanted = scene.link(&laptop, &tablet);
    assert_eq!(cause(scene.carry_out(wanted)), Cause::Expired);
    let wanted = scene.login(&phone, None);
    assert!(scene.carry_out(wanted).is_ok());

    let said = Attributes {
        expires_at: Some(NOW + 90),
        ..Attributes::default()
    };
    // What was verified before does not put back what the operator has changed.
    let wanted = scene.link(&phone, &tablet);
    let verified = scene.settle(wanted).unwrap();
    scene.record.set_attributes(said.clone()).unwrap();
    assert_eq!(cause(scene.commit(verified)), Cause::Changed);
    assert_eq!(scene.record.attributes(), Some(&said));
    let wanted = scene.login(&phone, None);
    assert!(scene.carry_out(wanted).is_ok());
    scene.now = NOW + 90;
    let wanted = scene.login(&phone, None);
    assert_eq!(cause(scene.carry_out(wanted)), Cause::Expired);
}

#[test]
fn an_unknown_credential_costs_what_an_unknown_client_does() {
    let mut scene = Scene::with_both();
    let stranger = drawn(9);
    for (named, record) in [
        (Some(id_of(&stranger)), Some(scene.record.clone())),
        (Some(id_of(&stranger)), None),
        (None, None),
    ] {
        let wanted = scene.login(&drawn(1), named);
        let mut decoded = 0;
        let before = equations();
        let check = wanted.found(record, |bytes| {
            decoded += 1;
            Commitment::from_bytes(bytes)
        });
        let settled = check.unwrap().verify().settle();
        assert_eq!((equations() - before, decoded), (1, 1));
        assert!(matches!(settled, Err(Refused::Denied(_))));
    }
    let of = scene.challenge();
    let named = scene.named(&of);
    let request = |credential| AuthenticationRequest {
        of: Named::Joined(named.as_bytes()),
        credential: Some(credential),
        proof: &[1; 96],
        binding: None,
    };
    for bad in [&b""[..], b"xyz", &[b'A'; 32], &[b'0'; 33]] {
        let refused = scene.terms.authenticate(&scene.keys, NOW, &request(bad));
        assert!(matches!(refused, Err(Refused::Failed(_))), "{bad:?}");
    }
}

#[test]
fn names_that_smuggle_are_malformed_before_anything_is_looked_at() {
    let mut scene = Scene::new();
    let (phone, laptop) = (drawn(1), drawn(2));
    let of = scene.challenge();
    let (proof, joining) = (
        scene.linking(&phone, &of, &laptop),
        scene.joining(&laptop, &of),
    );
    let long = [b'x'; 65];
    for bad in [
        &b""[..],
        b" a",
        b"a ",
        b"a\nb",
        b"a\0",
        b"\x1b[2J",
        "\u{202e}x".as_bytes(),
        b"\xff",
        &long,
    ] {
        let before = equations();
        let refused = scene.ask_link(None, &of, &proof, &laptop, Some((&joining, bad)));
        let code = match refused.unwrap_err() {
            Refused::Failed(error) => error.code(),
            other => panic!("{other:?}"),
        };
        assert!(matches!(
            code,
            ErrorCode::InvalidLength | ErrorCode::InvalidEncoding
        ));
        assert_eq!(equations(), before);
    }
}

#[test]
fn a_second_device_joins_and_is_linked_by_the_first() {
    let mut scene = Scene::new();
    let laptop = drawn(2);
    let offer = scene.offer();
    let number = scene.join(&offer, &laptop).unwrap();
    assert!(number < 1_000_000);
    assert_eq!(
        number,
        link_number(offer.id, laptop.commitment().as_bytes())
    );
    let state = scene.pending.as_ref().unwrap().state(NOW);
    let Some(LinkState::Joined {
        commitment,
        proof,
        name,
    }) = state
    else {
        panic!("{state:?}");
    };
    assert_eq!(
        (&commitment, name.as_str()),
        (laptop.commitment().as_bytes(), "laptop")
    );
    // The first device looks at the joining proof itself.
    let joining = Joining::new(&scene.id, &offer.nonce, scene.terms.binding()).unwrap();
    assert!(crate::verify(laptop.commitment(), &joining, &proof).is_ok());
    // An answer may be lost: whoever joined asks again and is told the same.
    assert_eq!(scene.join(&offer, &laptop), Ok(number));
    let accepted = scene.link_what_joined(&laptop).unwrap();
    assert_eq!(accepted.record().credentials()[1].name().as_str(), "laptop");
    let wanted = scene.login(&laptop, Some(id_of(&laptop)));
    assert!(scene.carry_out(wanted).is_ok());
}

#[test]
fn a_second_device_that_joins_destroys_the_offer_and_neither_is_linked() {
    let mut scene = Scene::new();
    let (laptop, thief) = (drawn(2), drawn(3));
    let offer = scene.offer();
    assert!(scene.join(&offer, &laptop).is_ok());
    assert_eq!(
        scene.join(&offer, &thief),
        Err(Refused::Denied(Cause::Offer))
    );
    assert_eq!(
        scene.pending.as_ref().unwrap().state(NOW),
        Some(LinkState::Clashed)
    );
    for new in [&laptop, &thief] {
        assert_eq!(scene.join(&offer, new), Err(Refused::Denied(Cause::Offer)));
        assert_eq!(cause(scene.link_what_joined(new)), Cause::Proof);
    }
    assert_eq!(scene.record.credentials().len(), 1);
}

#[test]
fn a_device_that_joins_while_the_first_one_links_undoes_the_link() {
    let mut scene = Scene::new();
    let (phone, laptop) = (drawn(1), drawn(2));
    let offer = scene.offer();
    assert!(scene.join(&offer, &laptop).is_ok());
    let of = scene.challenge();
    let proof = scene.linking(&phone, &of, &laptop);
    let wanted = scene.ask_link(None, &of, &proof, &laptop, None).unwrap();
    let verified = scene.settle(wanted).unwrap();
    assert!(scene.join(&offer, &drawn(3)).is_err());
    assert_eq!(cause(scene.commit(verified)), Cause::Changed);
    assert_eq!(scene.record.credentials().len(), 1);
}

#[test]
fn what_joined_is_linked_as_it_was_or_not_at_all() {
    let mut scene = Scene::new();
    let (laptop, thief) = (drawn(2), drawn(3));
    // Nobody has joined.
    assert_eq!(cause(scene.link_what_joined(&laptop)), Cause::Proof);
    let offer = scene.offer();
    assert_eq!(cause(scene.link_what_joined(&laptop)), Cause::Proof);
    assert!(scene.join(&offer, &thief).is_ok());
    // The first device asks for the credential whose number was typed.
    assert_eq!(cause(scene.link_what_joined(&laptop)), Cause::Proof);
    // What was left is gone after ten minutes.
    scene.now = NOW + PendingLink::KEPT_SECONDS;
    assert_eq!(cause(scene.link_what_joined(&thief)), Cause::Proof);
    scene.now -= 1;
    assert!(scene.link_what_joined(&thief).is_ok());
}

#[test]
fn an_offer_is_for_its_client_and_its_challenge_and_as_long_as_that_lives() {
    let mut scene = Scene::new();
    let laptop = drawn(2);
    let first = scene.offer();
    // Another client's token offers nothing of this one's.
    let named = scene.named(&first);
    let of = Named::Joined(named.as_bytes());
    let bob = "bob".parse().unwrap();
    assert!(scene.terms.offer(&scene.keys, NOW, &bob, &of).is_err());
    // A newer offer takes the place of the older one.
    let second = scene.offer();
    assert_eq!(
        scene.join(&first, &laptop),
        Err(Refused::Denied(Cause::Offer))
    );
    let unoffered = scene.challenge();
    assert_eq!(
        scene.join(&unoffered, &laptop),
        Err(Refused::Denied(Cause::Offer))
    );
    scene.now = NOW + 120;
    assert_eq!(
        scene.join(&second, &laptop),
        Err(Refused::Denied(Cause::Challenge))
    );
    scene.now = NOW + 119;
    assert!(scene.join(&second, &laptop).is_ok());
    scene.pending = None;
    assert_eq!(
        scene.join(&second, &laptop),
        Err(Refused::Denied(Cause::Offer))
    );
}

#[test]
fn joining_needs_the_proof_of_what_joins_over_the_offer() {
    let mut scene = Scene::new();
    let (laptop, other) = (drawn(2), drawn(3));
    let offer = scene.offer();
    let unoffered = scene.challenge();
    let possession = scene.proof(
        &laptop,
        &Enrolment {
            client_id: &scene.id,
        },
    );
    let of = scene.named(&offer);
    for proof in [
        possession,
        scene.joining(&other, &offer),
        scene.joining(&laptop, &unoffered),
        scene.linking(&laptop, &offer, &laptop),
    ] {
        let request = JoinRequest {
            of: Named::Joined(of.as_bytes()),
            commitment: laptop.commitment().as_bytes(),
            joining: JoiningPart {
                proof: &proof,
                name: b"laptop",
            },
        };
        // The same work, whether there is an offer or not.
        for pending in [scene.pending.clone(), None] {
            let joiner = scene.terms.join(&scene.keys, NOW, &request).unwrap();
            let before = equations();
            let refused = joiner.found(pending).unwrap_err();
            assert_eq!(
                (equations() - before, refused),
                (1, Refused::Denied(Cause::Proof))
            );
        }
    }
}

#[test]
fn a_pending_link_survives_a_round_trip_and_damage_is_refused() {
    let mut scene = Scene::new();
    let offer = scene.offer();
    let mut kept = vec![scene.pending.clone().unwrap()];
    scene.join(&offer, &drawn(2)).unwrap();
    kept.push(scene.pending.clone().unwrap());
    let _ = scene.join(&offer, &drawn(3));
    kept.push(scene.pending.clone().unwrap());
    for pending in kept {
        let bytes = pending.to_bytes();
        assert!(bytes.len() <= PendingLink::MAX_LEN);
        assert_eq!(PendingLink::from_bytes(&bytes), Ok(pending));
        for len in 0..bytes.len() {
            assert!(PendingLink::from_bytes(&bytes[..len]).is_err());
        }
        for at in 0..8 * bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            if let Ok(read) = PendingLink::from_bytes(&damaged) {
                assert_eq!(read.to_bytes(), damaged);
            }
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(PendingLink::from_bytes(&longer).is_err());
    }
}
