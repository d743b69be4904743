//! What every host does, one sentence each. Every behaviour makes clients of its own.

use std::thread;

use twofapi_crypto_core::{Audience, AuthenticationBinding, Enrolment, Proof, Statement};

use crate::{Act, Answer, HostUnderTest, Issued, Person};

pub(crate) type Host<'a> = &'a mut dyn HostUnderTest;
pub(crate) type Behaviour = fn(Host<'_>);

macro_rules! behaviours {
    ($($name:ident),* $(,)?) => {
        pub(crate) const ALL: &[(&str, $crate::behaviours::Behaviour)] =
            &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use behaviours;

behaviours!(
    an_enrolled_client_is_accepted_and_has_a_session,
    a_client_id_is_enrolled_once,
    an_enrolment_with_a_wrong_proof_leaves_nothing,
    an_unknown_client_gets_a_challenge_and_is_denied,
    a_proof_is_accepted_once,
    of_many_copies_of_a_proof_one_is_accepted,
    a_refused_proof_leaves_its_challenge_good,
    a_challenge_is_good_for_its_client_only,
    a_proof_of_somebody_else_is_denied,
    a_proof_for_another_host_is_denied,
    a_proof_for_another_purpose_is_denied,
    a_challenge_that_was_never_issued_is_denied,
    what_is_malformed_is_named_and_spends_nothing,
    an_announcement_that_is_no_element_is_denied,
    a_suspended_client_is_denied_until_it_is_resumed,
    a_revoked_client_is_denied_for_ever,
    suspending_ends_the_session,
    a_rotation_replaces_the_credential,
    a_rotation_ends_the_sessions_of_before,
    a_rotation_to_the_same_commitment_is_denied,
    a_rotation_without_the_new_proof_changes_nothing,
    a_rotation_by_another_credential_is_denied,
    of_two_rotations_of_one_version_one_wins,
    a_challenge_is_good_for_a_login_or_a_rotation_and_not_both,
    an_unknown_client_cannot_rotate,
);

/// The names of all behaviours, in order.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let all = ALL.iter().chain(crate::devices::ALL);
    all.map(|(name, _)| *name).collect()
}

pub(crate) fn denied() -> Answer {
    Answer::refused("denied")
}

/// Answers with a proof in which one bit of z_s is another.
fn wrong(proof: [u8; Proof::LEN]) -> [u8; Proof::LEN] {
    let mut wrong = proof;
    wrong[32] ^= 1;
    wrong
}

fn an_enrolled_client_is_accepted_and_has_a_session(host: Host<'_>) {
    let person = Person::enrolled(host, "c-enrolled");
    assert_eq!(host.version(person.id.as_str()), Some(1));
    let mut connection = host.another();
    assert_eq!(connection.whoami(), None);
    assert_eq!(person.log_in(&mut *connection), Answer::Accepted);
    assert_eq!(connection.whoami().as_deref(), Some(person.id.as_str()));
    assert_eq!(host.another().whoami(), None);
}

fn a_client_id_is_enrolled_once(host: Host<'_>) {
    let person = Person::enrolled(host, "c-once");
    let other = person.renewed();
    assert_eq!(other.enroll(host), Answer::refused("already_enrolled"));
    assert_eq!(person.log_in(&mut *host.another()), Answer::Accepted);
    assert_eq!(other.log_in(&mut *host.another()), denied());
}

fn an_enrolment_with_a_wrong_proof_leaves_nothing(host: Host<'_>) {
    let person = Person::new(&host.client_id("c-wrong-enrolment"));
    let id = person.id.clone();
    let commitment = *person.commitment().as_bytes();
    let answer = host.enroll(id.as_str(), &commitment, &wrong(person.possession()));
    assert_eq!(answer, denied());
    assert_eq!(host.version(id.as_str()), None);
    // Somebody else's enrolment proof of the same commitment says nothing of this client id.
    let elsewhere = Person {
        id: host.client_id("c-elsewhere").parse().expect("a client id"),
        credential: person.credential,
    };
    let answer = host.enroll(id.as_str(), &commitment, &elsewhere.possession());
    assert_eq!(answer, denied());
    assert_eq!(host.version(id.as_str()), None);
    let _ = Person::enrolled(host, "c-wrong-enrolment");
}

fn an_unknown_client_gets_a_challenge_and_is_denied(host: Host<'_>) {
    let stranger = Person::new(&host.client_id("c-stranger"));
    let known = Person::enrolled(host, "c-known");
    let (a, b) = (stranger.challenge(host), known.challenge(host));
    assert_eq!(a.nonce.len(), b.nonce.len());
    assert_eq!(stranger.log_in(&mut *host.another()), denied());
}

fn a_proof_is_accepted_once(host: Host<'_>) {
    let person = Person::enrolled(host, "c-replay");
    let issued = person.challenge(host);
    let proof = person.answer(&issued, &host.binding());
    let mut answers = Vec::new();
    for _ in 0..3 {
        let mut connection = host.another();
        answers.push(connection.authenticate(person.id.as_str(), &issued.id, &proof));
    }
    assert_eq!(answers, [Answer::Accepted, denied(), denied()]);
    // Nor is the challenge good for another proof.
    let fresh = person.answer(&issued, &host.binding());
    let answer = host
        .another()
        .authenticate(person.id.as_str(), &issued.id, &fresh);
    assert_eq!(answer, denied());
}

fn of_many_copies_of_a_proof_one_is_accepted(host: Host<'_>) {
    let person = Person::enrolled(host, "c-copies");
    for _ in 0..5 {
        let issued = person.challenge(host);
        let proof = person.answer(&issued, &host.binding());
        let attempts: Vec<_> = (0..8)
            .map(|_| {
                let mut connection = host.another();
                let (client, id) = (person.id.clone(), issued.id.clone());
                thread::spawn(move || connection.authenticate(client.as_str(), &id, &proof))
            })
            .collect();
        let answers: Vec<_> = attempts
            .into_iter()
            .map(|attempt| attempt.join().expect("an attempt"))
            .collect();
        let accepted = answers.iter().filter(|a| **a == Answer::Accepted).count();
        let refused = answers.iter().filter(|a| **a == denied()).count();
        assert_eq!((accepted, refused), (1, 7), "{answers:?}");
    }
}

fn a_refused_proof_leaves_its_challenge_good(host: Host<'_>) {
    let person = Person::enrolled(host, "c-refused");
    let issued = person.challenge(host);
    let proof = person.answer(&issued, &host.binding());
    for _ in 0..3 {
        let mut connection = host.another();
        let answer = connection.authenticate(person.id.as_str(), &issued.id, &wrong(proof));
        assert_eq!(answer, denied());
    }
    let answer = host
        .another()
        .authenticate(person.id.as_str(), &issued.id, &proof);
    assert_eq!(answer, Answer::Accepted);
}

fn a_challenge_is_good_for_its_client_only(host: Host<'_>) {
    let (a, b) = (
        Person::enrolled(host, "c-hers"),
        Person::enrolled(host, "c-his"),
    );
    let (hers, his) = (a.challenge(host), b.challenge(host));
    assert_ne!(hers.nonce, his.nonce);
    // The nonce of one challenge under the name of the other.
    let mixed = Issued {
        id: his.id.clone(),
        nonce: hers.nonce.clone(),
    };
    let proof = b.answer(&mixed, &host.binding());
    let answer = host
        .another()
        .authenticate(b.id.as_str(), &mixed.id, &proof);
    assert_eq!(answer, denied());
    // What he did with his own challenge leaves hers as it was.
    let proof = a.answer(&hers, &host.binding());
    let answer = host.another().authenticate(a.id.as_str(), &hers.id, &proof);
    assert_eq!(answer, Answer::Accepted);
}

fn a_proof_of_somebody_else_is_denied(host: Host<'_>) {
    let person = Person::enrolled(host, "c-victim");
    let thief = person.renewed();
    assert_eq!(thief.log_in(&mut *host.another()), denied());
    assert_eq!(person.log_in(&mut *host.another()), Answer::Accepted);
}

fn a_proof_for_another_host_is_denied(host: Host<'_>) {
    let person = Person::enrolled(host, "c-relayed");
    let elsewhere = Audience::parse("https://elsewhere.example").expect("an audience");
    for binding in [
        AuthenticationBinding::for_audience(&elsewhere),
        AuthenticationBinding::from_bytes(b"x").expect("a binding"),
    ] {
        let issued = person.challenge(host);
        let proof = person.answer(&issued, &binding);
        let answer = host
            .another()
            .authenticate(person.id.as_str(), &issued.id, &proof);
        assert_eq!(answer, denied());
    }
}

fn a_proof_for_another_purpose_is_denied(host: Host<'_>) {
    let person = Person::enrolled(host, "c-purposes");
    let (next, binding) = (person.renewed(), host.binding());
    let issued = person.challenge(host);
    for proof in [
        person.possession(),
        person.rotation(&issued, &binding, next.commitment()),
    ] {
        let mut connection = host.another();
        let answer = connection.authenticate(person.id.as_str(), &issued.id, &proof);
        assert_eq!(answer, denied());
    }
    let issued = person.challenge(host);
    let answer = host.rotate(
        person.id.as_str(),
        &issued.id,
        &person.answer(&issued, &binding),
        next.commitment().as_bytes(),
        &next.possession(),
    );
    assert_eq!(answer, denied());
    assert_eq!(host.version(person.id.as_str()), Some(1));
    let fresh = Person::new(&host.client_id("c-purposes-2"));
    let issued = fresh.challenge(host);
    let authentication = fresh.answer(&issued, &binding);
    let answer = host.enroll(
        fresh.id.as_str(),
        fresh.commitment().as_bytes(),
        &authentication,
    );
    assert_eq!(answer, denied());
}

fn a_challenge_that_was_never_issued_is_denied(host: Host<'_>) {
    let person = Person::enrolled(host, "c-made-up");
    let issued = person.challenge(host);
    let digits = issued.id.find("ch-").expect("a challenge id") + 3;
    let mut changed = issued.id.clone().into_bytes();
    // The last of the random digits; the expiry stays.
    let last = digits + 23;
    changed[last] = if changed[last] == b'0' { b'1' } else { b'0' };
    let mut later = issued.id.clone().into_bytes();
    later[digits] = b'f';
    let proof = person.answer(&issued, &host.binding());
    for id in [changed, later] {
        let id = String::from_utf8(id).expect("ASCII");
        let answer = host.another().authenticate(person.id.as_str(), &id, &proof);
        assert_eq!(answer, denied(), "{id}");
    }
    for id in ["ch-", "", "nonsense"] {
        let answer = host.another().authenticate(person.id.as_str(), id, &proof);
        assert_eq!(answer, denied(), "{id:?}");
    }
    let answer = host
        .another()
        .authenticate(person.id.as_str(), &issued.id, &proof);
    assert_eq!(answer, Answer::Accepted);
}

fn what_is_malformed_is_named_and_spends_nothing(host: Host<'_>) {
    let person = Person::enrolled(host, "c-malformed");
    let issued = person.challenge(host);
    let proof = person.answer(&issued, &host.binding());
    let mut identity = proof;
    identity[..32].fill(0);
    let mut above = proof;
    above[32..64].fill(0xff);
    let mut zero = proof;
    zero[64..].fill(0);
    let invalid_length = Answer::refused("invalid_length");
    let invalid_encoding = Answer::refused("invalid_encoding");
    for (bytes, expected) in [
        (&proof[..95], &invalid_length),
        (&[&proof[..], &[0]].concat(), &invalid_length),
        (&identity, &invalid_encoding),
        (&above, &invalid_encoding),
        (&zero, &invalid_encoding),
    ] {
        let mut connection = host.another();
        let answer = connection.authenticate(person.id.as_str(), &issued.id, bytes);
        assert_eq!(answer, *expected);
    }
    let newcomer = Person::new(&host.client_id("c-malformed-2"));
    for (commitment, expected) in [
        (&[0_u8; 32][..], &invalid_encoding),
        (&[0xff; 32], &invalid_encoding),
        (&[1; 31], &invalid_length),
    ] {
        let answer = host.enroll(newcomer.id.as_str(), commitment, &newcomer.possession());
        assert_eq!(answer, *expected);
    }
    for id in ["a b", "a..b", "-a", "2fapi-x"] {
        assert_eq!(
            host.challenge(id),
            Err(Answer::refused("invalid_client_id")),
            "{id}"
        );
    }
    let answer = host
        .another()
        .authenticate(person.id.as_str(), &issued.id, &proof);
    assert_eq!(answer, Answer::Accepted);
}

fn an_announcement_that_is_no_element_is_denied(host: Host<'_>) {
    let person = Person::enrolled(host, "c-no-element");
    let issued = person.challenge(host);
    let mut proof = person.answer(&issued, &host.binding());
    // Below p and even, but not on the curve (RFC 9496, A.3).
    proof[..32].copy_from_slice(&NO_ELEMENT);
    let answer = host
        .another()
        .authenticate(person.id.as_str(), &issued.id, &proof);
    assert_eq!(answer, denied());
}

/// An encoding that no element has: s = 2, below p and not negative.
const NO_ELEMENT: [u8; 32] = {
    let mut bytes = [0; 32];
    bytes[0] = 2;
    bytes
};

fn a_suspended_client_is_denied_until_it_is_resumed(host: Host<'_>) {
    let person = Person::enrolled(host, "c-suspended");
    assert_eq!(
        host.operate(person.id.as_str(), Act::Suspend),
        Answer::Accepted
    );
    assert_eq!(person.log_in(&mut *host.another()), denied());
    let next = person.renewed();
    assert_eq!(person.rotate_to(&mut *host.another(), &next), denied());
    assert_eq!(
        host.operate(person.id.as_str(), Act::Suspend),
        Answer::Accepted
    );
    assert_eq!(
        host.operate(person.id.as_str(), Act::Resume),
        Answer::Accepted
    );
    assert_eq!(person.log_in(&mut *host.another()), Answer::Accepted);
}

fn a_revoked_client_is_denied_for_ever(host: Host<'_>) {
    let person = Person::enrolled(host, "c-revoked");
    assert_eq!(
        host.operate(person.id.as_str(), Act::Revoke),
        Answer::Accepted
    );
    assert_eq!(person.log_in(&mut *host.another()), denied());
    let resumed = host.operate(person.id.as_str(), Act::Resume);
    assert_eq!(resumed, Answer::refused("not_active"));
    assert_eq!(person.log_in(&mut *host.another()), denied());
    let again = person.renewed().enroll(host);
    assert_eq!(again, Answer::refused("already_enrolled"));
}

fn suspending_ends_the_session(host: Host<'_>) {
    let person = Person::enrolled(host, "c-thrown-out");
    let bystander = Person::enrolled(host, "c-bystander");
    let (mut one, mut other) = (host.another(), host.another());
    assert_eq!(person.log_in(&mut *one), Answer::Accepted);
    assert_eq!(bystander.log_in(&mut *other), Answer::Accepted);
    assert_eq!(
        host.operate(person.id.as_str(), Act::Suspend),
        Answer::Accepted
    );
    assert_eq!(one.whoami(), None);
    assert_eq!(other.whoami().as_deref(), Some(bystander.id.as_str()));
}

fn a_rotation_replaces_the_credential(host: Host<'_>) {
    let person = Person::enrolled(host, "c-rotated");
    let next = person.renewed();
    assert_eq!(
        person.rotate_to(&mut *host.another(), &next),
        Answer::Accepted
    );
    assert_eq!(host.version(person.id.as_str()), Some(2));
    assert_eq!(person.log_in(&mut *host.another()), denied());
    assert_eq!(next.log_in(&mut *host.another()), Answer::Accepted);
}

fn a_rotation_ends_the_sessions_of_before(host: Host<'_>) {
    let person = Person::enrolled(host, "c-rotated-out");
    let mut connection = host.another();
    assert_eq!(person.log_in(&mut *connection), Answer::Accepted);
    let next = person.renewed();
    assert_eq!(
        person.rotate_to(&mut *host.another(), &next),
        Answer::Accepted
    );
    assert_eq!(connection.whoami(), None);
}

fn a_rotation_to_the_same_commitment_is_denied(host: Host<'_>) {
    let person = Person::enrolled(host, "c-same");
    assert_eq!(person.rotate_to(&mut *host.another(), &person), denied());
    assert_eq!(host.version(person.id.as_str()), Some(1));
}

fn a_rotation_without_the_new_proof_changes_nothing(host: Host<'_>) {
    let person = Person::enrolled(host, "c-half");
    let next = person.renewed();
    let issued = person.challenge(host);
    let proof_old = person.rotation(&issued, &host.binding(), next.commitment());
    let elsewhere = Enrolment {
        client_id: &host.client_id("c-other").parse().expect("a client id"),
    };
    let foreign = prove(&next, &elsewhere);
    for proof_new in [person.possession(), foreign] {
        let issued = person.challenge(host);
        let proof_old = person.rotation(&issued, &host.binding(), next.commitment());
        let answer = host.another().rotate(
            person.id.as_str(),
            &issued.id,
            &proof_old,
            next.commitment().as_bytes(),
            &proof_new,
        );
        assert_eq!(answer, denied());
    }
    // The proof of one new commitment does not carry another one.
    let other = person.renewed();
    let answer = host.another().rotate(
        person.id.as_str(),
        &issued.id,
        &proof_old,
        other.commitment().as_bytes(),
        &other.possession(),
    );
    assert_eq!(answer, denied());
    assert_eq!(host.version(person.id.as_str()), Some(1));
    assert_eq!(person.log_in(&mut *host.another()), Answer::Accepted);
}

fn prove(person: &Person, statement: &impl Statement) -> [u8; Proof::LEN] {
    twofapi_crypto_core::prove(&person.credential, statement, &mut getrandom::SysRng)
        .expect("randomness")
        .to_bytes()
}

fn a_rotation_by_another_credential_is_denied(host: Host<'_>) {
    let person = Person::enrolled(host, "c-hijacked");
    let (thief, next) = (person.renewed(), person.renewed());
    assert_eq!(thief.rotate_to(&mut *host.another(), &next), denied());
    assert_eq!(host.version(person.id.as_str()), Some(1));
}

fn of_two_rotations_of_one_version_one_wins(host: Host<'_>) {
    let person = Person::enrolled(host, "c-race");
    let attempts: Vec<_> = (0..4)
        .map(|_| {
            let next = person.renewed();
            let mut connection = host.another();
            let issued = person.challenge(&mut *connection);
            let binding = host.binding();
            let proof_old = person.rotation(&issued, &binding, next.commitment());
            thread::spawn(move || {
                let answer = connection.rotate(
                    next.id.as_str(),
                    &issued.id,
                    &proof_old,
                    next.commitment().as_bytes(),
                    &next.possession(),
                );
                (answer, next)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for attempt in attempts {
        match attempt.join().expect("an attempt") {
            (Answer::Accepted, next) => winners.push(next),
            (answer, _) => assert_eq!(answer, denied()),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(host.version(person.id.as_str()), Some(2));
    assert_eq!(winners[0].log_in(&mut *host.another()), Answer::Accepted);
}

fn a_challenge_is_good_for_a_login_or_a_rotation_and_not_both(host: Host<'_>) {
    let person = Person::enrolled(host, "c-either");
    let next = person.renewed();
    let issued = person.challenge(host);
    let proof = person.answer(&issued, &host.binding());
    let answer = host
        .another()
        .authenticate(person.id.as_str(), &issued.id, &proof);
    assert_eq!(answer, Answer::Accepted);
    let answer = person.rotate_with(&mut *host.another(), &issued, &next);
    assert_eq!(answer, denied());
    let issued = person.challenge(host);
    let answer = person.rotate_with(&mut *host.another(), &issued, &next);
    assert_eq!(answer, Answer::Accepted);
    let proof = next.answer(&issued, &host.binding());
    let answer = host
        .another()
        .authenticate(person.id.as_str(), &issued.id, &proof);
    assert_eq!(answer, denied());
}

fn an_unknown_client_cannot_rotate(host: Host<'_>) {
    let stranger = Person::new(&host.client_id("c-nobody"));
    let next = stranger.renewed();
    assert_eq!(stranger.rotate_to(&mut *host.another(), &next), denied());
    assert_eq!(host.version(stranger.id.as_str()), None);
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofapi_crypto_core::Commitment;

    #[test]
    fn the_encoding_that_no_element_has_passes_for_an_announcement() {
        assert!(Commitment::from_bytes(&NO_ELEMENT).is_err());
        let mut proof = [1; Proof::LEN];
        proof[..32].copy_from_slice(&NO_ELEMENT);
        assert!(Proof::from_bytes(&proof).is_ok());
    }
}
