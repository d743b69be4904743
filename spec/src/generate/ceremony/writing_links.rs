//! What is written of links, unlinkings, joins and resets.

use sha2::{Digest, Sha512};

use super::{Challenge, Person, Writing, lp};
use crate::cases::{CeremonyStep, ListedCredential, PendingCase};

/// The number that both devices compute of an offer and the commitment that joins.
pub(super) fn number(offer: &Challenge, joins: &Person) -> String {
    let digest = Sha512::new_with_prefix("2FApi-v1.0-LinkNumber")
        .chain_update(lp(offer.id.as_bytes()))
        .chain_update(joins.commitment())
        .finalize();
    let first = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    format!("{:06}", first % 1_000_000)
}

/// A credential as a record has it.
pub(super) fn listed(person: &Person, called: &str, created: u64, since: u32) -> ListedCredential {
    ListedCredential {
        id: person.credential_id(),
        called: called.into(),
        created,
        since,
    }
}

/// What is sent of a link beside the challenge.
pub(super) struct Sent<'a> {
    pub(super) proof: &'a [u8],
    pub(super) commitment_new: &'a [u8],
    /// The joining proof and the name.
    pub(super) joining: Option<(&'a [u8], &'a str)>,
}

impl Writing<'_> {
    /// The step that was written last names the credential that proves.
    pub(super) fn named(&mut self, credential: &str) {
        if let Some(
            CeremonyStep::Authenticate { credential_id, .. }
            | CeremonyStep::Rotate { credential_id, .. }
            | CeremonyStep::Link { credential_id, .. }
            | CeremonyStep::Unlink { credential_id, .. },
        ) = self.script.steps.last_mut()
        {
            *credential_id = Some(credential.into());
        }
    }

    /// Logs in by that credential, named.
    pub(super) fn login(&mut self, now: u64, person: &Person, answer: &str) {
        let challenge = self.challenge(now, &person.id);
        self.authenticate(now, person, &challenge, answer);
        self.named(&person.credential_id());
    }

    /// Both proofs over one challenge, as one device sends them; the credential that proves is named.
    pub(super) fn link(
        &mut self,
        by: &Person,
        new: &Person,
        name: &str,
        answer: &str,
        version: Option<u32>,
    ) {
        let challenge = self.challenge(self.now, &by.id);
        let commitment = new.commitment();
        let proof = by.linking(self.rng, &challenge.nonce, &commitment, &self.binding);
        let joining = new.joining(self.rng, &challenge.nonce, &self.binding);
        let sent = Sent {
            proof: &proof,
            commitment_new: &commitment,
            joining: Some((&joining, name)),
        };
        self.link_as(self.now, &by.id, &challenge, &sent, answer, version);
        self.named(&by.credential_id());
    }

    pub(super) fn link_as(
        &mut self,
        now: u64,
        client_id: &str,
        challenge: &Challenge,
        sent: &Sent<'_>,
        answer: &str,
        version: Option<u32>,
    ) {
        self.script.steps.push(CeremonyStep::Link {
            now,
            client_id: client_id.into(),
            challenge_id: challenge.id.clone(),
            credential_id: None,
            proof: hex::encode(sent.proof),
            commitment_new: hex::encode(sent.commitment_new),
            proof_new: sent.joining.map(|(proof, _)| hex::encode(proof)),
            name: sent.joining.map(|(_, name)| name.into()),
            answer: answer.into(),
            version,
        });
    }

    /// What the first device asks after its user has typed the number, over a fresh challenge.
    pub(super) fn link_joined(
        &mut self,
        now: u64,
        by: &Person,
        new: &Person,
        answer: &str,
        version: Option<u32>,
    ) {
        let challenge = self.challenge(now, &by.id);
        let commitment = new.commitment();
        let proof = by.linking(self.rng, &challenge.nonce, &commitment, &self.binding);
        let sent = Sent {
            proof: &proof,
            commitment_new: &commitment,
            joining: None,
        };
        self.link_as(now, &by.id, &challenge, &sent, answer, version);
    }

    /// A challenge that is offered.
    pub(super) fn offer(&mut self, now: u64, client_id: &str) -> Challenge {
        let challenge = self.challenge(now, client_id);
        let of = format!("{}.{client_id}", challenge.id);
        self.offer_as(now, client_id, &of, "accepted");
        challenge
    }

    pub(super) fn offer_as(&mut self, now: u64, client_id: &str, of: &str, answer: &str) {
        self.script.steps.push(CeremonyStep::Offer {
            now,
            client_id: client_id.into(),
            of: of.into(),
            answer: answer.into(),
        });
    }

    /// A second device takes an offer.
    pub(super) fn join(&mut self, now: u64, offer: &Challenge, new: &Person, answer: &str) {
        let proof = new.joining(self.rng, &offer.nonce, &self.binding);
        self.join_as(now, offer, new, (&proof, "laptop"), answer);
    }

    pub(super) fn join_as(
        &mut self,
        now: u64,
        offer: &Challenge,
        new: &Person,
        (proof, name): (&[u8], &str),
        answer: &str,
    ) {
        self.script.steps.push(CeremonyStep::Join {
            now,
            client_id: new.id.clone(),
            challenge_id: offer.id.clone(),
            commitment: hex::encode(new.commitment()),
            proof: hex::encode(proof),
            name: name.into(),
            answer: answer.into(),
            number: (answer == "accepted").then(|| number(offer, new)),
        });
    }

    pub(super) fn pending(&mut self, now: u64, client_id: &str, state: &str, until: Option<u64>) {
        self.script.steps.push(CeremonyStep::Pending {
            now,
            client_id: client_id.into(),
            pending: PendingCase {
                state: state.into(),
                until,
                joined: None,
                called: None,
            },
        });
    }

    pub(super) fn pending_of(&mut self, now: u64, new: &Person, until: u64) {
        self.pending(now, &new.id, "joined", Some(until));
        if let Some(CeremonyStep::Pending { pending, .. }) = self.script.steps.last_mut() {
            pending.joined = Some(hex::encode(new.commitment()));
            pending.called = Some("laptop".into());
        }
    }

    /// By a credential that is named, of one that goes.
    pub(super) fn unlink(&mut self, by: &Person, old: &Person, answer: &str, version: Option<u32>) {
        let challenge = self.challenge(self.now, &by.id);
        let commitment = old.commitment();
        let proof = by.unlinking(self.rng, &challenge.nonce, &commitment, &self.binding);
        self.unlink_as(&by.id, &challenge, &proof, &commitment, answer, version);
        self.named(&by.credential_id());
    }

    pub(super) fn unlink_as(
        &mut self,
        client_id: &str,
        challenge: &Challenge,
        proof: &[u8],
        commitment_old: &[u8],
        answer: &str,
        version: Option<u32>,
    ) {
        self.script.steps.push(CeremonyStep::Unlink {
            now: self.now,
            client_id: client_id.into(),
            challenge_id: challenge.id.clone(),
            credential_id: None,
            proof: hex::encode(proof),
            commitment_old: hex::encode(commitment_old),
            answer: answer.into(),
            version,
        });
    }

    pub(super) fn reset(
        &mut self,
        person: &Person,
        permitted: bool,
        answer: &str,
        version: Option<u32>,
    ) {
        let proof = person.possession(self.rng);
        self.reset_as(person, permitted, &proof, answer, version);
    }

    pub(super) fn reset_as(
        &mut self,
        person: &Person,
        permitted: bool,
        proof: &[u8],
        answer: &str,
        version: Option<u32>,
    ) {
        self.script.steps.push(CeremonyStep::Reset {
            now: self.now,
            permitted,
            client_id: person.id.clone(),
            commitment: hex::encode(person.commitment()),
            proof: hex::encode(proof),
            answer: answer.into(),
            version,
        });
    }

    pub(super) fn record(
        &mut self,
        client_id: &str,
        [version, generation]: [u32; 2],
        status: &str,
        credentials: Vec<ListedCredential>,
    ) {
        self.script.steps.push(CeremonyStep::Record {
            client_id: client_id.into(),
            version,
            generation,
            status: status.into(),
            credentials,
        });
    }

    /// A token of that credential, since and generation.
    pub(super) fn session(
        &mut self,
        now: u64,
        of: &Person,
        [since, generation]: [u32; 2],
        good: bool,
    ) {
        self.script.steps.push(CeremonyStep::Session {
            now,
            client_id: of.id.clone(),
            cred: Some(of.credential_id()),
            since,
            generation,
            good,
        });
    }

    /// A token of before, which names no credential and no generation.
    pub(super) fn old_session(&mut self, client_id: &str, since: u32, good: bool) {
        self.script.steps.push(CeremonyStep::Session {
            now: self.now,
            client_id: client_id.into(),
            cred: None,
            since,
            generation: 0,
            good,
        });
    }

    pub(super) fn expire(
        &mut self,
        client_id: &str,
        credential: Option<&Person>,
        expires_at: Option<u64>,
        version: u32,
    ) {
        self.script.steps.push(CeremonyStep::Expire {
            client_id: client_id.into(),
            credential_id: credential.map(Person::credential_id),
            expires_at,
            version,
        });
    }
}
