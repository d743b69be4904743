//! Proofs that two commitments hide one secret, and proofs that show nothing of the kind.

use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha512};
use twofapi_crypto_core::{GENERATOR_G, GENERATOR_H, commit, curve25519_dalek::Scalar};

use super::{
    LONGEST, lp, random, rng, scalar,
    sigma::{no_encodings, plus_order, prover::Proven},
};
use crate::cases::{LinkProofCase, LinkProofFile, PurposeName, Reason};

pub(super) fn file() -> LinkProofFile {
    let rng = &mut rng("link proofs");
    let accepted = accepted(rng);
    let of = &accepted[0];
    let mut refused = Refused(Vec::new());
    other_statements(&mut refused, rng, of);
    sizes_and_encodings(&mut refused, rng, of);
    degenerate(&mut refused, of);
    out_of_range(&mut refused, of);
    weak_transcripts(&mut refused, of);
    forgeries(&mut refused, rng, of);
    LinkProofFile {
        suite: LinkProofFile::SUITE.into(),
        accepted: accepted.iter().map(Linked::accepted).collect(),
        rejected: refused.0,
    }
}

/// All that an accepted link proof is made of.
#[derive(Clone)]
struct Linked {
    name: String,
    audiences: [String; 2],
    client_ids: [String; 2],
    nonce: Vec<u8>,
    /// That of the second commitment is another where somebody cheats.
    secrets: [Scalar; 2],
    blindings: [Scalar; 2],
    k_s: [Scalar; 2],
    k: [Scalar; 2],
    random: Option<[u8; 32]>,
}

impl Linked {
    fn new(rng: &mut ChaCha20Rng, name: &str, nonce: &[u8]) -> Self {
        let (secret, k_s) = (scalar(rng), scalar(rng));
        Self {
            name: name.into(),
            audiences: ["https://api.example.com", "https://shop.example.org"].map(Into::into),
            client_ids: ["alice", "alice@example.org"].map(Into::into),
            nonce: nonce.to_vec(),
            secrets: [secret; 2],
            blindings: [scalar(rng), scalar(rng)],
            k_s: [k_s; 2],
            k: [scalar(rng), scalar(rng)],
            random: None,
        }
    }

    fn but(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = self.clone();
        change(&mut other);
        other
    }

    /// LP of audience and client id of each, and of the nonce.
    fn statement(&self) -> Vec<u8> {
        let fields = [
            self.audiences[0].as_bytes(),
            self.client_ids[0].as_bytes(),
            self.audiences[1].as_bytes(),
            self.client_ids[1].as_bytes(),
            &self.nonce,
        ];
        fields.map(lp).concat()
    }

    fn hedged(mut self, rng: &mut ChaCha20Rng) -> Self {
        let random: [u8; 32] = random(rng);
        let [c1, c2] = self.commitments();
        let seed = Sha512::new_with_prefix("2FApi-v1.0-LinkProofNonceSeed")
            .chain_update(self.secrets[0].as_bytes())
            .chain_update(self.blindings[0].as_bytes())
            .chain_update(self.blindings[1].as_bytes())
            .chain_update(random)
            .chain_update(c1)
            .chain_update(c2)
            .chain_update(self.statement())
            .finalize();
        let nonce = |label: &str| {
            let digest = Sha512::new_with_prefix("2FApi-v1.0-LinkProofNonce")
                .chain_update(label)
                .chain_update(seed);
            Scalar::from_bytes_mod_order_wide(&digest.finalize().into())
        };
        self.k_s = [nonce("s"); 2];
        self.k = [nonce("1"), nonce("2")];
        self.random = Some(random);
        self
    }

    fn pairs(secrets: &[Scalar; 2], blindings: &[Scalar; 2]) -> [[u8; 32]; 2] {
        [0, 1].map(|at| commit(&secrets[at], &blindings[at]).compress().to_bytes())
    }

    fn commitments(&self) -> [[u8; 32]; 2] {
        Self::pairs(&self.secrets, &self.blindings)
    }

    fn announcements(&self) -> [[u8; 32]; 2] {
        Self::pairs(&self.k_s, &self.k)
    }

    /// The fields of the transcript before the statement.
    fn fields(&self) -> Vec<Vec<u8>> {
        let ([c1, c2], [a1, a2]) = (self.commitments(), self.announcements());
        let suite = LinkProofFile::SUITE.as_bytes();
        [suite, &GENERATOR_G, &GENERATOR_H, &c1, &c2, &a1, &a2]
            .map(<[u8]>::to_vec)
            .into()
    }

    fn transcript(&self) -> Vec<u8> {
        let fields: Vec<u8> = self.fields().iter().flat_map(|field| lp(field)).collect();
        [fields, self.statement()].concat()
    }

    fn proof(&self) -> Vec<u8> {
        self.proof_for(&hash(&self.transcript()))
    }

    /// The proof for a challenge scalar that need not be the right one.
    fn proof_for(&self, c: &Scalar) -> Vec<u8> {
        let mut proof = self.announcements().concat();
        proof.extend((self.k_s[0] + c * self.secrets[0]).as_bytes());
        for (k, r) in self.k.iter().zip(&self.blindings) {
            proof.extend((k + c * r).as_bytes());
        }
        proof
    }

    fn bare(&self, proof: &[u8]) -> LinkProofCase {
        let [c1, c2] = self.commitments().map(hex::encode);
        let ([a1, a2], [i1, i2]) = (self.audiences.clone(), self.client_ids.clone());
        LinkProofCase {
            name: self.name.clone(),
            audience_1: a1,
            client_id_1: i1,
            audience_2: a2,
            client_id_2: i2,
            nonce: hex::encode(&self.nonce),
            commitment_1: c1,
            commitment_2: c2,
            proof: hex::encode(proof),
            ..LinkProofCase::default()
        }
    }

    fn accepted(&self) -> LinkProofCase {
        let encoded = |scalar: &Scalar| Some(hex::encode(scalar.as_bytes()));
        let transcript = self.transcript();
        LinkProofCase {
            secret: encoded(&self.secrets[0]),
            blinding_1: encoded(&self.blindings[0]),
            blinding_2: encoded(&self.blindings[1]),
            k_s: encoded(&self.k_s[0]),
            k_1: encoded(&self.k[0]),
            k_2: encoded(&self.k[1]),
            random: self.random.map(hex::encode),
            challenge: encoded(&hash(&transcript)),
            transcript: Some(hex::encode(transcript)),
            ..self.bare(&self.proof())
        }
    }
}

fn hash(transcript: &[u8]) -> Scalar {
    let digest = Sha512::new_with_prefix("2FApi-LinkProof-Transcript-v1").chain_update(transcript);
    Scalar::from_bytes_mod_order_wide(&digest.finalize().into())
}

struct Refused(Vec<LinkProofCase>);

impl Refused {
    fn add(&mut self, of: &Linked, name: &str, reason: Reason, case: LinkProofCase) {
        self.0.push(LinkProofCase {
            name: name.into(),
            reason: Some(reason),
            of: Some(of.name.clone()),
            ..case
        });
    }
}

fn accepted(rng: &mut ChaCha20Rng) -> Vec<Linked> {
    let nonce: [u8; 64] = random(rng);
    let mut cases = vec![
        Linked::new(rng, "two-hosts", &nonce[..16]),
        Linked::new(rng, "the-longest-nonce", &nonce),
        Linked::new(rng, "two-hosts-hedged", &nonce[..32]).hedged(rng),
    ];
    let mut case = Linked::new(rng, "one-host-two-clients", &nonce[..16]);
    case.audiences[1] = case.audiences[0].clone();
    cases.push(case);
    let mut case = Linked::new(rng, "the-longest-names", &nonce[..16]);
    (case.audiences, case.client_ids) = (
        [&"x".repeat(512); 2].map(Into::into),
        [LONGEST; 2].map(Into::into),
    );
    cases.push(case);
    // What one phrase gives at one host for two generations.
    let mut case = Linked::new(rng, "one-client-of-before-and-after", &nonce[..16]);
    (case.audiences[1], case.client_ids[1]) =
        (case.audiences[0].clone(), case.client_ids[0].clone());
    cases.push(case);
    cases
}

/// Shown to another, or about others.
fn other_statements(refused: &mut Refused, rng: &mut ChaCha20Rng, of: &Linked) {
    let proof = of.proof();
    let mut shown = |name: &str, change: &dyn Fn(&mut LinkProofCase)| {
        let mut case = of.bare(&proof);
        change(&mut case);
        refused.add(of, name, Reason::Equation, case);
    };
    shown("to-another-who-asked", &|c| c.nonce = hex::encode([9; 16]));
    shown("nonce-longer", &|c| c.nonce.push_str("00"));
    shown("other-audience-1", &|c| c.audience_1.push('x'));
    shown("other-audience-2", &|c| c.audience_2.push('x'));
    shown("other-client-1", &|c| c.client_id_1 = "bob".into());
    shown("other-client-2", &|c| {
        c.client_id_2 = "Alice@example.org".into()
    });
    shown("clients-swapped", &|c| {
        std::mem::swap(&mut c.client_id_1, &mut c.client_id_2);
    });
    shown("audiences-swapped", &|c| {
        std::mem::swap(&mut c.audience_1, &mut c.audience_2);
    });
    shown("commitments-swapped", &|c| {
        std::mem::swap(&mut c.commitment_1, &mut c.commitment_2);
    });
    shown("one-commitment-twice", &|c| {
        c.commitment_2 = c.commitment_1.clone()
    });
    shown("boundary-shifted", &|c| {
        c.client_id_1.push('h');
        c.audience_2.remove(0);
    });
    let other = hex::encode(commit(&scalar(rng), &scalar(rng)).compress().as_bytes());
    shown("other-commitment-1", &|c| c.commitment_1 = other.clone());
    shown("other-commitment-2", &|c| c.commitment_2 = other.clone());
}

fn sizes_and_encodings(refused: &mut Refused, rng: &mut ChaCha20Rng, of: &Linked) {
    let proof = of.proof();
    let long = [&proof[..], &proof[..]].concat();
    for len in [0, 1, 96, 128, 159, 161, 192, 320] {
        let name = format!("proof-length-{len}");
        refused.add(of, &name, Reason::Length, of.bare(&long[..len]));
    }
    let sigma = Proven::new(
        rng,
        "",
        PurposeName::Authentication,
        "alice",
        &of.nonce,
        b"",
    );
    let case = of.bare(&sigma.proof());
    refused.add(of, "an-authentication-proof", Reason::Length, case);
    for len in [0, 31, 33] {
        let mut case = of.bare(&proof);
        case.commitment_2 = hex::encode(&[of.commitments()[1].as_slice(), &[0]].concat()[..len]);
        let name = format!("commitment-2-length-{len}");
        refused.add(of, &name, Reason::Length, case);
    }
    for at in [0, 1] {
        for (how, bytes) in no_encodings(&of.announcements()[at]) {
            let mut changed = proof.clone();
            changed[32 * at..32 * at + 32].copy_from_slice(&bytes);
            let reason = match how {
                "no-element" => Reason::Equation,
                _ => Reason::PointEncoding,
            };
            let name = format!("announcement-{}-{how}", at + 1);
            refused.add(of, &name, reason, of.bare(&changed));
        }
        for (how, bytes) in no_encodings(&of.commitments()[at]) {
            let mut case = of.bare(&proof);
            let place = [&mut case.commitment_1, &mut case.commitment_2];
            *place[at] = hex::encode(bytes);
            let name = format!("commitment-{}-{how}", at + 1);
            refused.add(of, &name, Reason::PointEncoding, case);
        }
    }
    for (what, at) in [("s", 64), ("1", 96), ("2", 128)] {
        let mut changed = proof.clone();
        if let Some(other) = plus_order(&proof[at..at + 32]) {
            changed[at..at + 32].copy_from_slice(&other);
        }
        let name = format!("response-{what}-plus-l");
        refused.add(of, &name, Reason::ScalarEncoding, of.bare(&changed));
        changed[at..at + 32].fill(0xff);
        let name = format!("response-{what}-all-ff");
        refused.add(of, &name, Reason::ScalarEncoding, of.bare(&changed));
    }
    for byte in (0..160).step_by(5) {
        let mut changed = proof.clone();
        changed[byte] ^= 1 << (byte % 8);
        let name = format!("bit-flip-byte-{byte}");
        refused.add(of, &name, Reason::Any, of.bare(&changed));
    }
}

/// Identity and zero, with equations that hold.
fn degenerate(refused: &mut Refused, of: &Linked) {
    let zero = Scalar::ZERO;
    let mut add = |name: &str, reason, change: &dyn Fn(&mut Linked)| {
        let other = of.but(change);
        let name = format!("{name}-valid-equation");
        refused.add(of, &name, reason, other.bare(&other.proof()));
    };
    for at in [0, 1] {
        add(
            &format!("identity-announcement-{}", at + 1),
            Reason::Identity,
            &|p| {
                (p.k_s, p.k[at]) = ([zero; 2], zero);
            },
        );
        add(
            &format!("identity-commitment-{}", at + 1),
            Reason::Identity,
            &|p| {
                (p.secrets, p.blindings[at]) = ([zero; 2], zero);
            },
        );
        add(
            &format!("zero-response-{}", at + 1),
            Reason::ZeroResponse,
            &|p| {
                (p.blindings[at], p.k[at]) = (zero, zero);
            },
        );
    }
    add("zero-response-s", Reason::ZeroResponse, &|p| {
        (p.secrets, p.k_s) = ([zero; 2], [zero; 2]);
    });
}

/// What a syntax or a size refuses, with equations that hold.
fn out_of_range(refused: &mut Refused, of: &Linked) {
    let mut add = |name: &str, reason, change: &dyn Fn(&mut Linked)| {
        let other = of.but(change);
        let name = format!("{name}-valid-equation");
        refused.add(of, &name, reason, other.bare(&other.proof()));
    };
    for len in [0, 15, 65] {
        let name = format!("nonce-length-{len}");
        add(&name, Reason::NonceLength, &|p| p.nonce = vec![7; len]);
    }
    for at in [0, 1] {
        let name = |what: &str| format!("{what}-{}", at + 1);
        add(&name("no-audience"), Reason::Audience, &|p| {
            p.audiences[at].clear()
        });
        add(&name("audience-too-long"), Reason::Audience, &|p| {
            p.audiences[at] = "x".repeat(513);
        });
        add(&name("audience-blank"), Reason::Audience, &|p| {
            p.audiences[at].push(' ')
        });
        add(&name("client-id-colon"), Reason::ClientId, &|p| {
            p.client_ids[at] = "al:ice".into();
        });
        add(&name("client-id-reserved"), Reason::ClientId, &|p| {
            p.client_ids[at] = "2fapi-admin".into();
        });
    }
}

/// What a prover could forge if the transcript were hashed less strictly.
fn weak_transcripts(refused: &mut Refused, of: &Linked) {
    let mut add = |name: &str, transcript: &[u8]| {
        let case = LinkProofCase {
            note: Some("a good proof, but for how its challenge was hashed".into()),
            ..of.bare(&of.proof_for(&hash(transcript)))
        };
        refused.add(of, &format!("weak-{name}"), Reason::Equation, case);
    };
    let fields = of.fields();
    for (name, left_out) in [
        ("without-C1", 3),
        ("without-C2", 4),
        ("without-A1", 5),
        ("without-A2", 6),
    ] {
        let kept = fields.iter().enumerate().filter(|(i, _)| *i != left_out);
        let kept: Vec<u8> = kept.flat_map(|(_, field)| lp(field)).collect();
        add(name, &[kept, of.statement()].concat());
    }
    add("no-lengths", &[fields.concat(), of.statement()].concat());
    let unnamed = of.but(|p| p.nonce.clear()).statement();
    let before: Vec<u8> = fields.iter().flat_map(|field| lp(field)).collect();
    add(
        "without-nonce",
        &[before, unnamed[..unnamed.len() - 4].to_vec()].concat(),
    );
    let of_sigma = Scalar::from_bytes_mod_order_wide(
        &Sha512::digest([&b"2FApi-Sigma-Transcript-v1"[..], &of.transcript()].concat()).into(),
    );
    let case = of.bare(&of.proof_for(&of_sigma));
    refused.add(of, "weak-domain-of-other-proofs", Reason::Equation, case);
}

/// By somebody who does not hold two credentials of one secret.
fn forgeries(refused: &mut Refused, rng: &mut ChaCha20Rng, of: &Linked) {
    // Two secrets: one response does for one equation only.
    let other = scalar(rng);
    let two = of.but(|p| p.secrets[1] = other);
    let note = |text: &str| Some(text.to_owned());
    let case = LinkProofCase {
        note: note("the first equation holds"),
        ..two.bare(&two.proof())
    };
    refused.add(
        of,
        "two-secrets-first-equation-holds",
        Reason::Equation,
        case,
    );
    let c = hash(&two.transcript());
    let mut proof = two.proof();
    proof[64..96].copy_from_slice((two.k_s[1] + c * other).as_bytes());
    let case = LinkProofCase {
        note: note("the second equation holds"),
        ..two.bare(&proof)
    };
    refused.add(
        of,
        "two-secrets-second-equation-holds",
        Reason::Equation,
        case,
    );

    // Another one's commitment, shifted by a multiple of H that the shifter knows: it can show the multiple and
    // nothing of the secret.
    let d = scalar(rng);
    let shifted = of.but(|p| {
        p.blindings[1] = p.blindings[0] + d;
        p.k[1] = p.k[0] + scalar(rng);
    });
    let c = hash(&shifted.transcript());
    let mut proof = shifted.announcements().concat();
    proof.extend(shifted.k_s[0].as_bytes());
    proof.extend(shifted.k[0].as_bytes());
    proof.extend((shifted.k[1] + c * d).as_bytes());
    let case = LinkProofCase {
        note: note("C_2 = C_1 + d·H, by who knows d alone"),
        ..shifted.bare(&proof)
    };
    refused.add(of, "shifted-by-a-multiple-of-h", Reason::Equation, case);
    // The owner's proof for its own pair, made to fit the shifted commitment.
    let c = hash(&of.transcript());
    let mut proof = of.proof();
    let mut last = [0; 32];
    last.copy_from_slice(&proof[128..]);
    proof[128..].copy_from_slice((Scalar::from_bytes_mod_order(last) + c * d).as_bytes());
    let theirs = of.but(|p| p.blindings[1] += d);
    let case = LinkProofCase {
        note: note("of the owner, for another commitment of its secret"),
        ..theirs.bare(&proof)
    };
    refused.add(of, "an-owners-proof-shifted", Reason::Equation, case);
}
