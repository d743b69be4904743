//! What logs in: its id, its type, its secret, and the two values that the host keeps of it.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    Error, QUESTIONS,
    field::{Fe, encode, reduce, small},
    poseidon2::{Pair, Triple},
    push_lp,
};

/// Leaves of the tree: the questions, and one that blinds.
pub const LEAVES: usize = QUESTIONS + 1;

/// The id of a persona, drawn by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonaId([u8; Self::LEN]);

impl PersonaId {
    /// Its length.
    pub const LEN: usize = 16;

    /// An id of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    pub(crate) fn field(&self) -> Fe {
        reduce(&self.0)
    }
}

/// The type of a persona, fixed for its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A person, with answers and a passkey.
    Human,
    /// A program, with a passkey alone.
    Agent,
}

impl Kind {
    /// As it is in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Agent => "agent",
        }
    }

    /// The domain of its passkey commitments.
    #[must_use]
    pub const fn tag(self) -> Triple {
        match self {
            Self::Human => Triple::Human,
            Self::Agent => Triple::Agent,
        }
    }
}

/// How many answers of how many: 1 ≤ K ≤ N ≤ 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    k: u8,
    n: u8,
}

impl Threshold {
    /// K of N.
    ///
    /// # Errors
    /// [`Error::Threshold`] outside the bounds.
    pub const fn new(k: u8, n: u8) -> Result<Self, Error> {
        if 1 <= k && k <= n && n as usize <= QUESTIONS {
            Ok(Self { k, n })
        } else {
            Err(Error::Threshold)
        }
    }

    /// How many answers are needed.
    #[must_use]
    pub const fn k(self) -> u8 {
        self.k
    }

    /// How many there are.
    #[must_use]
    pub const fn n(self) -> u8 {
        self.n
    }
}

/// The index of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question(u8);

impl Question {
    /// The question of this index.
    ///
    /// # Errors
    /// [`Error::Length`] from 7 on.
    pub const fn new(index: u8) -> Result<Self, Error> {
        if (index as usize) < QUESTIONS {
            Ok(Self(index))
        } else {
            Err(Error::Length)
        }
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..QUESTIONS as u8).map(Self)
    }

    /// Its index.
    #[must_use]
    pub const fn index(self) -> u8 {
        self.0
    }

    /// The salt of this question's leaf: public.
    #[must_use]
    pub fn salt(self, persona: &PersonaId) -> Fe {
        Pair::Salt.hash(persona.field(), small(self.0))
    }
}

/// The salts of all questions of a persona.
#[must_use]
pub fn salts(persona: &PersonaId) -> [Fe; QUESTIONS] {
    let mut questions = Question::all();
    std::array::from_fn(|_| questions.next().map_or(Fe::ZERO, |q| q.salt(persona)))
}

/// The secret S of a persona. It never leaves the client.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; Self::LEN]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// Its length.
    pub const LEN: usize = 32;

    /// A secret that the client has kept, or drawn.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The secret of a passkey that has PRF, from its output for [`prf_input`].
    #[must_use]
    pub fn from_prf(output: &[u8], persona: &PersonaId) -> Self {
        let mut secret = [0; Self::LEN];
        expand(output, b"2FApi-K1-Secret", persona, &mut secret);
        Self(secret)
    }

    /// What is kept of it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The nullifier key that comes of it.
    #[must_use]
    pub fn nullifier_key(&self, persona: &PersonaId) -> NullifierKey {
        let mut bytes = Zeroizing::new([0; 64]);
        expand(&self.0, b"2FApi-K1-NullifierKey", persona, &mut *bytes);
        NullifierKey(reduce(&*bytes))
    }
}

/// What the passkey's PRF is asked for, at a host of this audience.
#[must_use]
pub fn prf_input(audience: &str) -> [u8; 32] {
    use sha2::Digest as _;
    let mut input = b"2FApi-K1-Prf".to_vec();
    push_lp(&mut input, audience.as_bytes());
    Sha256::digest(input).into()
}

fn expand(key: &[u8], domain: &[u8], persona: &PersonaId, out: &mut [u8]) {
    let mut info = domain.to_vec();
    push_lp(&mut info, persona.as_bytes());
    // HKDF gives up to 255 blocks; nobody here asks for more than two.
    let expanded = Hkdf::<Sha256>::new(None, key).expand(&info, out);
    debug_assert!(expanded.is_ok());
}

/// The secret element nk, which ties tree, passkey and nullifier together.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct NullifierKey(Fe);

impl fmt::Debug for NullifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NullifierKey(..)")
    }
}

impl NullifierKey {
    /// A key that is kept as an element.
    #[must_use]
    pub const fn from_element(element: Fe) -> Self {
        Self(element)
    }

    /// The element: secret.
    #[must_use]
    pub const fn element(&self) -> &Fe {
        &self.0
    }

    /// What is spent at a challenge: the same for the same challenge, unlinkable between two.
    #[must_use]
    pub fn nullifier(&self, challenge: Fe) -> Fe {
        Pair::Nullifier.hash(self.0, challenge)
    }

    /// The commitment C to a passkey of these coordinates.
    #[must_use]
    pub fn passkey_commitment(&self, kind: Kind, x: Fe, y: Fe) -> Fe {
        kind.tag().hash(x, y, self.0)
    }

    /// The leaf of a question that is not asked.
    #[must_use]
    pub fn unused_leaf(&self, question: Question) -> Fe {
        Pair::Unused.hash(self.0, small(question.0))
    }

    /// The leaf that keeps everybody from guessing answers against a root.
    #[must_use]
    pub fn secret_leaf(&self) -> Fe {
        Pair::Secret.hash(self.0, Fe::ZERO)
    }
}

/// A persona's tree over its leaves.
#[derive(Clone)]
pub struct Tree {
    leaves: [Fe; LEAVES],
    nodes: ([Fe; LEAVES / 2], [Fe; LEAVES / 4]),
    root: Fe,
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree")
            .field("root", &encode(&self.root))
            .finish_non_exhaustive()
    }
}

impl Tree {
    /// The tree of a human with these answer leaves.
    ///
    /// # Errors
    /// [`Error::Length`] for none, and for more than seven.
    pub fn new(answers: &[Fe], key: &NullifierKey) -> Result<Self, Error> {
        if answers.is_empty() {
            return Err(Error::Length);
        }
        let mut leaves = [Fe::ZERO; LEAVES];
        let (used, unused) = leaves[..QUESTIONS]
            .split_at_mut_checked(answers.len())
            .ok_or(Error::Length)?;
        used.copy_from_slice(answers);
        for (leaf, question) in unused.iter_mut().zip(Question::all().skip(answers.len())) {
            *leaf = key.unused_leaf(question);
        }
        leaves[QUESTIONS] = key.secret_leaf();
        Ok(Self::of(leaves))
    }

    fn of(leaves: [Fe; LEAVES]) -> Self {
        let lower = std::array::from_fn(|i| Pair::Node.hash(leaves[2 * i], leaves[2 * i + 1]));
        let upper: [Fe; LEAVES / 4] =
            std::array::from_fn(|i| Pair::Node.hash(lower[2 * i], lower[2 * i + 1]));
        Self {
            leaves,
            nodes: (lower, upper),
            root: Pair::Node.hash(upper[0], upper[1]),
        }
    }

    /// Its root, which the host keeps.
    #[must_use]
    pub const fn root(&self) -> Fe {
        self.root
    }

    /// Its leaves, of which the client keeps those of the questions.
    #[must_use]
    pub const fn leaves(&self) -> &[Fe; LEAVES] {
        &self.leaves
    }

    /// The two levels between leaves and root, from below.
    #[must_use]
    pub fn nodes(&self) -> [&[Fe]; 2] {
        [&self.nodes.0, &self.nodes.1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_has_bounds() {
        for (k, n) in [(1, 1), (1, 7), (7, 7), (3, 5)] {
            assert!(Threshold::new(k, n).is_ok());
        }
        for (k, n) in [(0, 0), (0, 1), (2, 1), (1, 8), (8, 8), (255, 255)] {
            assert_eq!(Threshold::new(k, n), Err(Error::Threshold));
        }
        assert!(Question::new(6).is_ok() && Question::new(7).is_err());
    }

    #[test]
    fn a_root_is_not_reproduced_from_all_answers_without_the_secret() {
        let persona = PersonaId::from_bytes([7; 16]);
        let answers = [small(1), small(2), small(3)];
        let root = |secret: [u8; 32]| {
            let key = Secret::from_bytes(secret).nullifier_key(&persona);
            encode(&Tree::new(&answers, &key).unwrap().root())
        };
        assert_eq!(root([1; 32]), root([1; 32]));
        assert_ne!(root([1; 32]), root([2; 32]));
        // With all seven used, only the last leaf depends on it.
        let all = [small(1); 7];
        let key = |secret| Secret::from_bytes([secret; 32]).nullifier_key(&persona);
        let [a, b] = [1, 2].map(|s| Tree::new(&all, &key(s)).unwrap());
        assert_eq!(a.leaves()[..7], b.leaves()[..7]);
        assert_ne!(a.root(), b.root());
    }

    #[test]
    fn a_tree_has_one_to_seven_answers() {
        let key = NullifierKey(small(9));
        for answers in [0, 8, 9] {
            let answers = vec![small(1); answers];
            assert_eq!(Tree::new(&answers, &key).unwrap_err(), Error::Length);
        }
    }

    #[test]
    fn a_commitment_of_a_human_is_none_of_an_agent() {
        let key = NullifierKey(small(9));
        let of = |kind| key.passkey_commitment(kind, small(1), small(2));
        assert_ne!(of(Kind::Human), of(Kind::Agent));
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let secret = Secret::from_bytes([0xab; 32]);
        let key = secret.nullifier_key(&PersonaId::from_bytes([0; 16]));
        assert_eq!(format!("{secret:?} {key:?}"), "Secret(..) NullifierKey(..)");
        assert!(!format!("{:?}", Tree::new(&[small(7)], &key).unwrap()).contains("leaves:"));
    }
}
