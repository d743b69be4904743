//! Single attempts, one rule each.

use alloc::{format, sync::Arc, vec, vec::Vec};

use super::*;
use crate::{
    Attributes, Authentication, AuthenticationBinding, Challenge, ClientId, ClientRecord,
    Commitment, Credential, CredentialName, Denied, Enrolment, Error, ErrorCode, Proof, Record,
    Rotation, prove,
    testing::{Broken, equations, rng},
};

const NOW: u64 = 1_795_000_000;

fn enrolled(credential: &Credential) -> Record {
    Record::enrolled(credential.commitment(), CredentialName::unnamed(), 0)
}

struct Scene {
    id: ClientId,
    credential: Credential,
    record: Record,
    terms: Terms,
    keys: Arc<Keys>,
}

impl Scene {
    fn new() -> Self {
        let credential = Credential::generate(&mut rng(1)).unwrap();
        let binding = AuthenticationBinding::for_audience(&"https://a.example".parse().unwrap());
        let keys = Keys::derive(&[Root::new(0, [1; 32])], Epoch::from_bytes([2; 16])).unwrap();
        Self {
            id: "alice".parse().unwrap(),
            record: enrolled(&credential),
            credential,
            terms: Terms::new(binding, Decoys::new([3; 16])),
            keys: Arc::new(keys),
        }
    }

    fn challenge(&self) -> Challenge {
        self.terms
            .challenge(&self.keys, &self.id, NOW, &mut rng(2))
            .unwrap()
    }

    fn proof(&self, challenge: &Challenge, binding: &AuthenticationBinding) -> [u8; Proof::LEN] {
        let statement = Authentication {
            client_id: &self.id,
            nonce: &challenge.nonce,
            binding,
        };
        let proof = prove(&self.credential, &statement, &mut rng(3)).unwrap();
        proof.to_bytes()
    }

    fn wanted(&self) -> Wanted {
        let challenge = self.challenge();
        let proof = self.proof(&challenge, self.terms.binding());
        self.authenticate(&challenge.id.to_text(), &proof, None)
            .unwrap()
    }

    fn authenticate(
        &self,
        challenge_id: &[u8],
        proof: &[u8],
        binding: Option<&[u8]>,
    ) -> Result<Wanted, Refused> {
        let of = Named::Apart {
            client_id: self.id.as_bytes(),
            challenge_id,
        };
        let request = AuthenticationRequest {
            of,
            credential: None,
            proof,
            binding,
        };
        self.terms.authenticate(&self.keys, NOW, &request)
    }

    /// The rotation to `new`, as its owner asks for it.
    fn rotation(&self, new: &Credential) -> Wanted {
        let challenge = self.challenge();
        let (id, binding) = (&self.id, self.terms.binding());
        let statement = Rotation::new(id, &challenge.nonce, new.commitment(), binding).unwrap();
        let proof_old = prove(&self.credential, &statement, &mut rng(4)).unwrap();
        let possession = Enrolment { client_id: id };
        let proof_new = prove(new, &possession, &mut rng(5)).unwrap();
        let request = RotationRequest {
            of: Named::Apart {
                client_id: id.as_bytes(),
                challenge_id: &challenge.id.to_text(),
            },
            credential: None,
            proof_old: &proof_old.to_bytes(),
            commitment_new: new.commitment().as_bytes(),
            proof_new: &proof_new.to_bytes(),
        };
        self.terms.rotate(&self.keys, NOW, &request).unwrap()
    }
}

fn found(wanted: Wanted, record: Option<Record>) -> Check {
    wanted
        .found(record, |decoy| Commitment::from_bytes(decoy))
        .unwrap()
}

/// How the check ends, and after how many equations.
fn settled(check: Check) -> (usize, Result<Commit, Refused>) {
    let before = equations();
    let settled = check.verify().settle();
    (equations() - before, settled)
}

#[test]
fn the_nonce_of_a_challenge_is_told_while_it_is_alive() {
    let scene = Scene::new();
    let challenge = scene.challenge();
    let nonce = |id: &[u8], now| scene.terms.nonce(&scene.keys, &scene.id, id, now);
    let id = challenge.id.to_text();
    let expires_at = u64::from(challenge.id.expires_at());
    assert_eq!(nonce(&id, NOW), Ok(challenge.nonce));
    assert_eq!(nonce(&id, expires_at - 1), Ok(challenge.nonce));
    assert_eq!(nonce(&id, expires_at), Err(Denied));
    assert_eq!(nonce(b"x", NOW), Err(Denied));
}

#[test]
fn every_attempt_does_the_same_work_whoever_makes_it() {
    let scene = Scene::new();
    let (mut suspended, mut revoked) = (scene.record.clone(), scene.record.clone());
    suspended.suspend().unwrap();
    revoked.revoke();
    let stranger = enrolled(&Credential::generate(&mut rng(9)).unwrap());
    for (record, cause) in [
        (None, Cause::UnknownClient),
        (Some(suspended.clone()), Cause::InactiveClient),
        (Some(revoked), Cause::InactiveClient),
        (Some(stranger), Cause::Proof),
    ] {
        let (work, settled) = settled(found(scene.wanted(), record));
        assert_eq!((work, settled.unwrap_err()), (1, Refused::Denied(cause)));
    }
    let (work, good) = settled(found(scene.wanted(), Some(scene.record.clone())));
    assert_eq!((work, good.is_ok()), (1, true));
    // In a batch, the right proof of a suspended client does what a wrong one does.
    assert!(!found(scene.wanted(), Some(suspended)).verify().holds());
}

#[test]
fn one_commitment_is_decoded_at_most_and_none_that_is_at_hand() {
    let scene = Scene::new();
    let decode = |_: &[u8; 32]| panic!("the client's own commitment is at hand");
    assert!(
        scene
            .wanted()
            .found(Some(scene.record.clone()), decode)
            .is_ok()
    );
    let failing = |_: &[u8; 32]| Err(Error::random_source());
    assert!(scene.wanted().found(None::<Record>, failing).is_err());
    let stored = Record::from_bytes(&scene.record.to_bytes()).unwrap();
    let own = |bytes: &[u8; 32]| {
        assert_eq!(bytes, scene.credential.commitment().as_bytes());
        Commitment::from_bytes(bytes)
    };
    assert!(scene.wanted().found(Some(stored.clone()), own).is_ok());
    let damaged = scene.wanted().found(Some(stored), failing).unwrap_err();
    assert_eq!(damaged.code(), ErrorCode::Unavailable);
}

#[test]
fn what_is_malformed_is_said_before_the_challenge_is_looked_at() {
    let scene = Scene::new();
    let proof = scene.proof(&scene.challenge(), scene.terms.binding());
    let code = |refused: Result<Wanted, Refused>| match refused.unwrap_err() {
        Refused::Failed(error) => error.code(),
        other => Error::from(other).code(),
    };
    let short = scene.authenticate(b"no challenge", &proof[..95], None);
    assert_eq!(code(short), ErrorCode::InvalidLength);
    let foreign = scene.authenticate(b"no challenge", &proof, Some(b"enrollment"));
    assert_eq!(code(foreign), ErrorCode::InvalidEncoding);
    let unknown = scene.authenticate(b"no challenge", &proof, None);
    assert_eq!(code(unknown), ErrorCode::Denied);
    for (name, expected) in [
        (&b"ch-6afd86c037009872e54f07c1.alice"[..], ErrorCode::Denied),
        (b"ch-6afd86c037009872e54f07c1", ErrorCode::Denied),
        (b"ch-6afd86c037009872e54f07c1.a b", ErrorCode::Denied),
        (b"", ErrorCode::Denied),
    ] {
        let request = |proof| AuthenticationRequest {
            of: Named::Joined(name),
            credential: None,
            proof,
            binding: None,
        };
        let attempt = scene.terms.authenticate(&scene.keys, NOW, &request(&proof));
        assert_eq!(code(attempt), expected, "{name:?}");
        let attempt = scene.terms.authenticate(&scene.keys, NOW, &request(b""));
        assert_eq!(code(attempt), ErrorCode::InvalidLength);
    }
}

#[test]
fn a_foreign_binding_is_denied_after_the_same_work() {
    let scene = Scene::new();
    let challenge = scene.challenge();
    let with = |named: &[u8]| {
        let binding = AuthenticationBinding::from_bytes(named).unwrap();
        let proof = scene.proof(&challenge, &binding);
        let wanted = scene.authenticate(&challenge.id.to_text(), &proof, Some(named));
        settled(found(wanted.unwrap(), Some(scene.record.clone())))
    };
    let (work, foreign) = with(b"aud:https://b.example");
    assert_eq!(
        (work, foreign.unwrap_err()),
        (1, Refused::Denied(Cause::Binding))
    );
    let exporter = [&b"aud:https://a.example\0\0\0\x20"[..], &[7; 32]].concat();
    assert!(with(&exporter).1.is_ok());
}

#[test]
fn a_rotation_is_looked_at_twice_only_for_who_holds_the_credential() {
    let scene = Scene::new();
    let new = Credential::generate(&mut rng(8)).unwrap();
    let (work, good) = settled(found(scene.rotation(&new), Some(scene.record.clone())));
    let commit = good.unwrap();
    assert_eq!(work, 2);
    let mut rotated = scene.record.clone();
    let first = rotated.first().id();
    rotated.rotate(&first, new.commitment()).unwrap();
    assert_eq!(commit.step().change, Change::Replace(rotated));
    let another = enrolled(&new);
    let (work, denied) = settled(found(scene.rotation(&new), Some(another)));
    assert_eq!(
        (work, denied.unwrap_err()),
        (1, Refused::Denied(Cause::Proof))
    );
    let (work, unknown) = settled(found(scene.rotation(&new), None));
    assert_eq!(
        (work, unknown.unwrap_err()),
        (1, Refused::Denied(Cause::UnknownClient))
    );
}

#[test]
fn a_rotation_to_the_commitment_that_is_there_is_denied() {
    let scene = Scene::new();
    let check = found(
        scene.rotation(&scene.credential),
        Some(scene.record.clone()),
    );
    let refused = settled(check).1.unwrap_err();
    assert_eq!(refused, Refused::Denied(Cause::Credentials));
}

#[test]
fn a_rotation_needs_the_proof_of_the_new_credential() {
    let scene = Scene::new();
    let challenge = scene.challenge();
    let new = Credential::generate(&mut rng(8)).unwrap();
    let (id, binding) = (&scene.id, scene.terms.binding());
    let statement = Rotation::new(id, &challenge.nonce, new.commitment(), binding).unwrap();
    let proof_old = prove(&scene.credential, &statement, &mut rng(4)).unwrap();
    let request = RotationRequest {
        of: Named::Apart {
            client_id: id.as_bytes(),
            challenge_id: &challenge.id.to_text(),
        },
        credential: None,
        proof_old: &proof_old.to_bytes(),
        commitment_new: new.commitment().as_bytes(),
        proof_new: &proof_old.to_bytes(),
    };
    let wanted = scene.terms.rotate(&scene.keys, NOW, &request).unwrap();
    let denied = settled(found(wanted, Some(scene.record.clone()))).1;
    assert_eq!(denied.unwrap_err(), Refused::Denied(Cause::Proof));
}

#[test]
fn versions_that_are_used_up_are_the_hosts_trouble_and_change_nothing() {
    let scene = Scene::new();
    let new = Credential::generate(&mut rng(8)).unwrap();
    let single = ClientRecord {
        commitment_version: u32::MAX,
        ..ClientRecord::enrolled(*scene.credential.commitment())
    };
    let refused = settled(found(scene.rotation(&new), Some(single.into()))).1;
    let error = Error::from(refused.unwrap_err());
    assert_eq!(error.code(), ErrorCode::Unavailable);
}

#[test]
fn what_the_store_did_is_what_the_caller_is_told() {
    let scene = Scene::new();
    let code = |committed| {
        let commit = found(scene.wanted(), Some(scene.record.clone()))
            .verify()
            .settle()
            .unwrap();
        commit
            .done(committed)
            .map_err(|refused| Error::from(refused).code())
    };
    assert!(code(Committed::Done).is_ok());
    for (committed, expected) in [
        (Committed::Changed, ErrorCode::Denied),
        (Committed::Spent, ErrorCode::Denied),
        (Committed::Expired, ErrorCode::Denied),
        (Committed::StaleEpoch, ErrorCode::Denied),
        (Committed::NotInvited, ErrorCode::Denied),
        (Committed::Exists, ErrorCode::AlreadyEnrolled),
        (Committed::Full { retry_after: 3 }, ErrorCode::Throttled),
    ] {
        assert_eq!(code(committed).unwrap_err(), expected, "{committed:?}");
    }
}

#[test]
fn an_enrolment_asks_for_permission_before_any_work() {
    let scene = Scene::new();
    let possession = Enrolment {
        client_id: &scene.id,
    };
    let proof = prove(&scene.credential, &possession, &mut rng(6)).unwrap();
    let asked = |proof: &[u8]| {
        let request = EnrolmentRequest {
            client_id: scene.id.as_bytes(),
            commitment: scene.credential.commitment().as_bytes(),
            proof,
        };
        scene.terms.enrol(&request)
    };
    assert!(matches!(asked(&[0; 95]), Err(Refused::Failed(_))));
    let before = equations();
    let refused = asked(&proof.to_bytes()).unwrap().refuse();
    assert_eq!(
        (equations() - before, refused),
        (0, Refused::Denied(Cause::Permission))
    );

    let by = Permission::Invitation([5; 32]);
    let check = asked(&proof.to_bytes()).unwrap().permitted(by);
    let commit = settled(check).1.unwrap();
    assert_eq!(commit.step().expect, Expect::Absent(by));
    assert_eq!(commit.step().spend, None);
    assert_eq!(commit.step().change, Change::Insert(scene.record.clone()));

    let authentication = scene.proof(&scene.challenge(), scene.terms.binding());
    let check = asked(&authentication).unwrap().permitted(by);
    assert_eq!(settled(check).1.unwrap_err(), Refused::Denied(Cause::Proof));
}

#[test]
fn what_a_permission_says_of_a_client_is_in_the_record_that_is_made_and_replaces_what_was_said() {
    let scene = Scene::new();
    let client_id = &scene.id;
    let new = Credential::generate(&mut rng(7)).unwrap();
    let asked = |credential: &Credential, expires_at| {
        let proof = prove(credential, &Enrolment { client_id }, &mut rng(6)).unwrap();
        let request = EnrolmentRequest {
            client_id: client_id.as_bytes(),
            commitment: credential.commitment().as_bytes(),
            proof: &proof.to_bytes(),
        };
        let attributes = Attributes {
            expires_at,
            ..Attributes::default()
        };
        scene.terms.enrol(&request).unwrap().saying(attributes)
    };
    let enrolled = asked(&scene.credential, Some(NOW)).permitted(Permission::Host);
    let commit = settled(enrolled).1.unwrap();
    let record = commit.record().clone();
    assert_eq!(commit.step().change, Change::Insert(record.clone()));
    assert_eq!(record.attributes().unwrap().expires_at, Some(NOW));
    assert_eq!(record.version(), 1);
    for (said, kept) in [(Some(NOW + 1), Some(NOW + 1)), (None, None)] {
        let reset = asked(&new, said).permitted_to_reset(Permission::Host, Some(record.clone()));
        let commit = settled(reset.unwrap()).1.unwrap();
        let record = commit.record();
        assert_eq!(commit.step().change, Change::Replace(record.clone()));
        assert_eq!(record.attributes().and_then(|said| said.expires_at), kept);
        assert_eq!((record.version(), record.generation()), (2, 1));
    }
}

#[test]
fn a_batch_answers_as_each_attempt_would_alone_decoys_among_them() {
    let scene = Scene::new();
    let new = Credential::generate(&mut rng(8)).unwrap();
    let checks = || -> Vec<Check> {
        vec![
            found(scene.wanted(), Some(scene.record.clone())),
            found(scene.rotation(&new), Some(scene.record.clone())),
            found(scene.wanted(), None),
            found(
                scene.rotation(&scene.credential),
                Some(scene.record.clone()),
            ),
        ]
    };
    let answers = |checked: Vec<Checked>| -> Vec<bool> {
        let settled = checked.into_iter().map(|checked| checked.settle().is_ok());
        settled.collect()
    };
    let expected = [true, true, false, false];
    assert_eq!(answers(verify_batch(checks(), &mut rng(1))), expected);
    assert_eq!(answers(verify_batch(checks(), &mut Broken)), expected);
    let mut good = checks();
    good.truncate(2);
    assert_eq!(answers(verify_batch(good, &mut rng(1))), [true, true]);
    assert!(verify_batch(Vec::new(), &mut rng(1)).is_empty());
}

#[test]
fn an_attempt_is_silent_and_can_go_to_another_thread() {
    fn assert_send<T: Send + 'static>() {}
    assert_send::<Wanted>();
    assert_send::<Check>();
    assert_send::<Checked>();
    assert_send::<Commit>();
    assert_send::<Accepted>();
    let scene = Scene::new();
    let wanted = scene.wanted();
    assert_eq!(format!("{wanted:?}"), "Wanted(an attempt)");
    let commit = found(wanted, Some(scene.record.clone()))
        .verify()
        .settle()
        .unwrap();
    assert_eq!(format!("{commit:?}"), "Commit(an attempt)");
    let accepted = commit.done(Committed::Done).unwrap();
    assert_eq!(format!("{accepted:?}"), "Accepted(alice)");
    assert_eq!(accepted.credential_id(), &scene.record.first().id());
    assert_eq!((accepted.since(), accepted.generation()), (1, 0));
    assert_eq!(accepted.into_parts(), (scene.id, scene.record));
}
