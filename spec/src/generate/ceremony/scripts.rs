//! The scripts.

use rand_chacha::ChaCha20Rng;

use super::{AUDIENCE, NOW, Person, Writing, lp, random};
use crate::cases::CeremonyScript;

/// Below p and even, but no element.
const NO_ELEMENT: [u8; 32] = {
    let mut bytes = [0; 32];
    bytes[0] = 2;
    bytes
};

pub(super) fn all(rng: &mut ChaCha20Rng) -> Vec<CeremonyScript> {
    let scripts = [
        single_use,
        enrolment,
        life,
        rotation,
        rotations_refused,
        challenge_ids,
        malformed,
        ttls,
        clock_set_back,
        beyond_2106,
        roots,
        full_set,
        audience,
        named_bindings,
        no_audience,
        strangers,
    ];
    scripts.map(|script| script(rng).script).into()
}

fn single_use(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "a-challenge-is-good-for-one-acceptance");
    let (alice, other) = (host.enrolled("alice"), host.person("alice"));
    let [first, second] = [host.challenge(NOW, "alice"), host.challenge(NOW, "alice")];
    // A refused proof spends nothing.
    host.authenticate(NOW, &other, &first, "denied");
    host.authenticate(NOW + 1, &alice, &first, "accepted");
    host.authenticate(NOW + 1, &alice, &first, "denied");
    host.authenticate(NOW + 119, &alice, &second, "accepted");
    host
}

fn enrolment(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "the-order-of-an-enrolment");
    let (alice, other) = (host.person("alice"), host.person("alice"));
    let (good, proof) = (alice.commitment(), alice.possession(host.rng));
    let wrong = other.possession(host.rng);
    // What is malformed is told before anything, in the order in which it is sent.
    for (id, commitment, proof, answer) in [
        ("al ice", &good[..], &proof[..], "invalid_client_id"),
        ("al ice", &[], &[], "invalid_client_id"),
        ("2FApi", &good, &proof, "invalid_client_id"),
        ("alice", &good[..31], &proof, "invalid_length"),
        ("alice", &[0; 32], &proof[..95], "invalid_encoding"),
        ("alice", &NO_ELEMENT, &proof, "invalid_encoding"),
        ("alice", &good, &proof[..95], "invalid_length"),
        ("alice", &good, &[0; 96], "invalid_encoding"),
    ] {
        host.enroll_as(id, false, commitment, proof, answer);
    }
    host.enroll(&alice, false, "denied");
    host.enroll_as("alice", true, &good, &wrong, "denied");
    host.enroll_as("bob", true, &good, &proof, "denied");
    host.enroll(&alice, true, "accepted");
    // Whether a client id has a record is told to who may have it and has a good proof.
    host.enroll(&alice, true, "already_enrolled");
    host.enroll(&other, true, "already_enrolled");
    host.enroll_as("alice", true, &good, &wrong, "denied");
    host.enroll(&alice, false, "denied");
    // An announcement that is no element is refused by the equation.
    let no_element = [&NO_ELEMENT[..], &proof[32..]].concat();
    host.enroll_as("alice", true, &good, &no_element, "denied");
    host.operate("revoke", "alice", "changed");
    host.enroll(&other, true, "already_enrolled");
    // Client ids are compared byte for byte.
    let capital = alice.called("Alice");
    host.enroll(&capital, true, "accepted");
    host
}

fn life(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "the-life-of-a-client");
    for act in ["suspend", "resume", "revoke"] {
        host.operate(act, "alice", "not_enrolled");
    }
    let (alice, next) = (host.enrolled("alice"), host.person("alice"));
    let challenge = host.challenge(NOW, "alice");
    host.operate("resume", "alice", "unchanged");
    host.operate("suspend", "alice", "changed");
    host.operate("suspend", "alice", "unchanged");
    host.authenticate(NOW, &alice, &challenge, "denied");
    host.rotate(&alice, &next, &challenge, "denied", None);
    host.operate("resume", "alice", "changed");
    host.authenticate(NOW, &alice, &challenge, "accepted");
    let challenge = host.challenge(NOW, "alice");
    host.operate("suspend", "alice", "changed");
    host.operate("revoke", "alice", "changed");
    host.operate("revoke", "alice", "unchanged");
    host.operate("suspend", "alice", "not_active");
    host.operate("resume", "alice", "not_active");
    host.authenticate(NOW, &alice, &challenge, "denied");
    host.rotate(&alice, &next, &challenge, "denied", None);
    // A challenge is still given: nobody is told.
    host.challenge(NOW, "alice");
    host
}

fn rotation(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "a-rotation-replaces-the-credential");
    let (first, second, third) = (
        host.enrolled("alice"),
        host.person("alice"),
        host.person("alice"),
    );
    let challenge = host.challenge(NOW, "alice");
    host.rotate(&first, &second, &challenge, "accepted", Some(2));
    host.rotate(&first, &second, &challenge, "denied", None);
    let challenge = host.challenge(NOW, "alice");
    host.authenticate(NOW, &first, &challenge, "denied");
    host.rotate(&first, &third, &challenge, "denied", None);
    host.authenticate(NOW, &second, &challenge, "accepted");
    // Spent by an authentication it is spent for a rotation.
    host.rotate(&second, &third, &challenge, "denied", None);
    let challenge = host.challenge(NOW, "alice");
    host.rotate(&second, &third, &challenge, "accepted", Some(3));
    host.authenticate(NOW, &third, &challenge, "denied");
    // Back to a commitment that was there before.
    let challenge = host.challenge(NOW, "alice");
    host.rotate(&third, &first, &challenge, "accepted", Some(4));
    host
}

fn rotations_refused(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "rotations-that-are-refused");
    let (alice, next, other) = (
        host.enrolled("alice"),
        host.person("alice"),
        host.person("alice"),
    );
    let challenge = host.challenge(NOW, "alice");
    let new = next.commitment();
    let old = alice.rotation(host.rng, &challenge.nonce, &new, &host.binding);
    let proof_new = next.possession(host.rng);

    // Malformed, in the order in which it is sent.
    for (sent, answer) in [
        ([&old[..95], &[], &[]], "invalid_length"),
        ([&[0; 96][..], &[], &[]], "invalid_encoding"),
        ([&old, &new[..31], &[0; 96]], "invalid_length"),
        ([&old, &[0; 32], &proof_new[..95]], "invalid_encoding"),
        ([&old, &NO_ELEMENT, &proof_new], "invalid_encoding"),
        ([&old, &new, &proof_new[..95]], "invalid_length"),
        ([&old, &new, &[0; 96]], "invalid_encoding"),
    ] {
        host.rotate_as(&alice, &challenge, sent, answer, None);
    }
    // By another than the old credential, and for another than the new commitment.
    host.rotate(&other, &next, &challenge, "denied", None);
    let authentication = alice.answer(host.rng, &challenge.nonce, &host.binding);
    host.rotate_as(
        &alice,
        &challenge,
        [&authentication, &new, &proof_new],
        "denied",
        None,
    );
    let to_other = other.commitment();
    let other_new = other.possession(host.rng);
    host.rotate_as(
        &alice,
        &challenge,
        [&old, &to_other, &other_new],
        "denied",
        None,
    );
    // Of a commitment that the new credential does not open, or not as this client.
    host.rotate_as(&alice, &challenge, [&old, &new, &other_new], "denied", None);
    let bob = next.called("bob").possession(host.rng);
    host.rotate_as(&alice, &challenge, [&old, &new, &bob], "denied", None);
    let answered = next.answer(host.rng, &challenge.nonce, &host.binding);
    host.rotate_as(&alice, &challenge, [&old, &new, &answered], "denied", None);
    // To the commitment that is there already.
    host.rotate(&alice, &alice, &challenge, "denied", None);
    // Bound to no audience, and to another.
    for binding in [&b""[..], b"aud:https://api.example.org"] {
        let old = alice.rotation(host.rng, &challenge.nonce, &new, binding);
        host.rotate_as(&alice, &challenge, [&old, &new, &proof_new], "denied", None);
    }
    // None of this has spent the challenge.
    host.rotate_as(
        &alice,
        &challenge,
        [&old, &new, &proof_new],
        "accepted",
        Some(2),
    );
    host
}

fn challenge_ids(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "challenge-ids-that-were-never-issued");
    let (alice, bob) = (host.enrolled("alice"), host.enrolled("bob"));
    let challenge = host.challenge(NOW, "alice");
    let id = challenge.id.clone();
    let proof = alice.answer(host.rng, &challenge.nonce, &host.binding);
    for changed in [
        String::new(),
        id[3..].into(),
        id.to_uppercase(),
        format!("{id}0"),
        format!("{id}.alice"),
        // Another expiry, another root and another random part.
        format!("ch-{}{}", "6afd8701", &id[11..]),
        format!("{}08{}", &id[..11], &id[13..]),
        format!("{}0000", &id[..23]),
    ] {
        host.authenticate_as(NOW, "alice", &changed, &proof, "denied");
    }
    // A challenge is good for the client for whom it was issued.
    host.authenticate(NOW, &bob, &challenge, "denied");
    let of_bob = host.challenge(NOW, "bob");
    let nonce_of_alice = bob.answer(host.rng, &challenge.nonce, &host.binding);
    host.authenticate_as(NOW, "bob", &of_bob.id, &nonce_of_alice, "denied");
    host.authenticate(NOW, &bob, &of_bob, "accepted");
    host.authenticate_as(NOW, "alice", &id, &proof, "accepted");
    host
}

fn malformed(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "what-is-malformed-is-told-and-spends-nothing");
    let alice = host.enrolled("alice");
    let challenge = host.challenge(NOW, "alice");
    let id = challenge.id.clone();
    let good = alice.answer(host.rng, &challenge.nonce, &host.binding);
    let ff = [&good[..64], &[0xff; 32]].concat();
    let no_element = [&NO_ELEMENT[..], &good[32..]].concat();
    for (client_id, id, proof, answer) in [
        ("al ice", "ch-", &good[..95], "invalid_client_id"),
        ("", &id, &good, "invalid_client_id"),
        // A proof that is none is told before a challenge id that is none.
        ("alice", "ch-", &good[..95], "invalid_length"),
        ("nobody", &id, &good[..95], "invalid_length"),
        ("alice", &id, &[], "invalid_length"),
        ("alice", &id, &[0; 96], "invalid_encoding"),
        ("alice", &id, &ff, "invalid_encoding"),
        ("alice", &id, &no_element, "denied"),
    ] {
        host.authenticate_as(NOW, client_id, id, proof, answer);
    }
    host.no_challenge(NOW, "al ice", "invalid_client_id");
    host.authenticate_as(NOW, "alice", &id, &good, "accepted");
    host
}

fn ttls(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::with(rng, "a-life-of-900-seconds", Some(AUDIENCE), 900, 1000);
    let alice = host.enrolled("alice");
    let [first, second] = [host.challenge(NOW, "alice"), host.challenge(NOW, "alice")];
    host.authenticate(NOW + 899, &alice, &first, "accepted");
    host.authenticate(NOW + 900, &alice, &second, "denied");
    host
}

fn clock_set_back(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "a-clock-that-was-set-back");
    let alice = host.enrolled("alice");
    let [spent, first, second] = [(); 3].map(|()| host.challenge(NOW, "alice"));
    host.authenticate(NOW, &alice, &spent, "accepted");
    // Sixty seconds are waited for: the mark counts, for issuing as well.
    let waiting = host.challenge_by(NOW - 60, NOW, "alice", None);
    host.authenticate(NOW - 60, &alice, &first, "accepted");
    host.authenticate(NOW - 60, &alice, &spent, "denied");
    host.authenticate(NOW - 60, &alice, &waiting, "accepted");
    // Sixty-one are not: nothing of before is good, and what is issued from then on is.
    let epoch = random(host.rng);
    let after = host.challenge_by(NOW - 61, NOW - 61, "alice", Some(epoch));
    for before in [&spent, &second] {
        host.authenticate(NOW - 61, &alice, before, "denied");
    }
    host.authenticate(NOW - 61, &alice, &after, "accepted");
    host.authenticate(NOW - 61, &alice, &after, "denied");
    host
}

fn beyond_2106(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let last = u64::from(u32::MAX);
    let mut host = Writing::new(rng, "the-last-second-of-challenge-ids");
    let alice = host.enrolled("alice");
    let challenge = host.challenge(last - 120, "alice");
    host.no_challenge(last - 119, "alice", "unavailable");
    host.no_challenge(last + 1, "alice", "unavailable");
    host.authenticate(last + 1, &alice, &challenge, "denied");
    host
}

fn roots(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "roots-take-turns");
    let alice = host.enrolled("alice");
    let old = host.roots[0];
    let new = (8, random(host.rng));
    let [first, second] = [host.challenge(NOW, "alice"), host.challenge(NOW, "alice")];
    host.change_roots(&[new, old]);
    let third = host.challenge(NOW, "alice");
    host.authenticate(NOW, &alice, &first, "accepted");
    host.authenticate(NOW, &alice, &third, "accepted");
    host.change_roots(&[new]);
    host.authenticate(NOW, &alice, &second, "denied");
    let fourth = host.challenge(NOW, "alice");
    host.authenticate(NOW, &alice, &fourth, "accepted");
    host
}

fn full_set(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::with(rng, "a-full-spent-set", Some(AUDIENCE), 120, 2);
    let (alice, other) = (host.enrolled("alice"), host.person("alice"));
    for now in [NOW, NOW + 10] {
        let challenge = host.challenge(now, "alice");
        host.authenticate(now, &alice, &challenge, "accepted");
    }
    let challenge = host.challenge(NOW + 20, "alice");
    host.throttled(NOW + 20, &alice, &challenge, 100);
    // Only who has a good proof is told that there is no place.
    host.authenticate(NOW + 20, &other, &challenge, "denied");
    let nobody = host.person("nobody");
    let of_nobody = host.challenge(NOW + 20, "nobody");
    host.authenticate(NOW + 20, &nobody, &of_nobody, "denied");
    host.throttled(NOW + 119, &alice, &challenge, 1);
    // The challenge has stayed good.
    host.authenticate(NOW + 120, &alice, &challenge, "accepted");
    host
}

fn audience(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "a-proof-for-another-host");
    let alice = host.enrolled("alice");
    let challenge = host.challenge(NOW, "alice");
    let exporter: [u8; 32] = random(host.rng);
    let ours = host.binding.clone();
    for binding in [
        Vec::new(),
        b"aud:https://api.example.org".to_vec(),
        b"https://api.example.com".to_vec(),
        [&ours[..], b"/"].concat(),
        [&ours[..], &lp(&exporter)].concat(),
    ] {
        let proof = alice.answer(host.rng, &challenge.nonce, &binding);
        host.authenticate_as(NOW, "alice", &challenge.id, &proof, "denied");
    }
    host.authenticate(NOW, &alice, &challenge, "accepted");
    host
}

fn named_bindings(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "bindings-that-a-caller-names");
    let alice = host.enrolled("alice");
    let challenge = host.challenge(NOW, "alice");
    let exporter: [u8; 32] = random(host.rng);
    let ours = host.binding.clone();
    for (binding, answer) in [
        (vec![b'x'; 1025], "invalid_length"),
        (b"enrollment".to_vec(), "invalid_encoding"),
        (b"rotation:".to_vec(), "invalid_encoding"),
        (Vec::new(), "denied"),
        (b"aud:https://api.example.org".to_vec(), "denied"),
        ([&ours[..], b".evil.example"].concat(), "denied"),
        ([&ours[..], &lp(&exporter[..31])].concat(), "denied"),
        ([&ours[..], &lp(&exporter)].concat(), "accepted"),
    ] {
        host.authenticate_bound(&alice, &challenge, &binding, answer);
    }
    let challenge = host.challenge(NOW, "alice");
    host.authenticate_bound(&alice, &challenge, &ours, "accepted");
    host
}

fn no_audience(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::with(rng, "a-host-without-an-audience", None, 1, 1000);
    let alice = host.enrolled("alice");
    for binding in [&b""[..], b"x", b"aud:https://api.example.com", &[7; 1024]] {
        let challenge = host.challenge(NOW, "alice");
        host.authenticate_bound(&alice, &challenge, binding, "accepted");
    }
    let challenge = host.challenge(NOW, "alice");
    let bound = alice.answer(host.rng, &challenge.nonce, b"aud:https://api.example.com");
    host.authenticate_as(NOW, "alice", &challenge.id, &bound, "denied");
    host.authenticate(NOW, &alice, &challenge, "accepted");
    // Its challenges live for one second.
    let challenge = host.challenge(NOW, "alice");
    host.authenticate(NOW + 1, &alice, &challenge, "denied");
    host
}

fn strangers(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "who-is-not-enrolled");
    let (nobody, next): (Person, Person) = (host.person("nobody"), host.person("nobody"));
    let challenge = host.challenge(NOW, "nobody");
    host.authenticate(NOW, &nobody, &challenge, "denied");
    host.rotate(&nobody, &next, &challenge, "denied", None);
    // The challenge was never spent: whoever enrols in time can still answer it.
    host.enroll(&nobody, true, "accepted");
    host.authenticate(NOW + 119, &nobody, &challenge, "accepted");
    host
}
