//! Attempts to link, unlink and reset, one rule or attack each.

use alloc::vec::Vec;

use super::{
    scene::{NOW, Scene, cause, drawn, id_of, name},
    *,
};
use crate::{
    Attributes, Authentication, ClientStatus, Commitment, Credential, Enrolment, Error, ErrorCode,
    Record, Rotation, testing::equations,
};

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
    assert_eq!(scene.record.first().id(), id_of(&laptop));
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
    assert_eq!(accepted.credential_id(), &first.id());
    assert_eq!(accepted.proven(), Some(&phone));
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
fn what_comes_back_from_a_backup_honours_no_session_of_before_or_since() {
    let mut scene = Scene::with_both();
    let phone = id_of(&drawn(1));
    let mut backup = scene.record.clone();
    backup.outlive_restore();
    // The one that was lost goes on for long, and ends sessions meanwhile.
    for _ in 0..1000 {
        let generation = scene.record.generation();
        assert!(scene.record.honours(Some(&phone), 1, generation, NOW));
        assert!(!backup.honours(Some(&phone), 1, generation, NOW));
        scene.record.end_sessions().unwrap();
    }
    assert!(backup.is_active() && backup.honours(Some(&phone), 1, backup.generation(), NOW));
    let mut again = backup.clone();
    again.outlive_restore();
    assert!(again.generation() > backup.generation() + 1000);
    // Where the generations end, nobody is let in rather than a session of before.
    let credentials = backup.credentials().to_vec();
    let with = |status| {
        let (credentials, said) = (credentials.clone(), Attributes::default());
        Record::from_parts(2, u32::MAX - 9, status, credentials, said).unwrap()
    };
    let mut used_up = with(ClientStatus::Active);
    used_up.outlive_restore();
    assert_eq!(used_up.status(), ClientStatus::Suspended);
    assert!(used_up.resume().is_err());
    let mut revoked = with(ClientStatus::Revoked);
    revoked.outlive_restore();
    assert_eq!(revoked.status(), ClientStatus::Revoked);
}
