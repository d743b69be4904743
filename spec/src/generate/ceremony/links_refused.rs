//! Scripts of links, joins and unlinkings that are refused, and why.

use rand_chacha::ChaCha20Rng;

use super::{
    NOW, Writing, lp, random,
    writing_links::{Sent, listed},
};
use crate::cases::CeremonyScript;

pub(super) fn all(rng: &mut ChaCha20Rng) -> Vec<CeremonyScript> {
    let scripts = [links, joins, unlinkings, named, life, names, outlived];
    scripts.map(|script| script(rng).script).into()
}

fn links(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "links-that-are-refused");
    let phone = host.enrolled("alice");
    let [laptop, other] = [(); 2].map(|()| host.person("alice"));
    let [challenge, another] = [(); 2].map(|()| host.challenge(NOW, "alice"));
    let (new, binding) = (laptop.commitment(), host.binding.clone());
    let nonce = &challenge.nonce;
    let good = phone.linking(host.rng, nonce, &new, &binding);
    let joining = laptop.joining(host.rng, nonce, &binding);
    let refused = |host: &mut Writing<'_>, proof: &[u8], new: &[u8], joining: &[u8]| {
        let sent = Sent {
            proof,
            commitment_new: new,
            joining: Some((joining, "laptop")),
        };
        host.link_as(NOW, "alice", &challenge, &sent, "denied", None);
    };
    // By a proof of another purpose, of another credential, challenge and host.
    for proof in [
        phone.answer(host.rng, nonce, &binding),
        phone.rotation(host.rng, nonce, &new, &binding),
        phone.unlinking(host.rng, nonce, &new, &binding),
        phone.joining(host.rng, nonce, &binding),
        phone.possession(host.rng),
        phone.linking(host.rng, nonce, &other.commitment(), &binding),
        phone.linking(host.rng, &another.nonce, &new, &binding),
        phone.linking(host.rng, nonce, &new, b""),
        phone.linking(host.rng, nonce, &new, b"aud:https://api.example.org"),
        other.linking(host.rng, nonce, &new, &binding),
        laptop.linking(host.rng, nonce, &new, &binding),
        phone.called("bob").linking(host.rng, nonce, &new, &binding),
    ] {
        refused(&mut host, &proof, &new, &joining);
    }
    // With a joining proof that is none.
    for joining in [
        laptop.possession(host.rng),
        laptop.answer(host.rng, nonce, &binding),
        laptop.linking(host.rng, nonce, &new, &binding),
        laptop.joining(host.rng, &another.nonce, &binding),
        laptop.joining(host.rng, nonce, b"aud:https://api.example.org"),
        laptop.called("bob").joining(host.rng, nonce, &binding),
        other.joining(host.rng, nonce, &binding),
        phone.joining(host.rng, nonce, &binding),
    ] {
        refused(&mut host, &good, &new, &joining);
    }
    // Of a commitment that the client has.
    let own = phone.commitment();
    let of_own = phone.linking(host.rng, nonce, &own, &binding);
    let joining_own = phone.joining(host.rng, nonce, &binding);
    refused(&mut host, &of_own, &own, &joining_own);
    // Malformed, in the order in which it is sent.
    for (proof, new, joining, answer) in [
        (&good[..95], &[][..], &[][..], "invalid_length"),
        (&[0; 96], &[], &[], "invalid_encoding"),
        (&good, &new[..31], &[], "invalid_length"),
        (&good, &[0; 32], &[], "invalid_encoding"),
        (&good, &new, &joining[..95], "invalid_length"),
        (&good, &new, &[0; 96], "invalid_encoding"),
    ] {
        let sent = Sent {
            proof,
            commitment_new: new,
            joining: Some((joining, "")),
        };
        host.link_as(NOW, "alice", &challenge, &sent, answer, None);
    }
    // Without a device that has joined.
    let alone = Sent {
        proof: &good,
        commitment_new: &new,
        joining: None,
    };
    host.link_as(NOW, "alice", &challenge, &alone, "denied", None);
    // None of this has spent the challenge, or changed anything.
    host.record(
        "alice",
        [1, 0],
        "active",
        vec![listed(&phone, "first", 0, 1)],
    );
    let sent = Sent {
        proof: &good,
        commitment_new: &new,
        joining: Some((&joining, "laptop")),
    };
    host.link_as(NOW, "alice", &challenge, &sent, "accepted", Some(2));
    host.link_as(NOW, "alice", &challenge, &sent, "denied", None);
    host
}

fn joins(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "joins-that-are-refused");
    let phone = host.enrolled("alice");
    let [laptop, other] = [(); 2].map(|()| host.person("alice"));
    let [offer, another] = [host.offer(NOW, "alice"), host.challenge(NOW, "alice")];
    let (new, binding) = (laptop.commitment(), host.binding.clone());
    let exporter: [u8; 32] = random(host.rng);
    let with_exporter = [&binding[..], &lp(&exporter)].concat();
    for proof in [
        laptop.possession(host.rng),
        laptop.answer(host.rng, &offer.nonce, &binding),
        laptop.linking(host.rng, &offer.nonce, &new, &binding),
        laptop.joining(host.rng, &another.nonce, &binding),
        laptop.joining(host.rng, &offer.nonce, b""),
        laptop.joining(host.rng, &offer.nonce, b"aud:https://api.example.org"),
        laptop.joining(host.rng, &offer.nonce, &with_exporter),
        laptop
            .called("bob")
            .joining(host.rng, &offer.nonce, &binding),
        other.joining(host.rng, &offer.nonce, &binding),
    ] {
        host.join_as(NOW, &offer, &laptop, (&proof, "laptop"), "denied");
    }
    let good = laptop.joining(host.rng, &offer.nonce, &binding);
    host.join_as(NOW, &another, &laptop, (&good, "laptop"), "denied");
    host.join_as(
        NOW,
        &offer,
        &laptop,
        (&good[..95], "laptop"),
        "invalid_length",
    );
    host.join_as(
        NOW,
        &offer,
        &laptop,
        (&[0; 96], "laptop"),
        "invalid_encoding",
    );
    host.join_as(NOW, &offer, &laptop, (&good, ""), "invalid_length");
    host.join_as(
        NOW,
        &offer,
        &laptop,
        (&good, "laptop\n"),
        "invalid_encoding",
    );
    // None of this has closed the offer.
    host.pending(NOW, "alice", "open", Some(NOW + 120));
    host.join_as(NOW, &offer, &laptop, (&good, "laptop"), "accepted");
    host.link_joined(NOW, &phone, &laptop, "accepted", Some(2));
    // The offer is closed, and what it was about is told to nobody.
    host.join_as(NOW, &offer, &laptop, (&good, "laptop"), "denied");
    host
}

fn unlinkings(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "unlinkings-that-are-refused");
    let (phone, laptop) = (host.enrolled("alice"), host.person("alice"));
    let bob = host.enrolled("bob");
    host.link(&phone, &laptop, "laptop", "accepted", Some(2));
    let [challenge, another] = [(); 2].map(|()| host.challenge(NOW, "alice"));
    let (old, binding) = (laptop.commitment(), host.binding.clone());
    let nonce = &challenge.nonce;
    for proof in [
        phone.answer(host.rng, nonce, &binding),
        phone.rotation(host.rng, nonce, &old, &binding),
        phone.linking(host.rng, nonce, &old, &binding),
        phone.joining(host.rng, nonce, &binding),
        phone.possession(host.rng),
        phone.unlinking(host.rng, nonce, &phone.commitment(), &binding),
        phone.unlinking(host.rng, &another.nonce, &old, &binding),
        phone.unlinking(host.rng, nonce, &old, b"aud:https://api.example.org"),
        bob.called("alice")
            .unlinking(host.rng, nonce, &old, &binding),
        // The laptop's, where the first credential is meant.
        laptop.unlinking(host.rng, nonce, &old, &binding),
    ] {
        host.unlink_as("alice", &challenge, &proof, &old, "denied", None);
    }
    let good = phone.unlinking(host.rng, nonce, &old, &binding);
    for (proof, old, answer) in [
        (&good[..95], &[][..], "invalid_length"),
        (&[0; 96], &[], "invalid_encoding"),
        (&good, &old[..31], "invalid_length"),
        (&good, &[0; 32], "invalid_encoding"),
    ] {
        host.unlink_as("alice", &challenge, proof, old, answer, None);
    }
    // A commitment that the record does not have.
    host.unlink(&phone, &bob, "denied", None);
    host.unlink_as("alice", &challenge, &good, &old, "accepted", Some(3));
    host.unlink_as("alice", &challenge, &good, &old, "denied", None);
    host
}

fn named(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "credentials-that-are-named");
    let (phone, laptop) = (host.enrolled("alice"), host.person("alice"));
    let other = host.person("alice");
    host.link(&phone, &laptop, "laptop", "accepted", Some(2));
    let challenge = host.challenge(NOW, "alice");
    let id = laptop.credential_id();
    for (credential, answer) in [
        ("", "invalid_length"),
        ("laptop", "invalid_length"),
        (&id[1..], "invalid_length"),
        (&id.to_uppercase(), "invalid_encoding"),
        (&id.replacen(&id[..1], "g", 1), "invalid_encoding"),
        // Not one of this client's, whoever proves.
        (&other.credential_id(), "denied"),
        (&phone.credential_id(), "denied"),
    ] {
        host.authenticate(NOW, &laptop, &challenge, answer);
        host.named(credential);
    }
    host.authenticate(NOW, &laptop, &challenge, "accepted");
    host.named(&id);
    // A client that nobody enrolled is answered alike.
    let (of_nobody, nobody) = (host.challenge(NOW, "nobody"), host.person("nobody"));
    host.authenticate(NOW, &nobody, &of_nobody, "denied");
    host.named(&id);
    host
}

fn life(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "links-of-clients-that-are-not-active");
    let phone = host.enrolled("alice");
    let [laptop, tablet] = [(); 2].map(|()| host.person("alice"));
    host.link(&phone, &laptop, "laptop", "accepted", Some(2));
    let offer = host.offer(NOW, "alice");
    host.join(NOW, &offer, &tablet, "accepted");
    host.operate("suspend", "alice", "changed");
    host.link_joined(NOW, &phone, &tablet, "denied", None);
    host.link(&phone, &tablet, "tablet", "denied", None);
    host.unlink(&phone, &laptop, "denied", None);
    host.login(NOW, &laptop, "denied");
    host.operate("resume", "alice", "changed");
    host.link_joined(NOW, &phone, &tablet, "accepted", Some(3));
    host.operate("revoke", "alice", "changed");
    host.unlink(&phone, &laptop, "denied", None);
    host.record(
        "alice",
        [3, 2],
        "revoked",
        vec![
            listed(&phone, "first", 0, 1),
            listed(&laptop, "laptop", NOW, 2),
            listed(&tablet, "laptop", NOW, 3),
        ],
    );
    // Nor does a client link to which nobody is enrolled.
    let (nobody, new) = (host.person("nobody"), host.person("nobody"));
    host.link(&nobody, &new, "new", "denied", None);
    host.unlink(&nobody, &nobody, "denied", None);
    host
}

fn names(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "names-that-smuggle");
    let (phone, laptop) = (host.enrolled("alice"), host.person("alice"));
    let too_long = "x".repeat(65);
    for (name, answer) in [
        ("", "invalid_length"),
        (&too_long, "invalid_length"),
        (" laptop", "invalid_encoding"),
        ("laptop ", "invalid_encoding"),
        ("lap\ntop", "invalid_encoding"),
        ("\u{1b}[2J", "invalid_encoding"),
        ("lap\u{202e}top", "invalid_encoding"),
    ] {
        host.link(&phone, &laptop, name, answer, None);
    }
    let longest = "x".repeat(64);
    host.link(&phone, &laptop, &longest, "accepted", Some(2));
    let other = host.person("alice");
    // Two may be called alike, and markup is a name like any other.
    host.link(&phone, &other, "<b>first</b>", "accepted", Some(3));
    let alike = host.person("alice");
    host.link(&phone, &alike, "first", "accepted", Some(4));
    host
}

/// What a join does not ask, and what does not end an offer or what was left with it.
fn outlived(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "what-an-offer-outlives");
    let phone = host.enrolled("alice");
    let [laptop, tablet, next, new] = [(); 4].map(|()| host.person("alice"));
    // A challenge that is spent is offered all the same, and spending it later changes nothing.
    let challenge = host.challenge(NOW, "alice");
    let of = format!("{}.alice", challenge.id);
    host.authenticate(NOW, &phone, &challenge, "accepted");
    host.offer_as(NOW, "alice", &of, "accepted");
    host.join(NOW, &challenge, &laptop, "accepted");
    // Offered again, it is open again.
    host.offer_as(NOW, "alice", &of, "accepted");
    host.pending(NOW, "alice", "open", Some(NOW + 120));
    // Who joins a client that is suspended is not told.
    host.operate("suspend", "alice", "changed");
    host.join(NOW, &challenge, &laptop, "accepted");
    host.operate("resume", "alice", "changed");
    // Another link and a rotation leave it.
    host.link(&phone, &tablet, "tablet", "accepted", Some(2));
    let fresh = host.challenge(NOW, "alice");
    host.rotate(&phone, &next, &fresh, "accepted", Some(3));
    // The same commitment again: name, proof and time stay those of the first time.
    let again = laptop.joining(host.rng, &challenge.nonce, &host.binding.clone());
    host.join_as(
        NOW + 119,
        &challenge,
        &laptop,
        (&again, "other"),
        "accepted",
    );
    host.join(NOW + 120, &challenge, &laptop, "denied");
    // A reset leaves it as well.
    host.now = NOW + 120;
    host.reset(&new, true, "accepted", Some(4));
    host.pending_of(NOW + 120, &laptop, NOW + 600);
    host.link_joined(NOW + 120, &new, &laptop, "accepted", Some(5));
    // Whether the record has a commitment, or places, is asked by the link.
    let offer = host.offer(NOW + 120, "alice");
    host.join(NOW + 120, &offer, &laptop, "accepted");
    host.link_joined(NOW + 120, &new, &laptop, "denied", None);
    host.record(
        "alice",
        [5, 2],
        "active",
        vec![
            listed(&new, "first", NOW + 120, 4),
            listed(&laptop, "laptop", NOW + 120, 5),
        ],
    );
    host
}
