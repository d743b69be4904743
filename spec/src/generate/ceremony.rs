//! Scripts for whole hosts. What each step answers is written by hand, from protocol.md, sections 8 to
//! 12; challenges and proofs are computed here by themselves.

mod links;
mod links_refused;
mod person;
mod scripts;
mod skew;
mod writing_links;

use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha512};

use super::{lp, random};
use crate::cases::{
    CeremonyFile, CeremonyScript, CeremonyStep, HostTerms, IssuedChallenge, NumberedRoot,
};
use person::Person;

pub(super) fn file() -> CeremonyFile {
    CeremonyFile {
        suite: CeremonyFile::SUITE.into(),
        scripts: scripts::all(&mut super::rng("ceremony")),
    }
}

/// Links, unlinkings, joins and resets.
pub(super) fn of_links() -> CeremonyFile {
    let rng = &mut super::rng("ceremonies of links");
    let mut scripts = links::all(rng);
    scripts.extend(links_refused::all(rng));
    CeremonyFile {
        suite: CeremonyFile::SUITE.into(),
        scripts,
    }
}

/// Hosts whose reading of their store's clock is wrong.
pub(super) fn of_skew() -> CeremonyFile {
    CeremonyFile {
        suite: CeremonyFile::SUITE.into(),
        scripts: skew::all(&mut super::rng("ceremonies of skew")),
    }
}

const NOW: u64 = 1_795_000_000;
const AUDIENCE: &str = "https://api.example.com";

/// HMAC-SHA-512 (RFC 2104) under a key of at most one block.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 64] {
    let padded = |with: u8| {
        let mut block = [with; 128];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block
    };
    let inner = Sha512::new_with_prefix(padded(0x36)).chain_update(message);
    let outer = Sha512::new_with_prefix(padded(0x5c)).chain_update(inner.finalize());
    outer.finalize().into()
}

/// A script in the making, with what its host decides at the moment.
struct Writing<'r> {
    rng: &'r mut ChaCha20Rng,
    script: CeremonyScript,
    epoch: [u8; 16],
    roots: Vec<(u8, [u8; 32])>,
    ttl: u32,
    /// What proofs are bound to.
    binding: Vec<u8>,
    /// The host's clock where a step is not given one.
    now: u64,
}

/// A challenge that was issued, for a prover.
#[derive(Clone)]
struct Challenge {
    id: String,
    nonce: Vec<u8>,
}

impl<'r> Writing<'r> {
    fn new(rng: &'r mut ChaCha20Rng, name: &str) -> Self {
        Self::with(rng, name, Some(AUDIENCE), 120, 1000)
    }

    fn with(
        rng: &'r mut ChaCha20Rng,
        name: &str,
        audience: Option<&str>,
        ttl: u32,
        capacity: u32,
    ) -> Self {
        let (epoch, root) = (random(rng), random(rng));
        let roots = vec![(7, root)];
        let binding = audience.map_or(Vec::new(), |it| [b"aud:", it.as_bytes()].concat());
        Self {
            rng,
            script: CeremonyScript {
                name: name.into(),
                host: HostTerms {
                    audience: audience.map(Into::into),
                    ttl,
                    skew: 0,
                    capacity,
                    epoch: hex::encode(epoch),
                    roots: numbered(&roots),
                },
                steps: Vec::new(),
            },
            epoch,
            roots,
            ttl,
            binding,
            now: NOW,
        }
    }

    fn person(&mut self, id: &str) -> Person {
        Person::new(self.rng, id)
    }

    fn enroll(&mut self, person: &Person, permitted: bool, answer: &str) {
        let proof = person.possession(self.rng);
        self.enroll_as(&person.id, permitted, &person.commitment(), &proof, answer);
    }

    fn enroll_as(
        &mut self,
        client_id: &str,
        permitted: bool,
        commitment: &[u8],
        proof: &[u8],
        answer: &str,
    ) {
        self.script.steps.push(CeremonyStep::Enroll {
            permitted,
            client_id: client_id.into(),
            commitment: hex::encode(commitment),
            proof: hex::encode(proof),
            answer: answer.into(),
        });
    }

    /// A person that is enrolled.
    fn enrolled(&mut self, id: &str) -> Person {
        let person = self.person(id);
        self.enroll(&person, true, "accepted");
        person
    }

    fn challenge(&mut self, now: u64, client_id: &str) -> Challenge {
        self.challenge_by(now, now, client_id, None)
    }

    /// Asked for when the host's clock says `now` and the set goes by `clock`.
    fn challenge_by(
        &mut self,
        now: u64,
        clock: u64,
        client_id: &str,
        draws: Option<[u8; 16]>,
    ) -> Challenge {
        let random: [u8; 8] = random(self.rng);
        self.epoch = draws.unwrap_or(self.epoch);
        let (number, root) = self.roots[0];
        let expires_at = clock + u64::from(self.ttl);
        let mut id = [0; 12];
        id[..4].copy_from_slice(&(expires_at as u32).to_be_bytes());
        id[4..].copy_from_slice(&random);
        id[4] = number;
        let prefixed = [b"2FApi-v1.0-ChallengeKey", &lp(&self.epoch)[..]].concat();
        let key = &hmac(&root, &prefixed)[..32];
        let input = [b"2FApi-v1.0-Challenge", &lp(client_id.as_bytes())[..], &id].concat();
        let nonce = hmac(key, &input)[..16].to_vec();
        let challenge = Challenge {
            id: format!("ch-{}", hex::encode(id)),
            nonce,
        };
        self.script.steps.push(CeremonyStep::Challenge {
            now,
            client_id: client_id.into(),
            random: hex::encode(random),
            draws: draws.map(hex::encode),
            issued: Some(IssuedChallenge {
                challenge_id: challenge.id.clone(),
                nonce: hex::encode(&challenge.nonce),
                expires_at,
            }),
            answer: "accepted".into(),
        });
        challenge
    }

    fn no_challenge(&mut self, now: u64, client_id: &str, answer: &str) {
        self.script.steps.push(CeremonyStep::Challenge {
            now,
            client_id: client_id.into(),
            random: "00".repeat(8),
            draws: None,
            issued: None,
            answer: answer.into(),
        });
    }

    fn authenticate(&mut self, now: u64, person: &Person, challenge: &Challenge, answer: &str) {
        let proof = person.answer(self.rng, &challenge.nonce, &self.binding);
        self.authenticate_as(now, &person.id, &challenge.id, &proof, answer);
    }

    fn authenticate_as(
        &mut self,
        now: u64,
        client_id: &str,
        challenge_id: &str,
        proof: &[u8],
        answer: &str,
    ) {
        self.script.steps.push(CeremonyStep::Authenticate {
            now,
            client_id: client_id.into(),
            challenge_id: challenge_id.into(),
            proof: hex::encode(proof),
            credential_id: None,
            store_now: None,
            binding: None,
            answer: answer.into(),
            retry_after: None,
        });
    }

    /// With a proof that is bound to what the caller names.
    fn authenticate_bound(
        &mut self,
        person: &Person,
        challenge: &Challenge,
        binding: &[u8],
        answer: &str,
    ) {
        let proof = person.answer(self.rng, &challenge.nonce, binding);
        self.script.steps.push(CeremonyStep::Authenticate {
            now: NOW,
            client_id: person.id.clone(),
            challenge_id: challenge.id.clone(),
            proof: hex::encode(proof),
            credential_id: None,
            store_now: None,
            binding: Some(hex::encode(binding)),
            answer: answer.into(),
            retry_after: None,
        });
    }

    /// A rotation whose new credential proves itself for the person's own client id.
    fn rotate(
        &mut self,
        person: &Person,
        next: &Person,
        challenge: &Challenge,
        answer: &str,
        version: Option<u32>,
    ) {
        let new = next.commitment();
        let old = person.rotation(self.rng, &challenge.nonce, &new, &self.binding);
        let proof_new = next.possession(self.rng);
        self.rotate_as(person, challenge, [&old, &new, &proof_new], answer, version);
    }

    fn rotate_as(
        &mut self,
        person: &Person,
        challenge: &Challenge,
        [proof_old, commitment_new, proof_new]: [&[u8]; 3],
        answer: &str,
        version: Option<u32>,
    ) {
        self.script.steps.push(CeremonyStep::Rotate {
            now: NOW,
            client_id: person.id.clone(),
            challenge_id: challenge.id.clone(),
            credential_id: None,
            proof_old: hex::encode(proof_old),
            commitment_new: hex::encode(commitment_new),
            proof_new: hex::encode(proof_new),
            answer: answer.into(),
            version,
        });
    }

    fn operate(&mut self, act: &str, client_id: &str, answer: &str) {
        self.script.steps.push(CeremonyStep::Operate {
            act: act.into(),
            client_id: client_id.into(),
            answer: answer.into(),
        });
    }

    fn change_roots(&mut self, roots: &[(u8, [u8; 32])]) {
        self.roots = roots.to_vec();
        let roots = numbered(roots);
        self.script.steps.push(CeremonyStep::Roots { roots });
    }

    /// What a client is told that had a good proof where there is no place.
    fn throttled(&mut self, now: u64, person: &Person, challenge: &Challenge, wait: u32) {
        self.authenticate(now, person, challenge, "throttled");
        if let Some(CeremonyStep::Authenticate { retry_after, .. }) = self.script.steps.last_mut() {
            *retry_after = Some(wait);
        }
    }
}

fn numbered(roots: &[(u8, [u8; 32])]) -> Vec<NumberedRoot> {
    let numbered = |(number, root): &(u8, [u8; 32])| NumberedRoot {
        number: *number,
        root: hex::encode(root),
    };
    roots.iter().map(numbered).collect()
}
