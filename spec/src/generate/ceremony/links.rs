//! Scripts of clients with several credentials.

use rand_chacha::ChaCha20Rng;

use super::{NOW, Person, Writing, writing_links::listed};
use crate::cases::CeremonyScript;

pub(super) fn all(rng: &mut ChaCha20Rng) -> Vec<CeremonyScript> {
    let scripts = [
        linking,
        unlinking,
        second_device,
        offers,
        renewed_offer,
        two_that_join,
        reset,
        sessions,
        expiry,
        sixteen,
    ];
    scripts.map(|script| script(rng).script).into()
}

/// `alice` with a phone and a laptop, versions 1 and 2.
fn with_both<'r>(rng: &'r mut ChaCha20Rng, name: &str) -> (Writing<'r>, Person, Person) {
    let mut host = Writing::new(rng, name);
    let (phone, laptop) = (host.enrolled("alice"), host.person("alice"));
    host.link(&phone, &laptop, "laptop", "accepted", Some(2));
    (host, phone, laptop)
}

fn linking(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let (mut host, phone, laptop) = with_both(rng, "a-link-adds-a-credential-behind-the-others");
    host.record(
        "alice",
        [2, 0],
        "active",
        vec![
            listed(&phone, "first", 0, 1),
            listed(&laptop, "laptop", NOW, 2),
        ],
    );
    for credential in [&phone, &laptop] {
        host.login(NOW, credential, "accepted");
    }
    // Where none is named the first is meant.
    let challenge = host.challenge(NOW, "alice");
    host.authenticate(NOW, &laptop, &challenge, "denied");
    host.authenticate(NOW, &phone, &challenge, "accepted");
    // The one that is named proves, and no other.
    let challenge = host.challenge(NOW, "alice");
    host.authenticate(NOW, &phone, &challenge, "denied");
    host.named(&laptop.credential_id());
    // A rotation keeps place, name and creation.
    let next = host.person("alice");
    host.rotate(&phone, &next, &challenge, "accepted", Some(3));
    host.named(&phone.credential_id());
    host.record(
        "alice",
        [3, 0],
        "active",
        vec![
            listed(&next, "first", 0, 3),
            listed(&laptop, "laptop", NOW, 2),
        ],
    );
    host.login(NOW, &phone, "denied");
    host.login(NOW, &next, "accepted");
    // The second one links a third, and rotates itself.
    let (tablet, other) = (host.person("alice"), host.person("alice"));
    host.link(&laptop, &tablet, "tablet", "accepted", Some(4));
    let challenge = host.challenge(NOW, "alice");
    host.rotate(&laptop, &other, &challenge, "accepted", Some(5));
    host.named(&laptop.credential_id());
    host.record(
        "alice",
        [5, 0],
        "active",
        vec![
            listed(&next, "first", 0, 3),
            listed(&other, "laptop", NOW, 5),
            listed(&tablet, "tablet", NOW, 4),
        ],
    );
    host
}

fn unlinking(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let (mut host, phone, laptop) = with_both(rng, "an-unlinking-takes-a-credential-away");
    let tablet = host.person("alice");
    host.link(&phone, &tablet, "tablet", "accepted", Some(3));
    host.unlink(&laptop, &phone, "accepted", Some(4));
    host.record(
        "alice",
        [4, 0],
        "active",
        vec![
            listed(&laptop, "laptop", NOW, 2),
            listed(&tablet, "tablet", NOW, 3),
        ],
    );
    // What was unlinked does nothing any more, and the next one is the first.
    host.login(NOW, &phone, "denied");
    host.unlink(&phone, &laptop, "denied", None);
    host.link(&phone, &phone, "again", "denied", None);
    let challenge = host.challenge(NOW, "alice");
    host.authenticate(NOW, &laptop, &challenge, "accepted");
    // A credential unlinks itself, the last one is not unlinked.
    host.unlink(&tablet, &tablet, "accepted", Some(5));
    host.unlink(&laptop, &laptop, "denied", None);
    host.unlink(&laptop, &tablet, "denied", None);
    // What was unlinked can be linked again.
    host.link(&laptop, &phone, "phone", "accepted", Some(6));
    host.record(
        "alice",
        [6, 0],
        "active",
        vec![
            listed(&laptop, "laptop", NOW, 2),
            listed(&phone, "phone", NOW, 6),
        ],
    );
    host
}

fn second_device(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "a-second-device-joins-and-the-first-links-it");
    let (phone, laptop) = (host.enrolled("alice"), host.person("alice"));
    host.pending(NOW, "alice", "none", None);
    let offer = host.offer(NOW, "alice");
    host.pending(NOW, "alice", "open", Some(NOW + 120));
    host.join(NOW + 10, &offer, &laptop, "accepted");
    host.pending_of(NOW + 10, &laptop, NOW + 610);
    // An answer may be lost: who asks again is told again, and the time stays.
    host.join(NOW + 20, &offer, &laptop, "accepted");
    host.pending_of(NOW + 20, &laptop, NOW + 610);
    // What has joined is not linked yet, and its offer is not spent.
    host.login(NOW + 20, &laptop, "denied");
    host.link_joined(NOW + 609, &phone, &laptop, "accepted", Some(2));
    host.pending(NOW + 609, "alice", "none", None);
    host.record(
        "alice",
        [2, 0],
        "active",
        vec![
            listed(&phone, "first", 0, 1),
            listed(&laptop, "laptop", NOW + 609, 2),
        ],
    );
    host.login(NOW + 609, &laptop, "accepted");
    // It is used up.
    host.link_joined(NOW + 609, &phone, &laptop, "denied", None);
    host.now = NOW + 609;
    host.unlink(&phone, &laptop, "accepted", Some(3));
    host.link_joined(NOW + 609, &phone, &laptop, "denied", None);
    host
}

fn offers(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "offers-that-are-none-and-that-end");
    let (phone, laptop) = (host.enrolled("alice"), host.person("alice"));
    host.enrolled("bob");
    let of_bob = host.challenge(NOW, "bob");
    // A challenge of another client, one that was never issued, and no name of one.
    for of in [
        format!("{}.bob", of_bob.id),
        format!("{}.alice", of_bob.id.replacen("ch-6", "ch-7", 1)),
        of_bob.id.clone(),
        String::new(),
    ] {
        host.offer_as(NOW, "alice", &of, "denied");
    }
    host.pending(NOW, "alice", "none", None);
    // Nobody joins what is not on offer, whoever the client is.
    let unoffered = host.challenge(NOW, "alice");
    host.join(NOW, &unoffered, &laptop, "denied");
    let (of_nobody, nobody) = (host.challenge(NOW, "nobody"), host.person("nobody"));
    host.join(NOW, &of_nobody, &nobody, "denied");
    // An offer ends with its challenge; what has joined is kept for 600 seconds.
    let offer = host.offer(NOW, "alice");
    host.pending(NOW + 119, "alice", "open", Some(NOW + 120));
    host.pending(NOW + 120, "alice", "none", None);
    host.join(NOW + 120, &offer, &laptop, "denied");
    let offer = host.offer(NOW + 120, "alice");
    host.join(NOW + 239, &offer, &laptop, "accepted");
    host.pending_of(NOW + 838, &laptop, NOW + 839);
    host.pending(NOW + 839, "alice", "none", None);
    host.link_joined(NOW + 839, &phone, &laptop, "denied", None);
    host.record(
        "alice",
        [1, 0],
        "active",
        vec![listed(&phone, "first", 0, 1)],
    );
    host
}

fn renewed_offer(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "a-newer-offer-takes-the-place-of-the-one-before");
    let (phone, laptop) = (host.enrolled("alice"), host.person("alice"));
    let first = host.offer(NOW, "alice");
    let second = host.offer(NOW + 60, "alice");
    host.pending(NOW + 60, "alice", "open", Some(NOW + 180));
    host.join(NOW + 60, &first, &laptop, "denied");
    host.join(NOW + 60, &second, &laptop, "accepted");
    // What had joined is gone with a newer offer.
    let third = host.offer(NOW + 61, "alice");
    host.pending(NOW + 61, "alice", "open", Some(NOW + 181));
    host.link_joined(NOW + 61, &phone, &laptop, "denied", None);
    host.join(NOW + 61, &third, &laptop, "accepted");
    host.link_joined(NOW + 61, &phone, &laptop, "accepted", Some(2));
    host
}

fn two_that_join(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "of-two-devices-that-join-neither-is-linked");
    let phone = host.enrolled("alice");
    let [laptop, thief, third] = [(); 3].map(|()| host.person("alice"));
    let offer = host.offer(NOW, "alice");
    host.join(NOW, &offer, &laptop, "accepted");
    host.join(NOW, &offer, &thief, "denied");
    host.pending(NOW, "alice", "clashed", Some(NOW + 600));
    for new in [&laptop, &thief, &third] {
        host.join(NOW, &offer, new, "denied");
        host.link_joined(NOW, &phone, new, "denied", None);
    }
    host.pending(NOW, "alice", "clashed", Some(NOW + 600));
    // Another offer begins anew.
    let offer = host.offer(NOW, "alice");
    host.join(NOW, &offer, &laptop, "accepted");
    // Only what has joined is linked.
    host.link_joined(NOW, &phone, &thief, "denied", None);
    host.link_joined(NOW, &phone, &laptop, "accepted", Some(2));
    host
}

fn reset(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let (mut host, phone, laptop) = with_both(rng, "a-reset-replaces-all-credentials");
    let [new, newer, last] = [(); 3].map(|()| host.person("alice"));
    host.reset(&new, false, "denied", None);
    let of_another = newer.possession(host.rng);
    host.reset_as(&new, true, &of_another, "denied", None);
    host.reset_as(&new, true, &of_another[..95], "invalid_length", None);
    // To a commitment that the record has.
    host.reset(&laptop, true, "denied", None);
    let nobody = host.person("nobody");
    host.reset(&nobody, true, "denied", None);
    host.reset(&new, true, "accepted", Some(3));
    host.record(
        "alice",
        [3, 1],
        "active",
        vec![listed(&new, "first", NOW, 3)],
    );
    for old in [&phone, &laptop] {
        host.login(NOW, old, "denied");
    }
    host.login(NOW, &new, "accepted");
    // Who is suspended stays so, who is revoked is not reset.
    host.operate("suspend", "alice", "changed");
    host.reset(&newer, true, "accepted", Some(4));
    host.record(
        "alice",
        [4, 3],
        "suspended",
        vec![listed(&newer, "first", NOW, 4)],
    );
    host.login(NOW, &newer, "denied");
    host.operate("resume", "alice", "changed");
    host.login(NOW, &newer, "accepted");
    host.operate("revoke", "alice", "changed");
    host.reset(&last, true, "denied", None);
    host
}

fn sessions(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let (mut host, phone, laptop) = with_both(rng, "what-ends-sessions-and-tokens");
    let (next, tablet) = (host.person("alice"), host.person("alice"));
    host.session(NOW, &phone, [1, 0], true);
    host.session(NOW, &laptop, [2, 0], true);
    // Of another version or generation, and of a credential that is not there.
    host.session(NOW, &laptop, [1, 0], false);
    host.session(NOW, &laptop, [2, 1], false);
    host.session(NOW, &tablet, [2, 0], false);
    // One of before means the first credential and generation 0.
    host.old_session("alice", 1, true);
    host.old_session("alice", 2, false);
    // A rotation ends those of its credential and no others.
    let challenge = host.challenge(NOW, "alice");
    host.rotate(&laptop, &next, &challenge, "accepted", Some(3));
    host.named(&laptop.credential_id());
    host.session(NOW, &laptop, [2, 0], false);
    host.session(NOW, &next, [3, 0], true);
    host.session(NOW, &phone, [1, 0], true);
    // So does an unlinking; what is linked again later is not what was there.
    host.link(&phone, &tablet, "tablet", "accepted", Some(4));
    host.session(NOW, &tablet, [4, 0], true);
    host.unlink(&phone, &tablet, "accepted", Some(5));
    host.session(NOW, &tablet, [4, 0], false);
    host.link(&phone, &tablet, "tablet", "accepted", Some(6));
    host.session(NOW, &tablet, [4, 0], false);
    host.session(NOW, &tablet, [6, 0], true);
    host.session(NOW, &next, [3, 0], true);
    // The operator ends all of them; the client stays as it is.
    host.operate("end_sessions", "alice", "changed");
    for (one, since) in [(&phone, 1), (&next, 3), (&tablet, 6)] {
        host.session(NOW, one, [since, 0], false);
        host.session(NOW, one, [since, 1], true);
    }
    host.old_session("alice", 1, false);
    host.login(NOW, &phone, "accepted");
    // After a suspension they stay ended.
    host.operate("suspend", "alice", "changed");
    host.session(NOW, &phone, [1, 1], false);
    host.session(NOW, &phone, [1, 2], false);
    host.operate("resume", "alice", "changed");
    host.session(NOW, &phone, [1, 1], false);
    host.session(NOW, &phone, [1, 2], true);
    host.operate("revoke", "alice", "changed");
    host.session(NOW, &phone, [1, 2], false);
    host.session(NOW, &phone, [1, 3], false);
    host.operate("end_sessions", "alice", "not_active");
    host
}

fn expiry(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let (mut host, phone, laptop) = with_both(rng, "clients-and-credentials-that-expire");
    let tablet = host.person("alice");
    let early = host.challenge(NOW, "alice");
    host.expire("alice", Some(&laptop), Some(NOW + 10), 3);
    host.session(NOW + 9, &laptop, [2, 0], true);
    host.session(NOW + 10, &laptop, [2, 0], false);
    host.login(NOW + 9, &laptop, "accepted");
    host.login(NOW + 10, &laptop, "denied");
    host.authenticate(NOW + 10, &laptop, &early, "denied");
    host.named(&laptop.credential_id());
    // Others go on.
    host.login(NOW + 10, &phone, "accepted");
    host.session(NOW + 10, &phone, [1, 0], true);
    // Of client and credential the earlier one counts.
    host.expire("alice", None, Some(NOW + 20), 4);
    host.login(NOW + 19, &phone, "accepted");
    host.login(NOW + 19, &laptop, "denied");
    host.expire("alice", Some(&laptop), None, 5);
    host.login(NOW + 19, &laptop, "accepted");
    for credential in [&phone, &laptop] {
        host.login(NOW + 20, credential, "denied");
    }
    host.session(NOW + 20, &phone, [1, 0], false);
    // It can be taken back, and every challenge is still given.
    host.expire("alice", None, None, 6);
    host.login(NOW + 20, &laptop, "accepted");
    host.session(NOW + 20, &laptop, [2, 0], true);
    // What has expired changes nothing, and can be unlinked by another.
    host.now = NOW + 20;
    host.expire("alice", Some(&phone), Some(NOW + 20), 7);
    host.link(&phone, &tablet, "tablet", "denied", None);
    host.unlink(&phone, &laptop, "denied", None);
    host.unlink(&laptop, &phone, "accepted", Some(8));
    host
}

fn sixteen(rng: &mut ChaCha20Rng) -> Writing<'_> {
    let mut host = Writing::new(rng, "sixteen-credentials-and-no-more");
    let phone = host.enrolled("alice");
    let mut last = host.person("alice");
    for version in 2..=16 {
        last = host.person("alice");
        let name = format!("credential {version}");
        host.link(&phone, &last, &name, "accepted", Some(version));
    }
    let one_more = host.person("alice");
    host.link(&phone, &one_more, "one more", "denied", None);
    host.login(NOW, &last, "accepted");
    let offer = host.offer(NOW, "alice");
    host.join(NOW, &offer, &one_more, "accepted");
    host.link_joined(NOW, &phone, &one_more, "denied", None);
    // What has joined is there still, and a place falls free.
    host.unlink(&last, &last, "accepted", Some(17));
    host.link_joined(NOW, &phone, &one_more, "accepted", Some(18));
    host.link(&phone, &last, "again", "denied", None);
    host
}
