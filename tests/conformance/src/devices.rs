//! What every host does whose clients have several credentials, one sentence each.

use std::thread;

use crate::{
    Act, Answer, Person,
    behaviours::{Host, behaviours, denied},
    person::devices,
};

behaviours!(
    a_linked_credential_is_accepted_by_its_name,
    an_unlinked_credential_is_denied_and_its_sessions_end,
    a_credential_may_unlink_itself_and_the_last_one_stays,
    a_credential_is_linked_once_and_a_seventeenth_is_denied,
    a_proof_of_another_purpose_links_nothing,
    a_link_spends_its_challenge,
    of_many_links_with_one_challenge_one_is_accepted,
    a_credential_that_the_client_does_not_have_is_denied,
    a_name_that_smuggles_is_malformed,
    a_suspended_client_links_nothing_and_its_sessions_stay_ended,
    a_second_device_joins_and_is_linked_by_the_first,
    a_second_device_that_joins_destroys_the_offer,
    a_challenge_that_is_not_on_offer_is_joined_by_nobody,
);

/// Somebody with two credentials.
fn with_two(host: Host<'_>, name: &str) -> (Person, Person) {
    let phone = Person::enrolled(host, name);
    let laptop = phone.renewed();
    assert_eq!(phone.link(host, &laptop), Answer::Accepted);
    (phone, laptop)
}

fn a_linked_credential_is_accepted_by_its_name(host: Host<'_>) {
    let (phone, laptop) = with_two(host, "c-linked");
    assert_eq!(host.version(phone.id.as_str()), Some(2));
    let mut connection = host.another();
    assert_eq!(laptop.log_in_by_name(&mut *connection), Answer::Accepted);
    assert_eq!(connection.whoami().as_deref(), Some(phone.id.as_str()));
    let ids = [phone.credential_id(), laptop.credential_id()];
    assert_eq!(devices(&mut *connection).credentials(), ids);
    // The first is meant where none is named.
    assert_eq!(phone.log_in(&mut *host.another()), Answer::Accepted);
    assert_eq!(laptop.log_in(&mut *host.another()), denied());
}

fn an_unlinked_credential_is_denied_and_its_sessions_end(host: Host<'_>) {
    let (phone, laptop) = with_two(host, "c-unlinked");
    let (mut of_phone, mut of_laptop) = (host.another(), host.another());
    assert_eq!(phone.log_in(&mut *of_phone), Answer::Accepted);
    assert_eq!(laptop.log_in_by_name(&mut *of_laptop), Answer::Accepted);
    assert_eq!(phone.unlink(host, &laptop), Answer::Accepted);
    assert_eq!(of_laptop.whoami(), None);
    assert_eq!(of_phone.whoami().as_deref(), Some(phone.id.as_str()));
    assert_eq!(laptop.log_in_by_name(&mut *host.another()), denied());
    assert_eq!(laptop.link(host, &phone.renewed()), denied());
    // Linked again, its session of before stays ended.
    assert_eq!(phone.link(host, &laptop), Answer::Accepted);
    assert_eq!(of_laptop.whoami(), None);
    let again = laptop.log_in_by_name(&mut *host.another());
    assert_eq!(again, Answer::Accepted);
}

fn a_credential_may_unlink_itself_and_the_last_one_stays(host: Host<'_>) {
    let (phone, laptop) = with_two(host, "c-last");
    assert_eq!(phone.unlink(host, &phone), Answer::Accepted);
    // The laptop is the first one now.
    assert_eq!(laptop.log_in(&mut *host.another()), Answer::Accepted);
    assert_eq!(laptop.unlink(host, &laptop), denied());
    assert_eq!(laptop.unlink(host, &phone), denied());
    assert_eq!(laptop.log_in(&mut *host.another()), Answer::Accepted);
    assert_eq!(host.version(phone.id.as_str()), Some(3));
}

fn a_credential_is_linked_once_and_a_seventeenth_is_denied(host: Host<'_>) {
    let (phone, laptop) = with_two(host, "c-sixteen");
    assert_eq!(phone.link(host, &laptop), denied());
    assert_eq!(phone.link(host, &phone), denied());
    for _ in 2..16 {
        assert_eq!(phone.link(host, &phone.renewed()), Answer::Accepted);
    }
    assert_eq!(phone.link(host, &phone.renewed()), denied());
    assert_eq!(host.version(phone.id.as_str()), Some(16));
}

fn a_proof_of_another_purpose_links_nothing(host: Host<'_>) {
    let phone = Person::enrolled(host, "c-foreign-link");
    let (laptop, binding) = (phone.renewed(), host.binding());
    let issued = phone.challenge(host);
    let linking = phone.linking(&issued, &binding, laptop.commitment());
    let joining = laptop.joining(&issued, &binding);
    for wrong in [
        phone.answer(&issued, &binding),
        phone.rotation(&issued, &binding, laptop.commitment()),
        phone.possession(),
        phone.joining(&issued, &binding),
        phone.linking(&issued, &binding, phone.renewed().commitment()),
        joining,
    ] {
        let answer = phone.link_with(host, &issued, &wrong, &laptop, Some(&joining));
        assert_eq!(answer, denied());
    }
    // An enrolment proof has no nonce: whoever saw it could have it linked anywhere.
    for wrong in [
        laptop.possession(),
        laptop.answer(&issued, &binding),
        linking,
    ] {
        let answer = phone.link_with(host, &issued, &linking, &laptop, Some(&wrong));
        assert_eq!(answer, denied());
    }
    // And a linking proof is no login.
    let mut connection = host.another();
    let answer = connection.authenticate(phone.id.as_str(), &issued.id, &linking);
    assert_eq!(answer, denied());
    assert_eq!(host.version(phone.id.as_str()), Some(1));
    let answer = phone.link_with(host, &issued, &linking, &laptop, Some(&joining));
    assert_eq!(answer, Answer::Accepted);
}

fn a_link_spends_its_challenge(host: Host<'_>) {
    let phone = Person::enrolled(host, "c-link-spends");
    let (laptop, binding) = (phone.renewed(), host.binding());
    let issued = phone.challenge(host);
    let linking = phone.linking(&issued, &binding, laptop.commitment());
    let joining = laptop.joining(&issued, &binding);
    let answer = phone.link_with(host, &issued, &linking, &laptop, Some(&joining));
    assert_eq!(answer, Answer::Accepted);
    let proof = phone.answer(&issued, &binding);
    let mut connection = host.another();
    let answer = connection.authenticate(phone.id.as_str(), &issued.id, &proof);
    assert_eq!(answer, denied());
    // The device that was unlinked replays what linked it.
    assert_eq!(phone.unlink(host, &laptop), Answer::Accepted);
    let answer = phone.link_with(host, &issued, &linking, &laptop, Some(&joining));
    assert_eq!(answer, denied());
}

fn of_many_links_with_one_challenge_one_is_accepted(host: Host<'_>) {
    let phone = Person::enrolled(host, "c-link-race");
    let binding = host.binding();
    let issued = phone.challenge(host);
    let attempts: Vec<_> = (0..4)
        .map(|_| {
            let new = phone.renewed();
            let linking = phone.linking(&issued, &binding, new.commitment());
            let joining = new.joining(&issued, &binding);
            let (mut connection, issued) = (host.another(), issued.clone());
            let by_first = (phone.id.clone(), phone.credential_id());
            thread::spawn(move || {
                let (client_id, credential_id) = by_first;
                let by = crate::By {
                    client_id: client_id.as_str(),
                    challenge_id: &issued.id,
                    credential_id: Some(&credential_id),
                };
                let new = new.commitment().as_bytes();
                let joining = Some((&joining[..], "laptop"));
                devices(&mut *connection).link(by, &linking, new, joining)
            })
        })
        .collect();
    let answers: Vec<_> = attempts
        .into_iter()
        .map(|attempt| attempt.join().expect("an attempt"))
        .collect();
    let accepted = answers.iter().filter(|a| **a == Answer::Accepted).count();
    let refused = answers.iter().filter(|a| **a == denied()).count();
    assert_eq!((accepted, refused), (1, 3), "{answers:?}");
    assert_eq!(host.version(phone.id.as_str()), Some(2));
}

fn a_credential_that_the_client_does_not_have_is_denied(host: Host<'_>) {
    let (phone, laptop) = with_two(host, "c-unknown-credential");
    let stranger = Person::enrolled(host, "c-unknown-credential-2");
    let issued = phone.challenge(host);
    let proof = phone.answer(&issued, &host.binding());
    for credential in [
        phone.renewed().credential_id(),
        stranger.credential_id(),
        laptop.credential_id(),
    ] {
        let by = crate::By {
            client_id: phone.id.as_str(),
            challenge_id: &issued.id,
            credential_id: Some(&credential),
        };
        let mut connection = host.another();
        let answer = devices(&mut *connection).authenticate_by(by, &proof);
        assert_eq!(answer, denied());
    }
    let mut connection = host.another();
    let answer = connection.authenticate(phone.id.as_str(), &issued.id, &proof);
    assert_eq!(answer, Answer::Accepted);
}

fn a_name_that_smuggles_is_malformed(host: Host<'_>) {
    let phone = Person::enrolled(host, "c-smuggled-name");
    let (laptop, binding) = (phone.renewed(), host.binding());
    let issued = phone.challenge(host);
    let linking = phone.linking(&issued, &binding, laptop.commitment());
    let joining = laptop.joining(&issued, &binding);
    let long = "x".repeat(65);
    for (name, code) in [
        ("", "invalid_length"),
        (&*long, "invalid_length"),
        (" a", "invalid_encoding"),
        ("a ", "invalid_encoding"),
        ("a\nb", "invalid_encoding"),
        ("\u{1b}[2J", "invalid_encoding"),
        ("a\u{202e}b", "invalid_encoding"),
        ("caf\u{e9}", "invalid_encoding"),
    ] {
        let id = phone.credential_id();
        let by = crate::By {
            client_id: phone.id.as_str(),
            challenge_id: &issued.id,
            credential_id: Some(&id),
        };
        let new = laptop.commitment().as_bytes();
        let answer = devices(host).link(by, &linking, new, Some((&joining[..], name)));
        assert_eq!(answer, Answer::refused(code), "{name:?}");
    }
    assert_eq!(host.version(phone.id.as_str()), Some(1));
    let answer = phone.link_with(host, &issued, &linking, &laptop, Some(&joining));
    assert_eq!(answer, Answer::Accepted);
}

fn a_suspended_client_links_nothing_and_its_sessions_stay_ended(host: Host<'_>) {
    let (phone, laptop) = with_two(host, "c-suspended-link");
    let id = phone.id.as_str();
    let mut connection = host.another();
    assert_eq!(laptop.log_in_by_name(&mut *connection), Answer::Accepted);
    assert_eq!(host.operate(id, Act::Suspend), Answer::Accepted);
    assert_eq!(phone.link(host, &phone.renewed()), denied());
    assert_eq!(phone.unlink(host, &laptop), denied());
    assert_eq!(host.operate(id, Act::Resume), Answer::Accepted);
    assert_eq!(connection.whoami(), None);
    assert_eq!(laptop.log_in_by_name(&mut *connection), Answer::Accepted);
    assert_eq!(connection.whoami().as_deref(), Some(id));
}

fn a_second_device_joins_and_is_linked_by_the_first(host: Host<'_>) {
    let phone = Person::enrolled(host, "c-joined");
    let laptop = phone.renewed();
    let mut connection = host.another();
    assert_eq!(phone.log_in(&mut *connection), Answer::Accepted);
    assert_eq!(devices(&mut *connection).pending(), "none");
    let offer = phone.challenge(host);
    let offered = devices(&mut *connection).offer(&offer.id);
    assert_eq!(offered, Answer::Accepted);
    assert_eq!(devices(&mut *connection).pending(), "open");
    // An answer may be lost: who asks again is told again.
    for _ in 0..2 {
        assert_eq!(laptop.join(&mut *host.another(), &offer), Answer::Accepted);
    }
    assert_eq!(devices(&mut *connection).pending(), "joined");
    assert_eq!(laptop.log_in_by_name(&mut *host.another()), denied());
    let link = |host: Host<'_>, new: &Person| {
        let issued = phone.challenge(host);
        let proof = phone.linking(&issued, &host.binding(), new.commitment());
        phone.link_with(host, &issued, &proof, new, None)
    };
    // Another one than joined.
    assert_eq!(link(host, &phone.renewed()), denied());
    assert_eq!(link(host, &laptop), Answer::Accepted);
    let logged_in = laptop.log_in_by_name(&mut *host.another());
    assert_eq!(logged_in, Answer::Accepted);
    assert_eq!(devices(&mut *connection).pending(), "none");
    // What joined is used up.
    assert_eq!(phone.unlink(host, &laptop), Answer::Accepted);
    assert_eq!(link(host, &laptop), denied());
}

fn a_second_device_that_joins_destroys_the_offer(host: Host<'_>) {
    let phone = Person::enrolled(host, "c-clashed");
    let (laptop, thief) = (phone.renewed(), phone.renewed());
    let mut connection = host.another();
    assert_eq!(phone.log_in(&mut *connection), Answer::Accepted);
    let offer = phone.challenge(host);
    let offered = devices(&mut *connection).offer(&offer.id);
    assert_eq!(offered, Answer::Accepted);
    assert_eq!(laptop.join(&mut *host.another(), &offer), Answer::Accepted);
    assert_eq!(thief.join(&mut *host.another(), &offer), denied());
    assert_eq!(devices(&mut *connection).pending(), "clashed");
    assert_eq!(laptop.join(&mut *host.another(), &offer), denied());
    for new in [&laptop, &thief] {
        let issued = phone.challenge(host);
        let proof = phone.linking(&issued, &host.binding(), new.commitment());
        let answer = phone.link_with(host, &issued, &proof, new, None);
        assert_eq!(answer, denied());
    }
    assert_eq!(host.version(phone.id.as_str()), Some(1));
}

fn a_challenge_that_is_not_on_offer_is_joined_by_nobody(host: Host<'_>) {
    let phone = Person::enrolled(host, "c-not-offered");
    let stranger = Person::new(&host.client_id("c-not-offered-2"));
    let (laptop, issued) = (phone.renewed(), phone.challenge(host));
    assert_eq!(laptop.join(&mut *host.another(), &issued), denied());
    let theirs = stranger.challenge(host);
    let joined = stranger.renewed().join(&mut *host.another(), &theirs);
    assert_eq!(joined, denied());
    let mut connection = host.another();
    assert_eq!(phone.log_in(&mut *connection), Answer::Accepted);
    // Another client's challenge is none to offer; where ids do not say whose they are, it is another one under
    // the same id, and nobody has its nonce.
    let _ = devices(&mut *connection).offer(&theirs.id);
    assert_eq!(laptop.join(&mut *host.another(), &theirs), denied());
    // A newer offer takes the place of the one before.
    let (old, new) = (phone.challenge(host), phone.challenge(host));
    for offer in [&old, &new] {
        let offered = devices(&mut *connection).offer(&offer.id);
        assert_eq!(offered, Answer::Accepted);
    }
    assert_eq!(laptop.join(&mut *host.another(), &old), denied());
    assert_eq!(laptop.join(&mut *host.another(), &new), Answer::Accepted);
}
