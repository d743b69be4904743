//! Attempts of a second device to be linked, one rule or attack each.

use alloc::vec;

use super::{
    scene::{NOW, Scene, cause, drawn, id_of},
    *,
};
use crate::{Enrolment, Joining, testing::equations};

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
        (commitment, name.as_str()),
        (laptop.commitment().as_bytes(), "laptop")
    );
    // The first device looks at the joining proof itself.
    let joining = Joining::new(&scene.id, &offer.nonce, scene.terms.binding()).unwrap();
    assert!(crate::verify(laptop.commitment(), &joining, proof).is_ok());
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
        Some(&LinkState::Clashed)
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
