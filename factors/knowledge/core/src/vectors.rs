//! Vector files of the suite 2FApi-K1: whether this crate comes to every value that a case gives.

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    answer::{self, STRETCH_LANES, STRETCH_MEMORY_KIB, STRETCH_PASSES, Stretched},
    assertion::{halves, message_hash},
    challenge::{Challenge, Purpose, Replacement},
    field::{Fe, Felt, decode, encode},
    normalise::{NormalisedAnswer, Refused},
    oprf,
    persona::{Kind, NullifierKey, PersonaId, Question, Secret, Threshold, Tree, salts},
    poseidon2::{Bn254Scalar, Instance, Pair, Triple, permute},
};

/// The name of the suite.
pub const SUITE: &str = "2FApi-K1";

/// A vector file.
#[derive(Clone, Debug, Deserialize)]
pub struct VectorFile {
    /// Its cases.
    pub cases: Vec<Case>,
}

/// A case of a file.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// Its name.
    pub name: String,
    #[serde(flatten)]
    values: Values,
}

/// What must come of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Must {
    /// Values that agree.
    Agree,
    /// A refusal.
    BeRefused,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Values {
    Normalise(NormaliseCase),
    Permutation(PermutationCase),
    Hash(HashCase),
    Answer(Box<AnswerCase>),
    Persona(Box<PersonaCase>),
    Nullifier(Box<NullifierCase>),
    Public(Box<PublicCase>),
}

#[derive(Clone, Debug, Deserialize)]
struct NormaliseCase {
    answer: String,
    accepted: bool,
    normalised: Option<String>,
    utf8: Option<String>,
    reason: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct PermutationCase {
    field: String,
    input: [String; 3],
    output: [String; 3],
}

#[derive(Clone, Debug, Deserialize)]
struct HashCase {
    tag: String,
    input: Vec<String>,
    output: String,
}

#[derive(Clone, Debug, Deserialize)]
struct AnswerCase {
    persona: String,
    index: u8,
    answer: String,
    normalised: String,
    provider: String,
    oprf_master: String,
    oprf_key: String,
    oprf_public_key: String,
    oprf_input: String,
    blind: String,
    blinded: String,
    evaluated: String,
    oprf_output: String,
    argon2id: Argon2id,
    stretched: String,
    x: String,
    inner: String,
    salt: String,
    leaf: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Argon2id {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

#[derive(Clone, Debug, Deserialize)]
struct PublicKey {
    x: String,
    y: String,
}

#[derive(Clone, Debug, Deserialize)]
struct PersonaCase {
    r#type: String,
    persona: String,
    secret: String,
    nullifier_key: String,
    public_key: PublicKey,
    n: Option<u8>,
    k: Option<u8>,
    x: Option<Vec<String>>,
    salts: Option<Vec<String>>,
    leaves: Option<Vec<String>>,
    nodes: Option<Vec<Vec<String>>>,
    root: Option<String>,
    passkey_commitment: String,
}

#[derive(Clone, Debug, Deserialize)]
struct ChallengeValues {
    audience: String,
    provider: String,
    rp_id: String,
    persona: String,
    purpose: String,
    kind: String,
    k: u8,
    n: u8,
    nonce: String,
    expires_at: u64,
    new_root: Option<String>,
    new_passkey_commitment: Option<String>,
    new_k: Option<u8>,
    new_n: Option<u8>,
}

#[derive(Clone, Debug, Deserialize)]
struct NullifierCase {
    challenge: ChallengeValues,
    message: String,
    digest: String,
    webauthn_challenge: String,
    challenge_field: String,
    nullifier_key: String,
    nullifier: String,
}

#[derive(Clone, Debug, Deserialize)]
struct PublicCase {
    challenge: ChallengeValues,
    client_data_json: String,
    authenticator_data: String,
    message_hash: String,
    nullifier_key: String,
    public_key: PublicKey,
    root: Option<String>,
    public_inputs: Vec<String>,
}

impl Case {
    /// What must come of it.
    #[must_use]
    pub fn must(&self) -> Must {
        match &self.values {
            Values::Normalise(case) if !case.accepted => Must::BeRefused,
            _ => Must::Agree,
        }
    }

    /// Whether it comes of it.
    ///
    /// # Errors
    /// What does not agree.
    pub fn check(&self) -> Result<(), String> {
        match &self.values {
            Values::Normalise(case) => case.check(),
            Values::Permutation(case) => match case.field.as_str() {
                "p256" => case.check::<crate::field::P256Base>(),
                "bn254" => case.check::<Bn254Scalar>(),
                other => Err(format!("there is no field {other}")),
            },
            Values::Hash(case) => case.check(),
            Values::Answer(case) => case.check(),
            Values::Persona(case) => case.check(),
            Values::Nullifier(case) => case.check(),
            Values::Public(case) => case.check(),
        }
    }
}

impl NormaliseCase {
    fn check(&self) -> Result<(), String> {
        match (NormalisedAnswer::of(&self.answer), self.accepted) {
            (Ok(ours), true) => {
                if let Some(theirs) = &self.normalised {
                    agree("normalised", theirs, ours.as_str())?;
                }
                if let Some(theirs) = &self.utf8 {
                    agree("utf8", theirs, &hex::encode(ours.as_str()))?;
                }
                Ok(())
            }
            (Err(why), false) => {
                let ours = match why {
                    Refused::Character => "character",
                    Refused::Empty => "empty",
                    Refused::TooLong => "too long",
                };
                agree("reason", self.reason.as_deref().unwrap_or(ours), ours)
            }
            (Ok(_), false) => Err("must be refused, but was accepted".into()),
            (Err(why), true) => Err(format!("must be accepted, but it is refused: {why}")),
        }
    }
}

impl PermutationCase {
    fn check<M: Instance>(&self) -> Result<(), String> {
        let mut state = [Felt::<M>::ZERO; 3];
        for (lane, text) in state.iter_mut().zip(&self.input) {
            *lane = element("input", text)?;
        }
        elements("output", &self.output, &permute(state))
    }
}

impl HashCase {
    fn check(&self) -> Result<(), String> {
        let mut input = Vec::new();
        for text in &self.input {
            input.push(element("input", text)?);
        }
        let pair = Pair::ALL.into_iter().find(|tag| tag.tag() == self.tag);
        let triple = Triple::ALL.into_iter().find(|tag| tag.tag() == self.tag);
        let output = match (pair, triple, &input[..]) {
            (Some(tag), _, &[a, b]) => tag.hash(a, b),
            (_, Some(tag), &[a, b, c]) => tag.hash(a, b, c),
            _ => {
                return Err(format!(
                    "no hash of {} elements is {}",
                    input.len(),
                    self.tag
                ));
            }
        };
        agree_element("output", &self.output, &output)
    }
}

impl AnswerCase {
    fn check(&self) -> Result<(), String> {
        let persona = persona(&self.persona)?;
        let question = Question::new(self.index).map_err(said)?;
        let answer = NormalisedAnswer::of(&self.answer).map_err(said)?;
        agree("normalised", &self.normalised, answer.as_str())?;

        let master = Zeroizing::new(array("oprf_master", &self.oprf_master)?);
        let key = answer::oprf_key(&master, &self.provider, &persona, question).map_err(said)?;
        agree_bytes("oprf_key", &self.oprf_key, &*key.secret_bytes())?;
        agree_bytes(
            "oprf_public_key",
            &self.oprf_public_key,
            key.public().as_bytes(),
        )?;
        let input = answer::oprf_input(&persona, question, &answer);
        agree_bytes("oprf_input", &self.oprf_input, &input)?;

        let blind = array("blind", &self.blind)?;
        let blind = Option::from(curve25519_dalek::Scalar::from_canonical_bytes(blind))
            .ok_or("blind is not canonical")?;
        let client = oprf::Blinded::with(&input, blind).map_err(said)?;
        agree_bytes("blinded", &self.blinded, client.element().as_bytes())?;
        // The proof of the evaluation is random; what it shows is not, and is checked on the way.
        let evaluation = key.evaluate_with(client.element(), &blind);
        agree_bytes("evaluated", &self.evaluated, &evaluation.element)?;
        let output = client.finish(&evaluation, key.public()).map_err(said)?;
        agree_bytes("oprf_output", &self.oprf_output, &*output)?;

        let Argon2id {
            memory_kib,
            passes,
            lanes,
        } = self.argon2id;
        if (memory_kib, passes, lanes) != (STRETCH_MEMORY_KIB, STRETCH_PASSES, STRETCH_LANES) {
            return Err("the parameters of Argon2id are others".into());
        }
        let stretched = Stretched::of(&persona, question, &answer, &output).map_err(said)?;
        agree_bytes("stretched", &self.stretched, stretched.as_bytes())?;
        let (x, salt) = (stretched.element(), question.salt(&persona));
        agree_element("x", &self.x, &x)?;
        agree_element("inner", &self.inner, &answer::inner(x))?;
        agree_element("salt", &self.salt, &salt)?;
        agree_element("leaf", &self.leaf, &answer::leaf(x, salt))
    }
}

impl PersonaCase {
    fn check(&self) -> Result<(), String> {
        let persona = persona(&self.persona)?;
        let kind = kind(&self.r#type)?;
        let key = Secret::from_bytes(array("secret", &self.secret)?).nullifier_key(&persona);
        agree_element("nullifier_key", &self.nullifier_key, key.element())?;
        let x = element("x", &self.public_key.x)?;
        let y = element("y", &self.public_key.y)?;
        let commitment = key.passkey_commitment(kind, x, y);
        agree_element("passkey_commitment", &self.passkey_commitment, &commitment)?;

        let salts = salts(&persona);
        if let Some(theirs) = &self.salts {
            elements("salts", theirs, &salts)?;
        }
        let Some(answers) = &self.x else {
            return Ok(());
        };
        if let (Some(k), Some(n)) = (self.k, self.n) {
            let threshold = Threshold::new(k, n).map_err(said)?;
            if usize::from(threshold.n()) != answers.len() {
                return Err("there are not n answers".into());
            }
        }
        let mut leaves = Vec::new();
        for (text, salt) in answers.iter().zip(salts) {
            leaves.push(answer::leaf(element("x", text)?, salt));
        }
        let tree = Tree::new(&leaves, &key).map_err(said)?;
        if let Some(theirs) = &self.leaves {
            elements("leaves", theirs, tree.leaves())?;
        }
        for (theirs, ours) in self.nodes.iter().flatten().zip(tree.nodes()) {
            elements("nodes", theirs, ours)?;
        }
        match &self.root {
            Some(theirs) => agree_element("root", theirs, &tree.root()),
            None => Ok(()),
        }
    }
}

impl ChallengeValues {
    fn challenge(&self) -> Result<Challenge<'_>, String> {
        let kind = kind(&self.kind)?;
        let threshold = match kind {
            Kind::Human => Some(Threshold::new(self.k, self.n).map_err(said)?),
            Kind::Agent if (self.k, self.n) == (0, 0) => None,
            Kind::Agent => return Err("an agent has no threshold".into()),
        };
        let purpose = match self.purpose.as_str() {
            "enrol" => Purpose::Enroll,
            "authenticate" => Purpose::Authenticate,
            "replace" => {
                let (Some(root), Some(passkey_commitment), Some(k), Some(n)) = (
                    &self.new_root,
                    &self.new_passkey_commitment,
                    self.new_k,
                    self.new_n,
                ) else {
                    return Err("a replacement names what is new".into());
                };
                Purpose::Replace(Replacement {
                    root: element("new_root", root)?,
                    passkey_commitment: element("new_passkey_commitment", passkey_commitment)?,
                    threshold: Threshold::new(k, n).map_err(said)?,
                })
            }
            other => return Err(format!("there is no purpose {other}")),
        };
        Ok(Challenge {
            audience: &self.audience,
            provider: &self.provider,
            rp_id: &self.rp_id,
            persona: persona(&self.persona)?,
            purpose,
            kind,
            threshold,
            nonce: array("nonce", &self.nonce)?,
            expires_at: self.expires_at,
        })
    }
}

impl NullifierCase {
    fn check(&self) -> Result<(), String> {
        use base64ct::{Base64UrlUnpadded, Encoding as _};

        let message = self.challenge.challenge()?.message().map_err(said)?;
        agree_bytes("message", &self.message, &message)?;
        let digest = self.challenge.challenge()?.digest().map_err(said)?;
        agree_bytes("digest", &self.digest, digest.as_bytes())?;
        let text = Base64UrlUnpadded::encode_string(digest.as_bytes());
        agree("webauthn_challenge", &self.webauthn_challenge, &text)?;
        agree_element("challenge_field", &self.challenge_field, &digest.field())?;
        let key = NullifierKey::from_element(element("nullifier_key", &self.nullifier_key)?);
        agree_element("nullifier", &self.nullifier, &key.nullifier(digest.field()))
    }
}

impl PublicCase {
    fn check(&self) -> Result<(), String> {
        let kind = kind(&self.challenge.kind)?;
        let c = self.challenge.challenge()?.digest().map_err(said)?.field();
        let hash = message_hash(
            &bytes("authenticator_data", &self.authenticator_data)?,
            &bytes("client_data_json", &self.client_data_json)?,
        );
        agree_bytes("message_hash", &self.message_hash, &hash)?;
        let key = NullifierKey::from_element(element("nullifier_key", &self.nullifier_key)?);
        let x = element("x", &self.public_key.x)?;
        let y = element("y", &self.public_key.y)?;
        let [high, low] = halves(&hash);
        let commitment = key.passkey_commitment(kind, x, y);
        let mut ours = vec![commitment, c, key.nullifier(c), high, low];
        if kind == Kind::Human {
            let root = self.root.as_ref().ok_or("a human has a root")?;
            ours.push(element("root", root)?);
            ours.push(crate::field::small(self.challenge.k));
            ours.extend(salts(&persona(&self.challenge.persona)?));
        }
        elements("public_inputs", &self.public_inputs, &ours)
    }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn bytes(what: &str, digits: &str) -> Result<Vec<u8>, String> {
    hex::decode(digits).map_err(|error| format!("{what} is not hex: {error}"))
}

fn array<const N: usize>(what: &str, digits: &str) -> Result<[u8; N], String> {
    <[u8; N]>::try_from(bytes(what, digits)?).map_err(|_| format!("{what} must be {N} bytes"))
}

fn element<M: Instance>(what: &str, digits: &str) -> Result<Felt<M>, String> {
    decode(&bytes(what, digits)?).map_err(|error| format!("{what}: {error}"))
}

fn persona(digits: &str) -> Result<PersonaId, String> {
    array("persona", digits).map(PersonaId::from_bytes)
}

fn kind(text: &str) -> Result<Kind, String> {
    [Kind::Human, Kind::Agent]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| format!("there is no type {text}"))
}

fn agree(what: &str, theirs: &str, ours: &str) -> Result<(), String> {
    if theirs == ours {
        Ok(())
    } else {
        Err(format!("its {what} is another; ours is {ours}"))
    }
}

fn agree_bytes(what: &str, theirs: &str, ours: &[u8]) -> Result<(), String> {
    agree(what, &theirs.to_ascii_lowercase(), &hex::encode(ours))
}

fn agree_element(what: &str, theirs: &str, ours: &Fe) -> Result<(), String> {
    agree_bytes(what, theirs, &encode(ours))
}

fn elements<M: Instance>(what: &str, theirs: &[String], ours: &[Felt<M>]) -> Result<(), String> {
    if theirs.len() != ours.len() {
        return Err(format!(
            "there are {} of {what}, not {}",
            theirs.len(),
            ours.len()
        ));
    }
    theirs
        .iter()
        .zip(ours)
        .try_for_each(|(theirs, ours)| agree_bytes(what, theirs, &encode(ours)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> serde_json::Value {
        serde_json::from_str(include_str!("../../../../spec/vectors/knowledge-v1.json")).unwrap()
    }

    fn cases(file: serde_json::Value) -> Vec<Case> {
        serde_json::from_value::<VectorFile>(file).unwrap().cases
    }

    #[test]
    fn the_vectors_of_the_other_implementation_agree() {
        let cases = cases(file());
        assert_eq!(cases.len(), 40);
        for case in &cases {
            assert_eq!(case.check(), Ok(()), "{}", case.name);
        }
        let refused = cases.iter().filter(|case| case.must() == Must::BeRefused);
        assert_eq!(refused.count(), 4);
    }

    /// Every value that a case gives is compared: whichever of them is changed, the case disagrees.
    #[test]
    fn every_value_of_a_case_is_compared() {
        for case in file()["cases"].as_array().unwrap() {
            // One of each kind that stretches is enough.
            if case["kind"] == "answer" && case["name"] != "answer-0" {
                continue;
            }
            // What is refused stays refused.
            if case["accepted"] == false {
                continue;
            }
            for (name, value) in case.as_object().unwrap() {
                let digits = match value {
                    serde_json::Value::String(text) if text.len() >= 32 && name != "name" => text,
                    _ => continue,
                };
                let last = if digits.ends_with('0') { "1" } else { "0" };
                let other = format!("{}{last}", &digits[..digits.len() - 1]);
                let mut changed = case.clone();
                changed[name] = other.into();
                let changed: Case = serde_json::from_value(changed).unwrap();
                assert!(changed.check().is_err(), "{}: {name}", changed.name);
            }
        }
    }
}
