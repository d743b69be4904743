//! What a client may do and from where, tested: it never grows by anything that the client does itself.

use alloc::vec;

use super::{
    RotationRequest,
    scene::{NOW, Scene, cause, drawn, id_of},
    *,
};
use crate::{Attributes, Authentication, Credential, Enrolment, Rotation, Scopes, Sources};

fn scopes(all: &[&str]) -> Scopes {
    Scopes::new(all.iter().copied()).unwrap()
}

/// `alice` may read and write, by her phone only read, and that until a time.
fn narrowed() -> Scene {
    let mut scene = Scene::with_both();
    let said = Attributes {
        scopes: scopes(&["read", "write"]),
        ..Attributes::default()
    };
    scene.record.set_attributes(said).unwrap();
    let phone = id_of(&drawn(1));
    let own = Some(scopes(&["read", "admin"]));
    scene.record.set_scopes(&phone, own).unwrap();
    scene.record.set_expiry(&phone, Some(NOW + 60)).unwrap();
    scene
}

fn scopes_of(scene: &mut Scene, by: &Credential) -> Scopes {
    let wanted = scene.login(by, Some(id_of(by)));
    scene.carry_out(wanted).unwrap().scopes()
}

#[test]
fn a_credential_has_no_scope_that_its_client_has_not() {
    let mut scene = narrowed();
    assert_eq!(scopes_of(&mut scene, &drawn(1)), scopes(&["read"]));
    assert_eq!(scopes_of(&mut scene, &drawn(2)), scopes(&["read", "write"]));
    // What is taken from the client is taken from each of its credentials.
    let said = Attributes {
        scopes: scopes(&["write"]),
        ..Attributes::default()
    };
    scene.record.set_attributes(said).unwrap();
    assert_eq!(scopes_of(&mut scene, &drawn(1)), Scopes::default());
}

#[test]
fn a_link_and_a_rotation_give_no_more_than_the_credential_had_that_asked() {
    let mut scene = narrowed();
    let (phone, tablet, watch) = (drawn(1), drawn(3), drawn(4));
    let wanted = scene.link(&phone, &tablet);
    assert!(scene.carry_out(wanted).is_ok());
    let offer = scene.offer();
    scene.join(&offer, &watch).unwrap();
    let _ = scene.link_what_joined(&watch).unwrap();
    for new in [&tablet, &watch] {
        assert_eq!(scopes_of(&mut scene, new), scopes(&["read"]));
        let kept = scene.record.credential(Some(&id_of(new))).unwrap();
        assert_eq!(scene.record.expiry_of(kept), Some(NOW + 60));
    }

    let new = drawn(5);
    let of = scene.challenge();
    let binding = scene.terms.binding();
    let rotation = Rotation::new(&scene.id, &of.nonce, new.commitment(), binding).unwrap();
    let enrolment = Enrolment {
        client_id: &scene.id,
    };
    let named = scene.named(&of);
    let request = RotationRequest {
        of: Named::Joined(named.as_bytes()),
        credential: None,
        proof_old: &scene.proof(&phone, &rotation),
        commitment_new: new.commitment().as_bytes(),
        proof_new: &scene.proof(&new, &enrolment),
    };
    let wanted = scene.terms.rotate(&scene.keys, NOW, &request).unwrap();
    assert!(scene.carry_out(wanted).is_ok());
    assert_eq!(scopes_of(&mut scene, &new), scopes(&["read"]));
    assert_eq!(scene.record.first().expires_at(), Some(NOW + 60));
}

#[test]
fn a_client_is_let_in_from_its_sources_and_from_nowhere_else() {
    let mut scene = Scene::with_both();
    let said = Attributes {
        sources: Sources::new(vec!["192.0.2.0/24".parse().unwrap()]).unwrap(),
        ..Attributes::default()
    };
    scene.record.set_attributes(said).unwrap();
    let (phone, tablet) = (drawn(1), drawn(3));
    for source in [None, Some("198.51.100.7"), Some("::1"), Some("c000:201::")] {
        let source = source.map(|text| text.parse().unwrap());
        let wanted = scene.login(&phone, None).coming_from(source);
        assert_eq!(cause(scene.carry_out(wanted)), Cause::Source, "{source:?}");
        let wanted = scene.link(&phone, &tablet).coming_from(source);
        assert_eq!(cause(scene.carry_out(wanted)), Cause::Source, "{source:?}");
        let wanted = scene.unlink(&phone, &drawn(2)).coming_from(source);
        assert_eq!(cause(scene.carry_out(wanted)), Cause::Source, "{source:?}");
    }
    for source in ["192.0.2.7", "::ffff:192.0.2.7"] {
        let source = Some(source.parse().unwrap());
        let wanted = scene.login(&phone, None).coming_from(source);
        assert!(scene.carry_out(wanted).is_ok());
    }
}

#[test]
fn who_comes_from_elsewhere_costs_and_learns_what_a_wrong_proof_does() {
    let mut scene = Scene::new();
    let said = Attributes {
        sources: Sources::new(vec!["192.0.2.0/24".parse().unwrap()]).unwrap(),
        ..Attributes::default()
    };
    scene.record.set_attributes(said).unwrap();
    let phone = drawn(1);
    let elsewhere = scene.login(&phone, None);
    let mut decoys = 0;
    let check = elsewhere.found(Some(scene.record.clone()), |bytes| {
        decoys += 1;
        crate::Commitment::from_bytes(bytes)
    });
    let checked = check.unwrap().verify();
    assert!(!checked.holds(), "a good proof in a batch stays one");
    assert_eq!(decoys, 1);
    assert_eq!(
        checked.settle().unwrap_err(),
        Refused::Denied(Cause::Source)
    );
    // Nothing is spent: the same challenge is good from where the client may be.
    let of = scene.challenge();
    let statement = Authentication {
        client_id: &scene.id,
        nonce: &of.nonce,
        binding: scene.terms.binding(),
    };
    let (proof, named) = (scene.proof(&phone, &statement), scene.named(&of));
    let request = AuthenticationRequest {
        of: Named::Joined(named.as_bytes()),
        credential: None,
        proof: &proof,
        binding: None,
    };
    let attempt = |scene: &Scene| {
        let wanted = scene.terms.authenticate(&scene.keys, NOW, &request);
        wanted.unwrap()
    };
    let first = attempt(&scene);
    assert_eq!(cause(scene.carry_out(first)), Cause::Source);
    let second = attempt(&scene).coming_from(Some("192.0.2.1".parse().unwrap()));
    assert!(scene.carry_out(second).is_ok());
}
