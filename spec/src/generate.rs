//! Makes the vector files that are ours: seeded, so that every run gives the same bytes.
//!
//! Each refused case is made from an accepted one, which it names, by one change. Where a check other
//! than the equation has to refuse it, the equation is made to hold, so that the case cannot pass for
//! the wrong reason.

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use serde::Serialize;
use sha2::{Digest, Sha512};
use twofapi_crypto_core::{
    ChallengeKey, ChallengeTtl, ClientId, GENERATOR_G, GENERATOR_H, GENERATOR_H_DST,
    RecoveryPhrase, SUITE, TRANSCRIPT_DST, commit,
    curve25519_dalek::{RistrettoPoint, Scalar},
    generators,
};

use crate::cases::{
    ChallengeCase, ChallengeFile, ClientIdFile, Generators, NoPhrase, RecoveryCase, RecoveryFile,
    SigmaCase, SigmaFile,
};

/// The generated files, by name.
#[must_use]
pub fn files() -> Vec<(&'static str, String)> {
    vec![
        ("sigma-generated-v1.json", pretty(&sigma())),
        ("challenge-generated-v1.json", pretty(&challenge())),
        ("client-id-v1.json", pretty(&client_ids())),
        ("recovery-phrase-v1.json", pretty(&recovery_phrases())),
    ]
}

fn pretty(file: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(file).unwrap_or_default();
    text.push('\n');
    text
}

fn rng(domain: &str) -> ChaCha20Rng {
    let digest: [u8; 64] = Sha512::digest(["2FApi vectors v1: ", domain].concat()).into();
    let mut seed = [0; 32];
    seed.copy_from_slice(&digest[..32]);
    ChaCha20Rng::from_seed(seed)
}

fn scalar(rng: &mut ChaCha20Rng) -> Scalar {
    let mut wide = [0; 64];
    rng.fill_bytes(&mut wide);
    Scalar::from_bytes_mod_order_wide(&wide)
}

fn random<const N: usize>(rng: &mut ChaCha20Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn lp(field: &[u8]) -> Vec<u8> {
    [&(field.len() as u32).to_be_bytes()[..], field].concat()
}

fn hash(transcript: &[u8]) -> Scalar {
    let digest = Sha512::new_with_prefix(TRANSCRIPT_DST).chain_update(transcript);
    Scalar::from_bytes_mod_order_wide(&digest.finalize().into())
}

/// All that an accepted proof is made of. Proving again after a change gives a case whose equation
/// holds for what was changed.
#[derive(Clone)]
struct Proven {
    name: String,
    client_id: String,
    nonce: Vec<u8>,
    binding: Vec<u8>,
    secret: Scalar,
    blinding: Scalar,
    k_s: Scalar,
    k_r: Scalar,
}

type Fields = [Vec<u8>; 8];

// Which of the fields they are.
const COMMITMENT: usize = 3;
const ANNOUNCEMENT: usize = 4;

impl Proven {
    fn new(
        rng: &mut ChaCha20Rng,
        name: &str,
        client_id: &str,
        nonce: &[u8],
        binding: &[u8],
    ) -> Self {
        Self {
            name: name.into(),
            client_id: client_id.into(),
            nonce: nonce.to_vec(),
            binding: binding.to_vec(),
            secret: scalar(rng),
            blinding: scalar(rng),
            k_s: scalar(rng),
            k_r: scalar(rng),
        }
    }

    fn commitment(&self) -> [u8; 32] {
        commit(&self.secret, &self.blinding).compress().to_bytes()
    }

    fn announcement(&self) -> [u8; 32] {
        commit(&self.k_s, &self.k_r).compress().to_bytes()
    }

    /// The eight fields of the transcript.
    fn fields(&self) -> Fields {
        [
            SUITE.to_vec(),
            GENERATOR_G.to_vec(),
            GENERATOR_H.to_vec(),
            self.commitment().to_vec(),
            self.announcement().to_vec(),
            self.client_id.as_bytes().to_vec(),
            self.nonce.clone(),
            self.binding.clone(),
        ]
    }

    fn transcript(&self) -> Vec<u8> {
        self.fields().iter().flat_map(|field| lp(field)).collect()
    }

    fn transcript_without(&self, left_out: usize) -> Vec<u8> {
        let fields = self.fields();
        let kept = fields.iter().enumerate().filter(|(i, _)| *i != left_out);
        kept.flat_map(|(_, field)| lp(field)).collect()
    }

    fn proof(&self) -> [u8; 96] {
        self.proof_for(&hash(&self.transcript()))
    }

    /// The proof for a challenge scalar that need not be the right one.
    fn proof_for(&self, c: &Scalar) -> [u8; 96] {
        join(
            &self.announcement(),
            &(self.k_s + c * self.secret),
            &(self.k_r + c * self.blinding),
        )
    }

    fn accepted(&self) -> SigmaCase {
        let transcript = self.transcript();
        SigmaCase {
            secret: Some(hex::encode(self.secret.as_bytes())),
            blinding: Some(hex::encode(self.blinding.as_bytes())),
            k_s: Some(hex::encode(self.k_s.as_bytes())),
            k_r: Some(hex::encode(self.k_r.as_bytes())),
            challenge: Some(hex::encode(hash(&transcript).as_bytes())),
            transcript: Some(hex::encode(transcript)),
            ..self.bare(&self.proof())
        }
    }

    /// The case as a host sees it.
    fn bare(&self, proof: &[u8]) -> SigmaCase {
        SigmaCase {
            name: self.name.clone(),
            client_id: self.client_id.clone(),
            nonce: hex::encode(&self.nonce),
            channel_binding: hex::encode(&self.binding),
            commitment: hex::encode(self.commitment()),
            proof: hex::encode(proof),
            ..SigmaCase::default()
        }
    }

    /// The same prover, proving something else; the equation holds.
    fn proving(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = self.clone();
        change(&mut other);
        other
    }
}

fn join(announcement: &[u8], response_s: &Scalar, response_r: &Scalar) -> [u8; 96] {
    let mut proof = [0; 96];
    proof[..32].copy_from_slice(announcement);
    proof[32..64].copy_from_slice(response_s.as_bytes());
    proof[64..].copy_from_slice(response_r.as_bytes());
    proof
}

/// Refused cases, collected with what each was made from.
struct Refused(Vec<SigmaCase>);

impl Refused {
    fn add(&mut self, of: &Proven, name: impl Into<String>, reason: &str, case: SigmaCase) {
        self.0.push(SigmaCase {
            name: name.into(),
            reason: Some(reason.into()),
            of: Some(of.name.clone()),
            ..case
        });
    }

    fn proof(&mut self, of: &Proven, name: impl Into<String>, reason: &str, proof: &[u8]) {
        self.add(of, name, reason, of.bare(proof));
    }
}

fn sigma() -> SigmaFile {
    let rng = &mut rng("sigma");
    let accepted = accepted(rng);
    let mut refused = Refused(Vec::new());
    let of = |name: &str| {
        let index = accepted.iter().position(|case| case.name == name);
        &accepted[index.unwrap_or_default()]
    };
    let authentication = of("authentication-audience");
    sizes(&mut refused, authentication);
    encodings(&mut refused, rng, authentication);
    degenerate(&mut refused, authentication);
    other_statements(&mut refused, rng, authentication);
    out_of_range(&mut refused, authentication);
    weak_transcripts(&mut refused, authentication);
    forgeries(&mut refused, rng, authentication);
    purposes(
        &mut refused,
        rng,
        authentication,
        of("enrolment"),
        of("rotation-audience"),
    );
    SigmaFile {
        suite: SigmaFile::SUITE.into(),
        transcript_dst: Some(String::from_utf8_lossy(TRANSCRIPT_DST).into_owned()),
        generator_h_dst: Some(String::from_utf8_lossy(GENERATOR_H_DST).into_owned()),
        generators: Some(Generators {
            G: hex::encode(GENERATOR_G),
            H: hex::encode(GENERATOR_H),
        }),
        accepted: accepted.iter().map(Proven::accepted).collect(),
        rejected: refused.0,
    }
}

const LONGEST: &str = "zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+\
                       zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+zZ9._-@+";
const AUDIENCE: &[u8] = b"aud:https://api.example.com";

fn accepted(rng: &mut ChaCha20Rng) -> Vec<Proven> {
    let mut cases = Vec::new();
    let nonce: [u8; 16] = random(rng);
    let exporter: [u8; 32] = random(rng);
    let with_exporter = [AUDIENCE, &lp(&exporter)].concat();
    let only_exporter = lp(&exporter);
    let longest_binding = [&b"aud:"[..], &[b'x'; 1020]].concat();
    for (name, client_id, binding) in [
        ("authentication-audience", "alice@example.com", AUDIENCE),
        ("authentication-no-binding", "my-service", b""),
        (
            "authentication-audience-and-exporter",
            "alice",
            &with_exporter,
        ),
        ("authentication-exporter", "alice", &only_exporter),
        (
            "authentication-longest-binding",
            "svc_1.prod",
            &longest_binding,
        ),
        ("authentication-binding-like-enrolment", "a", b"enrollment2"),
        ("authentication-binding-like-rotation", "0", b"rotation"),
        ("authentication-binding-of-zeros", "A-b", &[0; 32]),
        ("authentication-longest-client-id", LONGEST, AUDIENCE),
        (
            "authentication-uuid",
            "0190f3a1-7c2e-7b40-9d55-2f6f0c1a77aa",
            AUDIENCE,
        ),
        ("authentication-plus", "user+tag@example.com", b""),
    ] {
        cases.push(Proven::new(rng, name, client_id, &nonce, binding));
    }
    for len in [17, 24, 32, 64] {
        let nonce: [u8; 64] = random(rng);
        let name = format!("authentication-nonce-{len}");
        cases.push(Proven::new(rng, &name, "alice", &nonce[..len], AUDIENCE));
    }
    for (name, value) in [("zeros", 0), ("ones", 0xff)] {
        let name = format!("authentication-nonce-of-{name}");
        cases.push(Proven::new(rng, &name, "alice", &[value; 16], AUDIENCE));
    }
    // Scalars at the ends of their range.
    for (name, value) in [("one", Scalar::ONE), ("minus-one", -Scalar::ONE)] {
        let mut case = Proven::new(
            rng,
            &format!("authentication-secret-{name}"),
            "alice",
            &nonce,
            AUDIENCE,
        );
        case.secret = value;
        cases.push(case);
    }
    for (name, client_id) in [
        ("enrolment", "alice@example.com"),
        ("enrolment-short-id", "a"),
    ] {
        cases.push(Proven::new(rng, name, client_id, b"", b"enrollment"));
    }
    for (name, binding) in [
        ("rotation-audience", AUDIENCE),
        ("rotation-no-binding", b""),
        ("rotation-longest-binding", &[b'x'; 983]),
    ] {
        let new = commit(&scalar(rng), &scalar(rng)).compress().to_bytes();
        let binding = [b"rotation:", &new[..], binding].concat();
        cases.push(Proven::new(
            rng,
            name,
            "alice@example.com",
            &nonce,
            &binding,
        ));
    }
    cases
}

fn sizes(refused: &mut Refused, of: &Proven) {
    let proof = of.proof();
    let long = [&proof[..], &proof[..]].concat();
    for len in [0, 1, 32, 64, 95, 97, 192] {
        refused.proof(of, format!("proof-length-{len}"), "length", &long[..len]);
    }
    let commitment = of.commitment();
    let long = [&commitment[..], &[0]].concat();
    for len in [0, 31, 33] {
        let case = SigmaCase {
            commitment: hex::encode(&long[..len]),
            ..of.bare(&proof)
        };
        refused.add(of, format!("commitment-length-{len}"), "length", case);
    }
}

/// The group order ℓ, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The field prime p, little-endian.
const PRIME: [u8; 32] = {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    p
};

/// a + times · b, or `None` beyond 256 bits.
fn plus(a: &[u8; 32], b: &[u8; 32], times: u8) -> Option<[u8; 32]> {
    let mut sum = [0; 32];
    let mut carry = 0_u32;
    for i in 0..32 {
        carry += u32::from(a[i]) + u32::from(times) * u32::from(b[i]);
        sum[i] = carry as u8;
        carry >>= 8;
    }
    (carry == 0).then_some(sum)
}

fn encodings(refused: &mut Refused, rng: &mut ChaCha20Rng, of: &Proven) {
    let proof = of.proof();
    let part = |at: usize| -> [u8; 32] {
        let mut part = [0; 32];
        part.copy_from_slice(&proof[at..at + 32]);
        part
    };
    for (name, at) in [("s", 32), ("r", 64)] {
        for times in [1, 2, 7] {
            if let Some(other) = plus(&part(at), &ORDER, times) {
                let mut bytes = proof;
                bytes[at..at + 32].copy_from_slice(&other);
                let name = format!("response-{name}-plus-{times}l");
                refused.proof(of, name, "scalar_encoding", &bytes);
            }
        }
        for (what, value) in [("equals-l", ORDER), ("all-ff", [0xff; 32])] {
            let mut bytes = proof;
            bytes[at..at + 32].copy_from_slice(&value);
            let name = format!("response-{name}-{what}");
            refused.proof(of, name, "scalar_encoding", &bytes);
        }
        let mut bytes = proof;
        bytes[at + 31] |= 0x80;
        let name = format!("response-{name}-high-bit");
        refused.proof(of, name, "scalar_encoding", &bytes);
    }

    // An even field element that is no encoding.
    let no_element = loop {
        let mut bytes: [u8; 32] = random(rng);
        bytes[0] &= 0xfe;
        bytes[31] &= 0x7f;
        if twofapi_crypto_core::Commitment::from_bytes(&bytes).is_err() {
            break bytes;
        }
    };
    for (what, element) in [
        ("announcement", of.announcement()),
        ("commitment", of.commitment()),
    ] {
        let mut negative = PRIME;
        let mut borrow = 0_i32;
        for i in 0..32 {
            borrow += i32::from(PRIME[i]) - i32::from(element[i]);
            negative[i] = borrow as u8;
            borrow >>= 8;
        }
        let mut high_bit = element;
        high_bit[31] |= 0x80;
        let mut one = [0; 32];
        one[0] = 1;
        let mut two = [0; 32];
        two[0] = 2;
        let bad = [
            ("negative", Some(negative)),
            ("plus-p", plus(&element, &PRIME, 1)),
            ("high-bit", Some(high_bit)),
            ("equals-p", Some(PRIME)),
            ("one-plus-p", plus(&one, &PRIME, 1)),
            ("two-plus-p", plus(&two, &PRIME, 1)),
            ("all-ff", Some([0xff; 32])),
            ("no-element", Some(no_element)),
        ];
        for (how, bytes) in bad {
            let Some(bytes) = bytes else { continue };
            let mut case = of.bare(&proof);
            if what == "commitment" {
                case.commitment = hex::encode(bytes);
            } else {
                case.proof = hex::encode([&bytes[..], &proof[32..]].concat());
            }
            refused.add(of, format!("{what}-{how}"), "point_encoding", case);
        }
    }
    for byte in (0..96).step_by(3) {
        let mut bytes = proof;
        bytes[byte] ^= 1 << (byte % 8);
        refused.proof(of, format!("bit-flip-byte-{byte}"), "any", &bytes);
    }
}

/// Identity and zero, with equations that hold.
fn degenerate(refused: &mut Refused, of: &Proven) {
    let identity = of.proving(|p| (p.k_s, p.k_r) = (Scalar::ZERO, Scalar::ZERO));
    let case = identity.bare(&identity.proof());
    refused.add(of, "identity-announcement-valid-equation", "identity", case);

    let identity = of.proving(|p| (p.secret, p.blinding) = (Scalar::ZERO, Scalar::ZERO));
    let case = identity.bare(&identity.proof());
    refused.add(of, "identity-commitment-valid-equation", "identity", case);

    // With s = k_s = 0 the response z_s is zero for every challenge, and C = r·H is an element.
    for which in ["s", "r"] {
        let zero = of.proving(|p| {
            if which == "s" {
                (p.secret, p.k_s) = (Scalar::ZERO, Scalar::ZERO);
            } else {
                (p.blinding, p.k_r) = (Scalar::ZERO, Scalar::ZERO);
            }
        });
        let case = zero.bare(&zero.proof());
        let name = format!("zero-response-{which}-valid-equation");
        refused.add(of, name, "zero_response", case);
    }
}

/// A proof that holds for a statement other than the one it is shown for.
fn other_statements(refused: &mut Refused, rng: &mut ChaCha20Rng, of: &Proven) {
    let proof = of.proof();
    let shown = |change: &dyn Fn(&mut SigmaCase)| {
        let mut case = of.bare(&proof);
        change(&mut case);
        case
    };
    let cases: [(&str, SigmaCase); 13] = [
        (
            "other-client",
            shown(&|c| c.client_id = "bob@example.com".into()),
        ),
        (
            "client-case",
            shown(&|c| c.client_id = "Alice@example.com".into()),
        ),
        ("client-longer", shown(&|c| c.client_id.push('x'))),
        ("other-nonce", shown(&|c| c.nonce = hex::encode([9; 16]))),
        ("nonce-longer", shown(&|c| c.nonce.push_str("00"))),
        (
            "other-audience",
            shown(&|c| c.channel_binding = hex::encode(b"aud:https://api.example.org")),
        ),
        (
            "audience-as-prefix",
            shown(&|c| {
                c.channel_binding = hex::encode(b"aud:https://api.example.com.evil.example")
            }),
        ),
        ("binding-removed", shown(&|c| c.channel_binding.clear())),
        (
            "binding-with-exporter",
            shown(&|c| c.channel_binding = hex::encode([AUDIENCE, &lp(&[1; 32])].concat())),
        ),
        (
            "field-boundary-client-nonce",
            shown(&|c| {
                c.client_id.push('x');
                c.nonce = hex::encode([&of.nonce[1..], &[0]].concat());
            }),
        ),
        (
            "field-boundary-nonce-binding",
            shown(&|c| {
                c.nonce.push_str(&hex::encode(&AUDIENCE[..1]));
                c.channel_binding = hex::encode(&AUDIENCE[1..]);
            }),
        ),
        (
            "commitment-is-generator-G",
            shown(&|c| c.commitment = hex::encode(GENERATOR_G)),
        ),
        (
            "commitment-is-announcement",
            shown(&|c| c.commitment = hex::encode(of.announcement())),
        ),
    ];
    for (name, case) in cases {
        refused.add(of, name, "equation", case);
    }
    let other = commit(&scalar(rng), &scalar(rng)).compress().to_bytes();
    let case = shown(&|c| c.commitment = hex::encode(other));
    refused.add(of, "other-commitment", "equation", case);
}

/// Values that a syntax or a size refuses, with equations that hold.
fn out_of_range(refused: &mut Refused, of: &Proven) {
    for len in [0, 1, 8, 15, 65, 128] {
        let other = of.proving(|p| p.nonce = vec![7; len]);
        let name = format!("nonce-length-{len}-valid-equation");
        refused.add(of, name, "nonce_length", other.bare(&other.proof()));
    }
    let other = of.proving(|p| p.binding = vec![b'x'; 1025]);
    let case = other.bare(&other.proof());
    refused.add(of, "binding-length-1025-valid-equation", "binding", case);
    let too_long = "x".repeat(129);
    for (name, client_id) in [
        ("empty", ""),
        ("too-long", &too_long),
        ("blank", "al ice"),
        ("colon", "al:ice"),
        ("brace", "{alice}"),
        ("nul", "alice\0"),
        ("newline", "alice\n"),
        ("not-ascii", "alicé"),
        ("slash", "../alice"),
        ("leading-dot", ".alice"),
        ("leading-dash", "-alice"),
        ("two-dots", "a..b"),
        ("reserved", "2fapi-admin"),
        ("reserved-in-capitals", "TWOFAPI"),
    ] {
        let other = of.proving(|p| p.client_id = client_id.into());
        let name = format!("client-id-{name}-valid-equation");
        refused.add(of, name, "client_id", other.bare(&other.proof()));
    }
}

/// What a prover could forge if the transcript were hashed less strictly.
fn weak_transcripts(refused: &mut Refused, of: &Proven) {
    let fields = of.fields();
    let with = |lengths: &dyn Fn(&[u8]) -> Vec<u8>| -> Vec<u8> {
        fields.iter().flat_map(|field| lengths(field)).collect()
    };
    let mut weak = |name: &str, c: Scalar| {
        refused.proof(of, format!("weak-{name}"), "equation", &of.proof_for(&c));
    };
    let names = ["suite", "G", "H", "C", "A", "client", "nonce", "binding"];
    for (i, name) in names.into_iter().enumerate() {
        weak(&format!("without-{name}"), hash(&of.transcript_without(i)));
    }
    let little = |f: &[u8]| [&(f.len() as u32).to_le_bytes()[..], f].concat();
    let short = |f: &[u8]| [&(f.len() as u16).to_be_bytes()[..], f].concat();
    let none = |f: &[u8]| f.to_vec();
    weak("little-endian-lengths", hash(&with(&little)));
    weak("two-byte-lengths", hash(&with(&short)));
    weak("no-lengths", hash(&with(&none)));
    let whole = with(&lp);
    let no_dst: [u8; 64] = Sha512::digest(&whole).into();
    weak("no-dst", Scalar::from_bytes_mod_order_wide(&no_dst));
    let digest: [u8; 64] = Sha512::new_with_prefix(TRANSCRIPT_DST)
        .chain_update(&whole)
        .finalize()
        .into();
    let mut big_endian = digest;
    big_endian.reverse();
    weak(
        "big-endian-digest",
        Scalar::from_bytes_mod_order_wide(&big_endian),
    );
    let mut half = [0; 32];
    half.copy_from_slice(&digest[..32]);
    weak("half-digest", Scalar::from_bytes_mod_order(half));
    weak("negated-challenge", -hash(&whole));
}

/// Proofs by somebody who does not know the secret.
fn forgeries(refused: &mut Refused, rng: &mut ChaCha20Rng, of: &Proven) {
    let (g, h) = generators();
    let proof = of.proof();
    let c = hash(&of.transcript());
    let (z_s, z_r) = (of.k_s + c * of.secret, of.k_r + c * of.blinding);
    for (name, s, r) in [
        ("swapped-responses", z_r, z_s),
        ("negated-responses", -z_s, -z_r),
        ("response-s-plus-one", z_s + Scalar::ONE, z_r),
        ("response-r-plus-one", z_s, z_r + Scalar::ONE),
    ] {
        refused.proof(of, name, "equation", &join(&proof[..32], &s, &r));
    }
    for (name, secret, blinding) in [
        ("proof-of-other-secret", scalar(rng), of.blinding),
        ("proof-of-other-blinding", of.secret, scalar(rng)),
        ("proof-of-swapped-secrets", of.blinding, of.secret),
    ] {
        let responses = join(
            &proof[..32],
            &(of.k_s + c * secret),
            &(of.k_r + c * blinding),
        );
        refused.proof(of, name, "equation", &responses);
    }
    // If A were not hashed: choose the responses, and A = z_s·G + z_r·H − c·C to fit.
    let commitment = commit(&of.secret, &of.blinding);
    let (s, r) = (scalar(rng), scalar(rng));
    let blind = hash(&of.transcript_without(ANNOUNCEMENT));
    let fitting: RistrettoPoint = g * s + h * r - commitment * blind;
    let forged = join(fitting.compress().as_bytes(), &s, &r);
    let name = "forged-if-announcement-not-hashed";
    refused.proof(of, name, "equation", &forged);
    // If C were not hashed: choose A and the responses, and C = (z_s·G + z_r·H − A)/c to fit.
    let blind = hash(&of.transcript_without(COMMITMENT));
    let fitting = (g * s + h * r - commit(&of.k_s, &of.k_r)) * blind.invert();
    let case = SigmaCase {
        commitment: hex::encode(fitting.compress().as_bytes()),
        ..of.bare(&join(&proof[..32], &s, &r))
    };
    let name = "forged-if-commitment-not-hashed";
    refused.add(of, name, "equation", case);
    // A neighbour of the commitment, C + G, with the response shifted accordingly.
    let related = commitment + g;
    let case = SigmaCase {
        commitment: hex::encode(related.compress().as_bytes()),
        ..of.bare(&join(&proof[..32], &(z_s + c), &z_r))
    };
    refused.add(of, "related-commitment", "equation", case);
}

fn purposes(
    refused: &mut Refused,
    rng: &mut ChaCha20Rng,
    authentication: &Proven,
    enrolment: &Proven,
    rotation: &Proven,
) {
    let shown_as = |proven: &Proven, purpose: &Proven| SigmaCase {
        commitment: hex::encode(proven.commitment()),
        ..purpose.bare(&proven.proof())
    };
    for (name, proven, purpose) in [
        ("enrolment-as-authentication", enrolment, authentication),
        ("enrolment-as-rotation", enrolment, rotation),
        ("authentication-as-enrolment", authentication, enrolment),
        ("authentication-as-rotation", authentication, rotation),
        ("rotation-as-authentication", rotation, authentication),
        ("rotation-as-enrolment", rotation, enrolment),
    ] {
        refused.add(proven, name, "equation", shown_as(proven, purpose));
    }
    let new = commit(&scalar(rng), &scalar(rng)).compress().to_bytes();
    let to_other = [b"rotation:", &new[..], AUDIENCE].concat();
    let case = SigmaCase {
        channel_binding: hex::encode(to_other),
        ..rotation.bare(&rotation.proof())
    };
    refused.add(rotation, "rotation-to-another-commitment", "equation", case);

    // Purposes that no host has, with equations that hold.
    type Change<'a> = &'a dyn Fn(&mut Proven);
    let cases: [(&str, &Proven, &str, Change<'_>); 7] = [
        (
            "authentication-bound-to-enrollment",
            authentication,
            "binding",
            &|p| p.binding = b"enrollment".to_vec(),
        ),
        (
            "authentication-bound-to-rotation",
            authentication,
            "binding",
            &|p| p.binding = b"rotation:".to_vec(),
        ),
        ("rotation-to-31-bytes", rotation, "binding", &|p| {
            p.binding.truncate(9 + 31)
        }),
        ("rotation-binding-984", rotation, "binding", &|p| {
            p.binding.resize(9 + 32 + 984, b'x')
        }),
        ("rotation-to-the-identity", rotation, "identity", &|p| {
            p.binding[9..41].fill(0)
        }),
        ("rotation-within-rotation", rotation, "binding", &|p| {
            p.binding.splice(41..41, *b"rotation:").for_each(drop)
        }),
        (
            "enrolment-with-a-binding",
            enrolment,
            "nonce_length",
            &|p| p.binding.push(b'!'),
        ),
    ];
    for (name, of, reason, change) in cases {
        let other = of.proving(change);
        let name = format!("{name}-valid-equation");
        refused.add(of, name, reason, other.bare(&other.proof()));
    }
}

fn challenge() -> ChallengeFile {
    let rng = &mut rng("challenge");
    let ttl = ChallengeTtl::default();
    let (mut live, mut refused) = (Vec::new(), Vec::new());
    for (client, issued_at) in [
        ("alice@example.com", 1_795_000_000_u64),
        ("a", 1),
        (LONGEST, 4_294_967_000),
        ("0190f3a1-7c2e-7b40-9d55-2f6f0c1a77aa", 2_147_483_647),
    ] {
        let key: [u8; 32] = random(rng);
        let Ok(client_id) = ClientId::parse(client) else {
            continue;
        };
        let challenge_key = ChallengeKey::from_bytes(key);
        let Ok(issued) = challenge_key.issue(&client_id, issued_at, ttl, rng) else {
            continue;
        };
        let at = |name: &str, now: u64| ChallengeCase {
            name: format!("{name}-at-{issued_at}"),
            challenge_key: hex::encode(key),
            client_id: client.into(),
            challenge_id: issued.id.to_string(),
            now,
            nonce: None,
        };
        let expiry = u64::from(issued.id.expires_at());
        for (name, now) in [
            ("just-issued", issued_at),
            ("half-way", issued_at + 60),
            ("last-second", expiry - 1),
        ] {
            live.push(ChallengeCase {
                nonce: Some(hex::encode(issued.nonce.as_bytes())),
                ..at(name, now)
            });
        }
        for (name, now) in [
            ("expired", expiry),
            ("a-second-late", expiry + 1),
            ("long-expired", expiry + 86_400),
            ("clock-of-the-future", u64::MAX),
            ("not-issued-yet", issued_at - 1),
            ("clock-of-1970", 0),
        ] {
            refused.push(at(name, now));
        }
        let text = issued.id.to_string();
        for (name, id) in [
            ("no-prefix", text[3..].to_owned()),
            ("prefix-in-capitals", text.replace("ch-", "CH-")),
            (
                "digits-in-capitals",
                format!("ch-{}", text[3..].to_uppercase()),
            ),
            ("too-short", text[..26].to_owned()),
            ("too-long", format!("{text}0")),
            ("not-hex", format!("{}g", &text[..26])),
            ("empty", String::new()),
            ("leading-blank", format!(" {text}")),
            ("trailing-newline", format!("{text}\n")),
            ("with-client", format!("{text}.{client}")),
            ("not-ascii", format!("{}é", &text[..25])),
        ] {
            // The digits of some ids have no letters, which capitals would leave as they are.
            if id != text {
                refused.push(ChallengeCase {
                    challenge_id: id,
                    ..at(&format!("id-{name}"), issued_at)
                });
            }
        }
    }
    ChallengeFile {
        suite: ChallengeFile::SUITE.into(),
        ttl: ttl.seconds(),
        live,
        refused,
    }
}

fn client_ids() -> ClientIdFile {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    let mut invalid: Vec<String> = texts(&[
        "",
        ".",
        "-",
        "_",
        "@",
        "+",
        ".a",
        "-a",
        "_a",
        "@a",
        "+a",
        "a..b",
        "a..",
        "a b",
        " a",
        "a ",
        "a\t",
        "a\n",
        "a\r\n",
        "\u{0}",
        "a\u{0}b",
        "a:b",
        "{a}",
        "a{b",
        "a}",
        "a/b",
        "../a",
        "a\\b",
        "a'b",
        "a\"b",
        "a;b",
        "a,b",
        "a%41",
        "a#b",
        "a?b",
        "a*",
        "a(b)",
        "a[b]",
        "a<b>",
        "a|b",
        "a&b",
        "a=b",
        "a!b",
        "a$b",
        "a~b",
        "a^b",
        "a`b",
        "é",
        "aé",
        "Ａlice",
        "аlice",
        "a\u{200b}b",
        "a\u{202e}b",
        "🔑",
        "2fapi",
        "2FAPI",
        "2fApI",
        "2fapi-admin",
        "2fapi.x",
        "2fapi1",
        "twofapi",
        "TwoFApi",
        "TWOFAPI_admin",
        "twofapi@example.com",
    ]);
    invalid.push("x".repeat(129));
    invalid.push("x".repeat(1 << 16));
    ClientIdFile {
        suite: ClientIdFile::SUITE.into(),
        valid: texts(&[
            "a",
            "Z",
            "0",
            "9",
            "alice",
            "Alice",
            "my-service",
            "svc_1.prod",
            "alice@example.com",
            "user+tag@example.com",
            "0190f3a1-7c2e-7b40-9d55-2f6f0c1a77aa",
            "a.b.c",
            "a.",
            "a-",
            "a_",
            "a@",
            "a+",
            "a@@b",
            "a--b",
            "my2fapi",
            "2fap",
            "2fa.pi",
            "two-fapi",
            "twofap",
            LONGEST,
        ]),
        invalid,
    }
}

/// Scalars hashed here by themselves, so that the core is compared with something.
fn restored(name: impl Into<String>, entropy: &[u8; 32], phrase: String) -> RecoveryCase {
    let half = |label: &str| {
        let digest = Sha512::new_with_prefix(RecoveryFile::SUITE)
            .chain_update(label)
            .chain_update(entropy);
        Scalar::from_bytes_mod_order_wide(&digest.finalize().into())
    };
    let (secret, blinding) = (half("s"), half("r"));
    RecoveryCase {
        name: name.into(),
        phrase,
        entropy: hex::encode(entropy),
        secret: hex::encode(secret.as_bytes()),
        blinding: hex::encode(blinding.as_bytes()),
        commitment: hex::encode(commit(&secret, &blinding).compress().as_bytes()),
    }
}

fn recovery_phrases() -> RecoveryFile {
    let rng = &mut rng("recovery phrases");
    let phrase = |entropy: &[u8; 32]| RecoveryPhrase::from_entropy(*entropy).words().to_string();
    let mut valid: Vec<_> = [0x00, 0x7f, 0x80, 0xff]
        .map(|byte| {
            let entropy = [byte; 32];
            restored(format!("all-{byte:02x}"), &entropy, phrase(&entropy))
        })
        .into();
    valid.extend((0..12).map(|i| {
        let entropy = random(rng);
        restored(format!("random-{i}"), &entropy, phrase(&entropy))
    }));
    let entropy = random(rng);
    let good = phrase(&entropy);
    let typed = good.to_uppercase().replace(' ', "\n\t  ");
    valid.push(restored(
        "in-capitals-and-lines",
        &entropy,
        format!("  {typed} "),
    ));

    let words: Vec<&str> = good.split(' ').collect();
    let replaced = |at: usize, word: &str| {
        let mut words = words.clone();
        words[at] = word;
        words.join(" ")
    };
    let short = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                 abandon about";
    let invalid = [
        ("empty", "no words", String::new()),
        ("23-words", "a word is missing", words[1..].join(" ")),
        (
            "25-words",
            "a word too many",
            format!("{good} {}", words[0]),
        ),
        ("12-words", "a phrase of BIP-39, of 16 bytes", short.into()),
        ("twice", "two phrases", format!("{good} {good}")),
        ("all-abandon", "checksum", ["abandon"; 24].join(" ")),
        (
            "last-word-another",
            "checksum",
            replaced(23, if words[23] == "zoo" { "zone" } else { "zoo" }),
        ),
        (
            "no-word-of-the-list",
            "a word that is not of the list",
            replaced(3, "passphrase"),
        ),
        (
            "a-word-abbreviated",
            "a word that is not of the list",
            replaced(3, "aban"),
        ),
        (
            "of-another-list",
            "a word of the Spanish list",
            replaced(0, "\u{e1}baco"),
        ),
        ("joined-by-hyphens", "one word", good.replace(' ', "-")),
        (
            "digits",
            "words that are not of the list",
            ["1"; 24].join(" "),
        ),
    ];
    RecoveryFile {
        suite: RecoveryFile::SUITE.into(),
        recovery_dst: Some(RecoveryFile::SUITE.into()),
        valid,
        invalid: invalid
            .map(|(name, reason, phrase)| NoPhrase {
                name: name.into(),
                reason: reason.into(),
                phrase,
            })
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use std::{collections::HashSet, fs, path::Path};
    use twofapi_crypto_core::curve25519_dalek::ristretto::CompressedRistretto;

    fn directory() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors"))
    }

    #[test]
    fn generating_gives_the_files_that_are_checked_in() {
        for (name, text) in files() {
            let checked_in = fs::read_to_string(directory().join(name)).unwrap_or_default();
            assert!(checked_in == text, "{name} is not what generating gives");
        }
    }

    #[test]
    fn every_vector_file_agrees() {
        let mut seen = 0;
        for entry in fs::read_dir(directory()).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let report = check(&fs::read_to_string(&path).unwrap()).unwrap();
                assert_eq!(report.disagreements, [], "{}", path.display());
                assert!(report.accepted > 0 && report.rejected > 0);
                seen += 1;
            }
        }
        assert_eq!(seen, 6);
    }

    #[test]
    fn every_refused_proof_names_an_accepted_one_that_it_was_made_from() {
        let file = sigma();
        let accepted: HashSet<_> = file.accepted.iter().map(|case| &case.name).collect();
        let mut names = HashSet::new();
        for case in &file.rejected {
            assert!(
                accepted.contains(case.of.as_ref().unwrap()),
                "{}",
                case.name
            );
            assert!(names.insert(&case.name), "{} is there twice", case.name);
            let good = file
                .accepted
                .iter()
                .find(|c| Some(&c.name) == case.of.as_ref());
            let good = good.unwrap();
            let shown = |c: &SigmaCase| {
                let SigmaCase {
                    client_id,
                    nonce,
                    channel_binding,
                    commitment,
                    proof,
                    ..
                } = c.clone();
                [client_id, nonce, channel_binding, commitment, proof]
            };
            assert_ne!(
                shown(case),
                shown(good),
                "{} is its own original",
                case.name
            );
        }
    }

    /// Looks at the equation and at nothing else: no size, no range, no purpose. A field may be left
    /// out of the hash.
    fn lax_equation_holds(case: &SigmaCase, left_out: Option<usize>) -> bool {
        let bytes = |digits: &String| hex::decode(digits).unwrap();
        let (commitment, proof) = (bytes(&case.commitment), bytes(&case.proof));
        let fields = [
            SUITE.to_vec(),
            GENERATOR_G.to_vec(),
            GENERATOR_H.to_vec(),
            commitment.clone(),
            proof[..32].to_vec(),
            case.client_id.clone().into_bytes(),
            bytes(&case.nonce),
            bytes(&case.channel_binding),
        ];
        let kept = fields
            .iter()
            .enumerate()
            .filter(|(i, _)| Some(*i) != left_out);
        let c = hash(&kept.flat_map(|(_, field)| lp(field)).collect::<Vec<_>>());
        let point = |bytes: &[u8]| {
            CompressedRistretto::from_slice(bytes)
                .unwrap()
                .decompress()
                .unwrap()
        };
        let scalar = |bytes: &[u8]| Scalar::from_bytes_mod_order(bytes.try_into().unwrap());
        let (g, h) = generators();
        g * scalar(&proof[32..64]) + h * scalar(&proof[64..])
            == point(&proof[..32]) + point(&commitment) * c
    }

    #[test]
    fn equations_hold_where_a_name_says_so_and_nowhere_else() {
        let mut seen = [0; 3];
        for case in &sigma().rejected {
            let name = case.name.as_str();
            let forged = [
                ("forged-if-announcement-not-hashed", ANNOUNCEMENT),
                ("forged-if-commitment-not-hashed", COMMITMENT),
            ];
            if let Some((_, field)) = forged.into_iter().find(|(forged, _)| *forged == name) {
                assert!(lax_equation_holds(case, Some(field)), "{name}");
                seen[0] += 1;
            }
            if name.ends_with("-valid-equation") {
                assert!(lax_equation_holds(case, None), "{name}");
                seen[1] += 1;
            } else if case.reason.as_deref() == Some("equation") {
                assert!(!lax_equation_holds(case, None), "{name}");
                seen[2] += 1;
            }
        }
        assert!(seen[0] == 2 && seen[1] > 30 && seen[2] > 40, "{seen:?}");
    }
}
