//! `crypto-core` beside what developers know: ed25519, ECDSA P-256, and our own verification done the
//! plain way. Criterion gives the times; the ratios come from contenders that take turns in the same
//! run, because this is what a noisy machine can measure.

use std::{fs, hint::black_box, time::Duration};

use criterion::Criterion;
use curve25519_dalek::{Scalar, ristretto::CompressedRistretto};
use ed25519_dalek::{Signer, Verifier};
use p256::ecdsa;
use sha2::{Digest, Sha512};
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, BatchEntry, ClientId, Commitment, Credential, Nonce,
    Proof, TRANSCRIPT_DST, curve25519_dalek, generators, prove, transcript, verify, verify_batch,
};
use twofapi_tests::figures::{Contender, record, take_turns, target_directory};

const ROUNDS: usize = 201;
const TURN: Duration = Duration::from_millis(2);

/// What a host has when a client logs in: bytes, and what they have to be about.
struct Login {
    client_id: ClientId,
    nonce: Nonce,
    binding: AuthenticationBinding,
    credential: Credential,
    commitment: [u8; 32],
    proof: [u8; 96],
}

impl Login {
    fn new(n: usize) -> Self {
        let client_id = ClientId::parse(&format!("client-{n}")).expect("well-formed");
        let nonce = Nonce::from_bytes(&[n as u8; 16]).expect("16 bytes");
        let audience = "https://api.example.com".parse().expect("an audience");
        let binding = AuthenticationBinding::for_audience(&audience);
        let rng = &mut getrandom::SysRng;
        let credential = Credential::generate(rng).expect("randomness");
        let statement = Authentication {
            client_id: &client_id,
            nonce: &nonce,
            binding: &binding,
        };
        let proof = prove(&credential, &statement, rng)
            .expect("randomness")
            .to_bytes();
        Self {
            commitment: credential.commitment().to_bytes(),
            client_id,
            nonce,
            binding,
            credential,
            proof,
        }
    }

    fn statement(&self) -> Authentication<'_> {
        Authentication {
            client_id: &self.client_id,
            nonce: &self.nonce,
            binding: &self.binding,
        }
    }

    fn verify(&self) {
        let commitment = Commitment::from_bytes(black_box(&self.commitment)).expect("canonical");
        self.verify_with(&commitment);
    }

    fn verify_with(&self, commitment: &Commitment) {
        let proof = Proof::from_bytes(black_box(&self.proof)).expect("canonical");
        verify(commitment, &self.statement(), &proof).expect("accepted");
    }

    fn prove(&self) {
        let proof = prove(&self.credential, &self.statement(), &mut getrandom::SysRng);
        black_box(proof.expect("randomness").to_bytes());
    }

    /// Decompress everything, two multiplications, compress both sides, compare.
    fn verify_plainly(&self) {
        let point = |bytes: &[u8]| {
            CompressedRistretto::from_slice(black_box(bytes))
                .expect("32 bytes")
                .decompress()
                .expect("canonical")
        };
        let scalar = |bytes: &[u8]| -> Scalar {
            let bytes = black_box(bytes).try_into().expect("32 bytes");
            Option::from(Scalar::from_canonical_bytes(bytes)).expect("canonical")
        };
        let (g, h) = generators();
        let (a, c_point) = (point(&self.proof[..32]), point(&self.commitment));
        let (z_s, z_r) = (scalar(&self.proof[32..64]), scalar(&self.proof[64..]));
        let announcement = self.proof[..32].try_into().expect("32 bytes");
        let text = transcript(&self.commitment, announcement, &self.statement());
        let digest = Sha512::new_with_prefix(TRANSCRIPT_DST).chain_update(&text);
        let c = Scalar::from_bytes_mod_order_wide(&digest.finalize().into());
        let (left, right) = (g * z_s + h * z_r, a + c_point * c);
        assert!(left.compress() == right.compress());
    }
}

fn verify_many(logins: &[Login]) {
    let decoded: Vec<_> = logins
        .iter()
        .map(|login| {
            let commitment = Commitment::from_bytes(black_box(&login.commitment));
            let proof = Proof::from_bytes(black_box(&login.proof));
            (commitment.expect("canonical"), proof.expect("canonical"))
        })
        .collect();
    let statements: Vec<_> = logins.iter().map(Login::statement).collect();
    let entries: Vec<_> = decoded
        .iter()
        .zip(&statements)
        .map(|((commitment, proof), statement)| BatchEntry {
            commitment,
            statement,
            proof,
        })
        .collect();
    let answers = verify_batch(&entries, &mut getrandom::SysRng).expect("randomness");
    assert!(answers.iter().all(Result::is_ok));
}

fn main() {
    let logins: Vec<_> = (0..1024).map(Login::new).collect();
    let login = &logins[0];
    let decoded = Commitment::from_bytes(&login.commitment).expect("canonical");

    // Signatures over as many bytes as the transcript has that a login's proof is about.
    let message = transcript(&login.commitment, &[1; 32], &login.statement());
    let signing = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let (key, signature) = (
        signing.verifying_key().to_bytes(),
        signing.sign(&message).to_bytes(),
    );
    let ed25519 = || {
        let key = ed25519_dalek::VerifyingKey::from_bytes(black_box(&key)).expect("a key");
        let signature = ed25519_dalek::Signature::from_bytes(black_box(&signature));
        (key, signature)
    };
    let p256_signing = ecdsa::SigningKey::from_slice(&[7; 32]).expect("a key");
    let p256_signature: ecdsa::Signature = p256_signing.sign(&message);
    let p256_signature = p256_signature.to_bytes();
    let p256_key = p256_signing.verifying_key().to_sec1_point(true);

    let mut contenders = [
        Contender::new("verify", || login.verify()),
        Contender::new("verify, commitment decoded before", || {
            login.verify_with(&decoded);
        }),
        Contender::new("verify the plain way", || login.verify_plainly()),
        Contender::new("prove", || login.prove()),
        Contender::batch("verify in batches of 8, each", 8, || {
            verify_many(&logins[..8])
        }),
        Contender::batch("verify in batches of 64, each", 64, || {
            verify_many(&logins[..64])
        }),
        Contender::batch("verify in batches of 1024, each", 1024, || {
            verify_many(&logins)
        }),
        Contender::new("ed25519 sign", || {
            black_box(signing.sign(black_box(&message)));
        }),
        Contender::new("ed25519 verify", || {
            let (key, signature) = ed25519();
            key.verify(&message, &signature).expect("accepted");
        }),
        Contender::new("ed25519 verify strictly", || {
            let (key, signature) = ed25519();
            key.verify_strict(&message, &signature).expect("accepted");
        }),
        Contender::new("ECDSA P-256 verify", || {
            let key = ecdsa::VerifyingKey::from_sec1_bytes(black_box(p256_key.as_bytes()));
            let signature = ecdsa::Signature::from_slice(black_box(&p256_signature));
            let (key, signature) = (key.expect("a key"), signature.expect("a signature"));
            key.verify(&message, &signature).expect("accepted");
        }),
    ];

    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for contender in &mut contenders {
        criterion.bench_function(contender.name, |bencher| bencher.iter(&mut contender.work));
    }
    criterion.final_summary();

    let rounds = take_turns(&mut contenders, ROUNDS, TURN);
    let table = rounds.table("ed25519 verify");
    println!("\nmedians of {ROUNDS} rounds in which all took turns:\n{table}");
    let ratio = |of, by| rounds.ratio(of, by);
    let single = "verify";
    record(&[
        (
            "core.verify_vs_ed25519_verify",
            ratio(single, "ed25519 verify"),
        ),
        (
            "core.verify_vs_plain_verify",
            ratio(single, "verify the plain way"),
        ),
        (
            "core.prove_vs_ed25519_verify",
            ratio("prove", "ed25519 verify"),
        ),
        (
            "core.batch8_vs_single",
            ratio("verify in batches of 8, each", single),
        ),
        (
            "core.batch64_vs_single",
            ratio("verify in batches of 64, each", single),
        ),
        (
            "core.batch1024_vs_single",
            ratio("verify in batches of 1024, each", single),
        ),
        (
            "core.verify_vs_p256_verify",
            ratio(single, "ECDSA P-256 verify"),
        ),
        (
            "core.verify_decoded_vs_ed25519_verify",
            ratio("verify, commitment decoded before", "ed25519 verify"),
        ),
    ])
    .expect("the figures can be written");
    let path = target_directory().join("bench-core.txt");
    fs::write(&path, table).expect("the table can be written");
    println!("table: {}", path.display());
    println!(
        "figures: {}",
        target_directory().join("bench.json").display()
    );
}
