//! The gate: what it accepts, and everything that it refuses.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use p256::ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner as _};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::*;
use crate::{
    answer,
    circuit::{F, tests::example},
    field::{Fe, small},
    passkey::{PasskeyPublicKey, PasskeySignature},
    persona::{NullifierKey, PersonaId, Question, Threshold, Tree, salts},
    prove::{KnownAnswers, Login, Prover, Unproven},
};

const PERSONA: PersonaId = PersonaId::from_bytes([9; 16]);

pub(super) fn prover(kind: Kind) -> &'static Prover {
    static HUMAN: OnceLock<Prover> = OnceLock::new();
    static AGENT: OnceLock<Prover> = OnceLock::new();
    match kind {
        Kind::Human => &HUMAN,
        Kind::Agent => &AGENT,
    }
    .get_or_init(|| Prover::new(kind).unwrap())
}

pub(super) fn verifier(kind: Kind) -> &'static Verifier {
    static HUMAN: OnceLock<Verifier> = OnceLock::new();
    static AGENT: OnceLock<Verifier> = OnceLock::new();
    match kind {
        Kind::Human => &HUMAN,
        Kind::Agent => &AGENT,
    }
    .get_or_init(|| Verifier::new(kind).unwrap())
}

/// A persona with its passkey, which has five answers.
pub(super) struct Client {
    key: NullifierKey,
    pub(super) signing: SigningKey,
    passkey: PasskeyPublicKey,
    tree: Tree,
    pub(super) answers: Vec<(Question, Fe)>,
    threshold: Threshold,
}

impl Client {
    pub(super) fn new(seed: u8) -> Self {
        let signing = SigningKey::from_slice(&[seed; 32]).unwrap();
        let point = signing.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        let passkey =
            PasskeyPublicKey::from_coordinates(x.try_into().unwrap(), y.try_into().unwrap());
        let key = NullifierKey::from_element(small(seed));
        let answers: Vec<_> = Question::all()
            .take(5)
            .map(|q| (q, small(40 + q.index())))
            .collect();
        let leaves: Vec<_> = answers
            .iter()
            .zip(salts(&PERSONA))
            .map(|((_, x), salt)| answer::leaf(*x, salt))
            .collect();
        Self {
            tree: Tree::new(&leaves, &key).unwrap(),
            key,
            signing,
            passkey: passkey.unwrap(),
            answers,
            threshold: Threshold::new(3, 5).unwrap(),
        }
    }

    pub(super) fn signature(&self, hash: &[u8; 32]) -> Signature {
        self.signing.sign_prehash(hash).unwrap()
    }

    pub(super) fn login<'a>(
        &'a self,
        kind: Kind,
        hash: [u8; 32],
        signature: &'a PasskeySignature,
        given: &'a [(Question, Fe)],
    ) -> Login<'a> {
        Login {
            challenge: small(77),
            nullifier_key: &self.key,
            passkey: &self.passkey,
            message_hash: hash,
            signature,
            answers: (kind == Kind::Human).then_some(KnownAnswers {
                persona: PERSONA,
                threshold: self.threshold,
                tree: &self.tree,
                given,
            }),
        }
    }

    pub(super) fn read(&self, hash: &[u8; 32], signature: &Signature) -> PasskeySignature {
        self.passkey
            .signature(hash, signature.to_der().as_bytes())
            .unwrap()
    }
}

pub(super) const HASH: [u8; 32] = [0xc4; 32];

/// One accepted login of each kind, for all tests that change something of it.
pub(super) fn accepted(kind: Kind) -> &'static (Statement, Vec<u8>) {
    static HUMAN: OnceLock<(Statement, Vec<u8>)> = OnceLock::new();
    static AGENT: OnceLock<(Statement, Vec<u8>)> = OnceLock::new();
    match kind {
        Kind::Human => &HUMAN,
        Kind::Agent => &AGENT,
    }
    .get_or_init(|| {
        let client = Client::new(3);
        let signature = client.read(&HASH, &client.signature(&HASH));
        // The second, fourth and fifth answer.
        let given = [1, 3, 4].map(|i| client.answers[i]);
        let login = client.login(kind, HASH, &signature, &given);
        (login.statement(), prover(kind).prove(&login).unwrap())
    })
}

#[test]
fn a_login_of_either_kind_is_proven_and_accepted() {
    for (kind, len) in [
        (Kind::Human, HUMAN_PROOF_LEN),
        (Kind::Agent, AGENT_PROOF_LEN),
    ] {
        let (statement, proof) = accepted(kind);
        assert_eq!(proof.len(), len);
        assert_eq!(verifier(kind).verify(statement, proof), Ok(()));
    }
}

#[test]
fn two_proofs_of_one_login_have_nothing_in_common() {
    let client = Client::new(3);
    let signature = client.read(&HASH, &client.signature(&HASH));
    let login = client.login(Kind::Agent, HASH, &signature, &[]);
    let (_, first) = accepted(Kind::Agent);
    let second = prover(Kind::Agent).prove(&login).unwrap();
    assert_eq!(
        verifier(Kind::Agent).verify(&login.statement(), &second),
        Ok(())
    );
    let elements = Shape::of(Kind::Agent).elements();
    let of = |proof: &[u8], (at, len): (usize, usize)| proof[at..at + len].to_vec();
    let same: Vec<_> = elements
        .into_iter()
        .enumerate()
        .filter(|(_, place)| of(first, *place) == of(&second, *place))
        .map(|(i, place)| (i, hex::encode(of(first, place))))
        .collect();
    // What the first message of the sum-check over the folded constraints is at nought, where all of them
    // hold: nothing, in every proof.
    assert_eq!(same, [(143, "00".repeat(32))]);
}

#[test]
fn a_statement_with_any_other_public_value_is_refused() {
    for kind in [Kind::Human, Kind::Agent] {
        let (statement, proof) = accepted(kind);
        type Change = fn(&mut Statement);
        let mut changes: Vec<Change> = vec![
            |s| s.passkey_commitment += Fe::ONE,
            |s| s.challenge += Fe::ONE,
            |s| s.nullifier += Fe::ONE,
            |s| s.message_hash[0] += Fe::ONE,
            |s| s.message_hash[1] += Fe::ONE,
        ];
        if kind == Kind::Human {
            changes.push(|s| s.answers.as_mut().unwrap().root += Fe::ONE);
            changes.push(|s| {
                s.answers.as_mut().unwrap().threshold = Threshold::new(2, 5).unwrap();
            });
            changes.push(|s| {
                s.answers.as_mut().unwrap().threshold = Threshold::new(4, 5).unwrap();
            });
            changes.push(|s| {
                s.answers.as_mut().unwrap().persona = PersonaId::from_bytes([8; 16]);
            });
        }
        for (i, change) in changes.into_iter().enumerate() {
            let mut other = *statement;
            change(&mut other);
            assert_eq!(
                verifier(kind).verify(&other, proof),
                Err(Refused::Proof),
                "{i}"
            );
        }
    }
}

#[test]
fn a_proof_for_one_kind_of_persona_is_none_for_the_other() {
    let (human, proof) = accepted(Kind::Human);
    let (agent, agents_proof) = accepted(Kind::Agent);
    assert_eq!(
        verifier(Kind::Agent).verify(human, proof),
        Err(Refused::Kind)
    );
    assert_eq!(
        verifier(Kind::Human).verify(agent, proof),
        Err(Refused::Kind)
    );
    assert_eq!(
        verifier(Kind::Human).verify(human, agents_proof),
        Err(Refused::Length)
    );
}

#[test]
fn a_proof_of_another_length_is_refused() {
    let (statement, proof) = accepted(Kind::Agent);
    let verify = |proof: &[u8]| verifier(Kind::Agent).verify(statement, proof);
    for len in [
        0,
        1,
        8,
        33,
        proof.len() / 2,
        proof.len() - 33,
        proof.len() - 32,
        proof.len() - 1,
    ] {
        assert_eq!(verify(&proof[..len]), Err(Refused::Length));
    }
    for more in [1, 8, 32, 33, 100_000] {
        let longer = [&proof[..], &vec![0; more]].concat();
        assert_eq!(verify(&longer), Err(Refused::Length));
    }
}

/// Every length and option of the proof system's encoding comes from the circuit. So whoever sends bytes
/// that are not elements sends another length.
#[test]
fn a_proof_is_nothing_but_elements() {
    for kind in [Kind::Human, Kind::Agent] {
        let (statement, proof) = accepted(kind);
        let shape = Shape::of(kind);
        let elements = shape.elements();
        let mut at = 0;
        for (start, len) in elements {
            assert_eq!(start, at);
            at += len;
        }
        assert_eq!(at, proof.len());
        let encoded = shape.fill(proof, &statement.circuit_values()).unwrap();
        let back = shape.strip(&encoded, &statement.circuit_values());
        assert_eq!(back.as_ref(), Some(proof));
        // What stands between the elements is compared as well, byte by byte.
        let other = shape
            .fill(&vec![0xff; proof.len()], &statement.circuit_values())
            .unwrap();
        let fixed = (0..encoded.len()).filter(|i| other[*i] != 0xff);
        let mut checked = 0;
        for i in fixed {
            let mut changed = encoded.clone();
            changed[i] ^= 1;
            assert_eq!(
                shape.strip(&changed, &statement.circuit_values()),
                None,
                "byte {i}"
            );
            checked += 1;
        }
        assert!(checked > 500, "{checked}");
    }
}

/// Changes of elements that keep the length: none is accepted, and none breaks the proof system.
#[test]
fn a_proof_with_any_changed_element_is_refused() {
    let kind = Kind::Agent;
    let (statement, proof) = accepted(kind);
    let elements = Shape::of(kind).elements();
    let mut random = ChaCha20Rng::from_seed([7; 32]);
    let mut pick = |count: usize| (random.next_u64() % count as u64) as usize;
    let refused = |what: &str, changed: &[u8]| {
        assert_ne!(changed, proof);
        let verified = verifier(kind).verify(statement, changed);
        assert!(
            matches!(verified, Err(Refused::Encoding | Refused::Proof)),
            "{what}: {verified:?}"
        );
    };
    for _ in 0..40 {
        let mut changed = proof.clone();
        let bit = pick(proof.len() * 8);
        changed[bit / 8] ^= 1 << (bit % 8);
        refused("a bit", &changed);
    }
    let (points, scalars): (Vec<_>, Vec<_>) = elements.into_iter().partition(|(_, len)| *len == 33);
    for _ in 0..12 {
        let (at, len) = points[pick(points.len())];
        let with = |change: &dyn Fn(&mut [u8])| {
            let mut changed = proof.clone();
            change(&mut changed[at..at + len]);
            changed
        };
        refused("nought for a point", &with(&|point| point.fill(0)));
        refused(
            "the identity",
            &with(&|point| {
                point.fill(0);
                point[0] = 0x40;
            }),
        );
        for flag in [0x80, 0x40, 0x20, 0x01] {
            refused("a flag", &with(&|point| point[0] ^= flag));
            refused("a flag", &with(&|point| point[32] ^= flag));
        }
        let (other, _) = points[pick(points.len())];
        if proof[other..other + len] != proof[at..at + len] {
            let mut changed = proof.clone();
            changed[at..at + len].copy_from_slice(&proof[other..other + len]);
            refused("another point", &changed);
        }
    }
    for _ in 0..20 {
        let (at, len) = scalars[pick(scalars.len())];
        for byte in [0x00, 0xff] {
            let mut changed = proof.clone();
            changed[at..at + len].fill(byte);
            refused("a scalar", &changed);
        }
    }
    refused("nothing but nought", &vec![0; proof.len()]);
    refused("nothing but ones", &vec![0xff; proof.len()]);
}

#[test]
fn a_witness_that_breaks_a_constraint_gives_no_proof_that_is_accepted() {
    let mut circuit = example(Kind::Agent);
    let public = circuit.public.clone().unwrap();
    let statement = |public: &[F]| Statement {
        passkey_commitment: from_circuit(public[0]),
        challenge: from_circuit(public[1]),
        nullifier: from_circuit(public[2]),
        message_hash: [from_circuit(public[3]), from_circuit(public[4])],
        answers: None,
    };
    let honest = prover(Kind::Agent).prove_circuit(&circuit).unwrap();
    assert_eq!(
        verifier(Kind::Agent).verify(&statement(&public), &honest),
        Ok(())
    );
    circuit.public.as_mut().unwrap()[2] += F::from(1);
    let other = statement(circuit.public.as_ref().unwrap());
    if let Ok(proof) = prover(Kind::Agent).prove_circuit(&circuit) {
        assert_eq!(
            verifier(Kind::Agent).verify(&other, &proof),
            Err(Refused::Proof)
        );
    }
}

fn from_circuit(element: F) -> Fe {
    use ff::PrimeField as _;
    let mut bytes: [u8; 32] = element.to_repr().as_ref().try_into().unwrap();
    bytes.reverse();
    crate::field::decode(&bytes).unwrap()
}

#[test]
fn too_few_or_wrong_answers_give_no_proof() {
    let client = Client::new(3);
    let signature = client.read(&HASH, &client.signature(&HASH));
    let prove = |given: &[(Question, Fe)]| {
        prover(Kind::Human).prove(&client.login(Kind::Human, HASH, &signature, given))
    };
    assert_eq!(prove(&[]), Err(Unproven::Answers));
    assert_eq!(prove(&client.answers[..2]), Err(Unproven::Answers));
    let twice = [client.answers[0], client.answers[0], client.answers[1]];
    assert_eq!(prove(&twice), Err(Unproven::Answers));
    let mut wrong = client.answers[..3].to_vec();
    wrong[2].1 += Fe::ONE;
    assert_eq!(prove(&wrong), Err(Unproven::Answers));
    // A wrong one among enough right ones is passed over.
    let mut enough = client.answers[..4].to_vec();
    enough[0].1 += Fe::ONE;
    assert!(prove(&enough).is_ok());
    // The key of somebody else does not go with this tree.
    let other = Client::new(4);
    let mut login = client.login(Kind::Human, HASH, &signature, &client.answers);
    login.nullifier_key = &other.key;
    assert_eq!(prover(Kind::Human).prove(&login), Err(Unproven::Witness));
}

/// A signature can be turned into another one of the same message. Both are good, and both spend the
/// same nullifier.
#[test]
fn the_other_signature_of_a_message_is_as_good_and_spends_the_same() {
    let client = Client::new(3);
    let first = client.signature(&HASH);
    let (r, s) = first.split_scalars();
    let second = Signature::from_scalars(r, -s).unwrap();
    assert_ne!(first, second);
    let [first, second] = [first, second].map(|signature| client.read(&HASH, &signature));
    let [first, second] =
        [&first, &second].map(|signature| client.login(Kind::Agent, HASH, signature, &[]));
    assert_eq!(first.statement(), second.statement());
    let proof = prover(Kind::Agent).prove(&second).unwrap();
    assert_eq!(
        verifier(Kind::Agent).verify(&first.statement(), &proof),
        Ok(())
    );
}

#[test]
fn assertions_of_chromium_are_proven_and_accepted() {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../core/tests/assertions.json")).unwrap();
    // One of each authenticator.
    for assertion in file.as_array().unwrap().iter().step_by(3) {
        let bytes = |name: &str| hex::decode(assertion[name].as_str().unwrap()).unwrap();
        let coordinate = |name: &str| <[u8; 32]>::try_from(bytes(name)).unwrap();
        let client = Client::new(3);
        let passkey =
            PasskeyPublicKey::from_coordinates(&coordinate("x"), &coordinate("y")).unwrap();
        let hash = crate::assertion::message_hash(&bytes("authData"), &bytes("clientData"));
        let signature = passkey.signature(&hash, &bytes("signature")).unwrap();
        let mut login = client.login(Kind::Agent, hash, &signature, &[]);
        login.passkey = &passkey;
        let proof = prover(Kind::Agent).prove(&login).unwrap();
        assert_eq!(
            verifier(Kind::Agent).verify(&login.statement(), &proof),
            Ok(())
        );
    }
}

#[test]
fn hosts_verify_on_threads_of_their_own_and_no_other_thread_is_started() {
    // The keys are there; what is counted is what verifying starts.
    let (statement, proof) = accepted(Kind::Agent);
    let verifier = verifier(Kind::Agent);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                assert_eq!(verifier.verify(statement, proof), Ok(()));
                let inside =
                    on_this_thread(|| (rayon::current_num_threads(), std::thread::current().id()));
                assert_eq!(inside, Ok((1, std::thread::current().id())));
            });
        }
    });
}

#[test]
fn an_unwinding_panic_is_a_refusal() {
    // What `verify` relies on; a program that aborts cannot be built with this feature.
    const { assert!(cfg!(panic = "unwind")) };
    let caught =
        catch_unwind(|| on_this_thread(|| -> () { std::panic::resume_unwind(Box::new(())) }));
    assert!(caught.is_err());
    // The thread can be used afterwards.
    assert_eq!(on_this_thread(|| 7), Ok(7));
}

/// The two ways to ask, and what comes of disagreement: nothing is accepted that one of them refuses.
#[test]
fn both_verifiers_have_to_accept() {
    for kind in [Kind::Human, Kind::Agent] {
        let (statement, proof) = accepted(kind);
        let (verifier, public) = (verifier(kind), statement.circuit_values());
        assert_eq!(verifier.own.verify(&public, proof), Ok(()));
        let mut other = public.clone();
        other[2] += F::from(1);
        assert!(verifier.own.verify(&other, proof).is_err());
        let library = |public: &[F]| on_this_thread(|| verifier.verify_with_library(public, proof));
        assert_eq!(library(&public), Ok(Ok(())));
        assert_eq!(library(&other), Ok(Err(Refused::Proof)));
    }
    let (yes, no) = (Ok(()), Err(Refused::Proof));
    assert_eq!(both(yes, Ok(())), Ok(()));
    assert_eq!(
        both(yes, Err(NotProven("it is not"))),
        Err(Refused::Disagreement)
    );
    assert_eq!(both(no, Ok(())), Err(Refused::Disagreement));
    assert_eq!(both(no, Err(NotProven("it is not"))), no);
}

#[test]
fn nothing_but_the_gate_verifies_with_the_library() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 100, "{}", files.len());
    let with = |words: &str| {
        let mut found: Vec<_> = files
            .iter()
            .filter(|(_, text)| text.contains(words))
            .map(|(path, _)| path.strip_prefix(&root).unwrap().display().to_string())
            .collect();
        found.sort();
        found
    };
    let here = |names: &[&str]| -> Vec<_> {
        names
            .iter()
            .map(|name| format!("factors/knowledge/{name}"))
            .collect()
    };
    // Put together here, so that this file has none of them.
    let dependency = ["spartan", "2 = "].concat();
    assert_eq!(with(&dependency), here(&["Cargo.toml"]));
    let decodes = ["bincode::", "deserialize("].concat();
    assert_eq!(with(&decodes), here(&["src/gate.rs"]));
    let library = ["SpartanZk", "SNARK::<"].concat();
    let users = here(&["src/proof.rs", "src/prove.rs"]);
    assert_eq!(with(&library), users);
    let calls = ["proof.", "verify("].concat();
    let gate = std::fs::read_to_string(root.join("factors/knowledge/src/gate.rs")).unwrap();
    assert_eq!(gate.matches(&calls).count(), 1);
    for other in ["src/proof.rs", "src/prove.rs"] {
        let text = std::fs::read_to_string(root.join("factors/knowledge").join(other)).unwrap();
        assert!(!text.contains(".verify("), "{other}");
    }
}

/// The sources and manifests below a folder.
fn sources(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules"].contains(&&*name) {
                sources(&path, files);
            }
        } else if name.ends_with(".rs") || name == "Cargo.toml" {
            let text = std::fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
}
