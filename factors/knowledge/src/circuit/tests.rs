//! What each constraint is there for: for every name there is an attempt that nothing else refuses.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::{BTreeMap, BTreeSet};

use bellpepper_core::{Index, LinearCombination, Variable};
use ff::PrimeField as _;

use super::*;
use crate::{
    answer,
    field::{P256Base, decode, small},
    persona::{NullifierKey, PersonaId, Question, Tree, salts},
    poseidon2::{Triple, permute},
};

/// Evaluates each constraint when it comes, and counts those that do not hold, by name.
#[derive(Default)]
struct Trace {
    inputs: Vec<F>,
    variables: Vec<F>,
    names: BTreeMap<String, usize>,
    broken: BTreeMap<String, usize>,
}

impl Trace {
    fn new() -> Self {
        Self {
            inputs: vec![F::ONE],
            ..Self::default()
        }
    }

    fn value(&self, lc: &LinearCombination<F>) -> F {
        lc.iter().fold(F::ZERO, |sum, (variable, factor)| {
            let value = match variable.get_unchecked() {
                Index::Input(i) => self.inputs[i],
                Index::Aux(i) => self.variables[i],
            };
            sum + value * factor
        })
    }

    fn names(&self) -> BTreeSet<&str> {
        self.names.keys().map(String::as_str).collect()
    }

    fn broken(&self) -> BTreeSet<&str> {
        self.broken.keys().map(String::as_str).collect()
    }
}

impl ConstraintSystem<F> for Trace {
    type Root = Self;

    fn alloc<V, A, AR>(&mut self, _: A, value: V) -> Result<Variable>
    where
        V: FnOnce() -> Result<F>,
        A: FnOnce() -> AR,
        AR: Into<String>,
    {
        self.variables.push(value()?);
        Ok(Variable::new_unchecked(Index::Aux(
            self.variables.len() - 1,
        )))
    }

    fn alloc_input<V, A, AR>(&mut self, _: A, value: V) -> Result<Variable>
    where
        V: FnOnce() -> Result<F>,
        A: FnOnce() -> AR,
        AR: Into<String>,
    {
        self.inputs.push(value()?);
        Ok(Variable::new_unchecked(Index::Input(self.inputs.len() - 1)))
    }

    fn enforce<A, AR, LA, LB, LC>(&mut self, name: A, a: LA, b: LB, c: LC)
    where
        A: FnOnce() -> AR,
        AR: Into<String>,
        LA: FnOnce(LinearCombination<F>) -> LinearCombination<F>,
        LB: FnOnce(LinearCombination<F>) -> LinearCombination<F>,
        LC: FnOnce(LinearCombination<F>) -> LinearCombination<F>,
    {
        let name: String = name().into();
        let name = name.split('#').next().unwrap().to_owned();
        let zero = LinearCombination::zero;
        let [a, b, c] = [a(zero()), b(zero()), c(zero())].map(|lc| self.value(&lc));
        *self.names.entry(name.clone()).or_default() += 1;
        if a * b != c {
            *self.broken.entry(name).or_default() += 1;
        }
    }

    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}
    fn pop_namespace(&mut self) {}
    fn get_root(&mut self) -> &mut Self {
        self
    }
}

fn trace(circuit: &Circuit) -> Trace {
    let mut trace = Trace::new();
    circuit.build(&mut Builder::new(&mut trace)).unwrap();
    trace
}

const E_HASH: [u8; 32] = [0x5a; 32];
const PASSKEY: usize = 0;
const CHALLENGE: usize = 1;
const NULLIFIER: usize = 2;
const E_HIGH: usize = 3;
const E_LOW: usize = 4;
const ROOT: usize = 5;
const K: usize = 6;
const SALTS: usize = 7;

/// Scalars modulo the order of P-256, for making signatures.
mod scalar {
    pub(super) use p256::Scalar;
    use p256::elliptic_curve::{PrimeField as _, ops::Reduce};

    pub(super) fn of(bytes: &[u8; 32]) -> Scalar {
        <Scalar as Reduce<p256::FieldBytes>>::reduce(&(*bytes).into())
    }

    pub(super) fn bytes(scalar: &Scalar) -> [u8; 32] {
        scalar.to_repr().into()
    }
}

fn element_bytes(element: F) -> [u8; 32] {
    let mut bytes: [u8; 32] = element.to_repr().as_ref().try_into().unwrap();
    bytes.reverse();
    bytes
}

fn from_circuit(element: F) -> Fe {
    decode(&element_bytes(element)).unwrap()
}

fn times(scalar: &scalar::Scalar, point: curve::Affine) -> curve::Affine {
    curve::multiply(&bits_of(&scalar::bytes(scalar)), point)
}

fn negated((x, y): curve::Affine) -> curve::Affine {
    (x, -y)
}

const PERSONA: PersonaId = PersonaId::from_bytes([5; 16]);

fn nullifier_key() -> NullifierKey {
    NullifierKey::from_element(permute::<P256Base>([small(99), small(7), small(0)])[0])
}

/// A circuit around this signature, whatever it is worth: a human's with three of five answers, or an
/// agent's.
fn around(kind: Kind, q: curve::Affine, r_point: curve::Affine, r: Bits, s: Bits) -> Circuit {
    let key = nullifier_key();
    let challenge = small(123);
    let (x, y) = (from_circuit(q.0), from_circuit(q.1));
    let mut public = vec![
        key.passkey_commitment(kind, x, y),
        challenge,
        key.nullifier(challenge),
        crate::field::reduce(&E_HASH[..16]),
        crate::field::reduce(&E_HASH[16..]),
    ];
    let mut answers = None;
    if kind == Kind::Human {
        let salts = salts(&PERSONA);
        let x: [Fe; 7] =
            std::array::from_fn(|i| if i < 3 { small(40 + i as u8) } else { Fe::ZERO });
        let leaves: Vec<_> = (0..5u8)
            .map(|i| answer::leaf(small(40 + i), salts[usize::from(i)]))
            .collect();
        let tree = Tree::new(&leaves, &key).unwrap();
        public.extend([tree.root(), small(3)]);
        public.extend(salts);
        answers = Some(Answers {
            x: x.each_ref().map(to_circuit),
            known: std::array::from_fn(|i| F::from(u64::from(i < 3))),
            leaves: std::array::from_fn(|i| to_circuit(&tree.leaves()[i])),
        });
    }
    Circuit {
        kind,
        public: Some(public.iter().map(to_circuit).collect()),
        witness: Some(Witness {
            nullifier_key: to_circuit(key.element()),
            q,
            r_point,
            e: bits_of(&E_HASH),
            r,
            s,
            answers,
        }),
    }
}

/// A signature by the key d, with the nonce k.
fn signed(kind: Kind, d: [u8; 32], k: [u8; 32]) -> Circuit {
    let [d, k, e] = [d, k, E_HASH].map(|bytes| scalar::of(&bytes));
    let g = curve::generator();
    let (q, r_point) = (times(&d, g), times(&k, g));
    let r = scalar::of(&element_bytes(r_point.0));
    let s = (e + r * d) * k.invert().unwrap();
    let [r, s] = [r, s].map(|scalar| bits_of(&scalar::bytes(&scalar)));
    around(kind, q, r_point, r, s)
}

pub(crate) fn example(kind: Kind) -> Circuit {
    signed(kind, [0x11; 32], [0x23; 32])
}

/// A small number and another, as 256 bits.
fn plus(small: u64, bytes: &[u8; 32]) -> Bits {
    let mut sum = *bytes;
    let mut carry = u128::from(small);
    for byte in sum.iter_mut().rev() {
        carry += u128::from(*byte);
        *byte = carry as u8;
        carry >>= 8;
    }
    assert_eq!(carry, 0);
    bits_of(&sum)
}

struct Attempt {
    /// The constraint that refuses it,
    name: &'static str,
    what: &'static str,
    circuit: Circuit,
    /// alone.
    alone: bool,
}

/// The example with something changed.
fn changed(change: impl FnOnce(&mut [F], &mut Witness)) -> Circuit {
    let mut circuit = example(Kind::Human);
    let (public, witness) = (
        circuit.public.as_mut().unwrap(),
        circuit.witness.as_mut().unwrap(),
    );
    change(public, witness);
    circuit
}

fn attempts() -> Vec<Attempt> {
    let mut attempts = Vec::new();
    let mut add = |name, what, circuit, alone| {
        attempts.push(Attempt {
            name,
            what,
            circuit,
            alone,
        });
    };
    let answers = |w: &mut Witness| w.answers.clone().unwrap();
    let honest = example(Kind::Human).public.clone().unwrap();
    let with_public = |mut circuit: Circuit, i: usize| {
        circuit.public.as_mut().unwrap()[i] = honest[i];
        circuit
    };

    let other = signed(Kind::Human, [0x44; 32], [0x23; 32]);
    add(
        "passkey",
        "a key of the prover's own",
        with_public(other, PASSKEY),
        true,
    );
    let agent = with_public(example(Kind::Agent), PASSKEY);
    add(
        "passkey",
        "a human's commitment in the circuit of agents",
        agent,
        true,
    );
    let circuit = changed(|public, _| public[NULLIFIER] += F::ONE);
    add(
        "nullifier",
        "a nullifier of the prover's own",
        circuit,
        true,
    );
    let circuit = changed(|public, _| public[CHALLENGE] += F::ONE);
    add("nullifier", "another challenge", circuit, true);
    let circuit = changed(|public, _| public[E_HIGH] += F::ONE);
    add("e high", "another message", circuit, true);
    let circuit = changed(|public, _| public[E_LOW] += F::ONE);
    add("e low", "another message", circuit, true);
    let circuit = changed(|public, _| public[E_HIGH] += F::from(2).pow_vartime([128u64]));
    add("e high", "more than 128 bits", circuit, true);
    let circuit = changed(|_, w| w.s = bits_of(&[9; 32]));
    add("signature", "another s", circuit, true);

    let g = curve::generator();
    let e = scalar::of(&E_HASH);
    // R with a small x, so that x + p fits in 256 bits, and a key for which it is a signature.
    let (x, y) = (5u64..)
        .find_map(|x| {
            let number = F::from(x);
            let y = number.square() * number - number * F::from(3) + curve::coefficient();
            Some((x, Option::<F>::from(y.sqrt())?))
        })
        .unwrap();
    let r_point = (F::from(x), y);
    let p = {
        let mut p = element_bytes(-F::ONE);
        p[31] += 1;
        p
    };
    let r = plus(x, &p);
    let r_scalar = scalar::of(&std::array::from_fn(|i| {
        (0..8).fold(0, |byte, bit| byte << 1 | u8::from(r[8 * i + bit]))
    }));
    let s = scalar::of(&[7; 32]);
    let q = times(
        &r_scalar.invert().unwrap(),
        curve::add(times(&s, r_point), negated(times(&e, g))),
    );
    let circuit = around(Kind::Human, q, r_point, r, bits_of(&scalar::bytes(&s)));
    add("r < n", "r + p", circuit, true);

    let k = scalar::of(&[0x23; 32]);
    let r_point = times(&k, g);
    let r_bytes = element_bytes(r_point.0);
    let r_scalar = scalar::of(&r_bytes);
    let with_s = |s: scalar::Scalar, bits: Bits| {
        let d = (s * k - e) * r_scalar.invert().unwrap();
        around(Kind::Human, times(&d, g), r_point, bits_of(&r_bytes), bits)
    };
    let n = {
        let mut n = ORDER_MINUS_ONE;
        n[31] += 1;
        n
    };
    add(
        "s < n",
        "s + n",
        with_s(scalar::Scalar::from(5u64), plus(5, &n)),
        true,
    );
    add(
        "s ≠ 0",
        "s = 0",
        with_s(scalar::Scalar::ZERO, [false; BITS]),
        true,
    );

    let r = scalar::of(&[3; 32]);
    let s = scalar::Scalar::from(77u64);
    let d = (s * k - e) * r.invert().unwrap();
    let [r, s] = [r, s].map(|scalar| bits_of(&scalar::bytes(&scalar)));
    let circuit = around(Kind::Human, times(&d, g), r_point, r, s);
    add(
        "r = x(R)",
        "an r of the prover's own, good for every key",
        circuit,
        true,
    );

    let y = curve::coefficient().sqrt().unwrap();
    let circuit = changed(|_, w| {
        w.r_point = (F::ZERO, y);
        w.r = [false; BITS];
    });
    add("r ≠ 0", "R with x = 0", circuit, false);
    let circuit = changed(|_, w| w.q.1 += F::ONE);
    add("Q on curve", "Q beside the curve", circuit, false);
    let circuit = changed(|_, w| w.r_point.1 += F::ONE);
    add("R on curve", "R beside the curve", circuit, false);

    let with_answers = |change: &dyn Fn(&mut [F], &mut Answers)| {
        changed(|public, w| {
            let mut a = answers(w);
            change(public, &mut a);
            w.answers = Some(a);
        })
    };
    let circuit = with_answers(&|_, a| {
        a.known = [F::ZERO; QUESTIONS];
        a.known[0] = F::from(3);
    });
    add(
        "know is a bit",
        "one answer that counts for three",
        circuit,
        true,
    );
    let circuit = with_answers(&|_, a| a.known[0] = F::ZERO);
    add("threshold", "two of three", circuit, true);
    let circuit = with_answers(&|public, _| public[K] += F::ONE);
    add("threshold", "three of four", circuit, true);
    let circuit = with_answers(&|_, a| a.x[1] += F::ONE);
    add("leaf", "a wrong answer", circuit, true);
    let circuit = with_answers(&|public, _| public.swap(SALTS, SALTS + 1));
    add("leaf", "an answer to another question", circuit, true);
    let circuit = with_answers(&|public, a| {
        a.x[2] = F::from(8);
        let salt = from_circuit(public[SALTS + 2]);
        a.leaves[2] = to_circuit(&answer::leaf(small(8), salt));
    });
    add("root", "a leaf of the prover's own", circuit, true);
    let circuit = with_answers(&|public, _| public[ROOT] += F::ONE);
    add("root", "the tree of somebody else", circuit, true);
    let circuit = changed(|public, w| {
        let key = NullifierKey::from_element(nullifier_key().element() + Fe::ONE);
        let (x, y) = (from_circuit(w.q.0), from_circuit(w.q.1));
        w.nullifier_key = to_circuit(key.element());
        public[PASSKEY] = to_circuit(&key.passkey_commitment(Kind::Human, x, y));
        public[NULLIFIER] = to_circuit(&key.nullifier(from_circuit(public[CHALLENGE])));
    });
    add(
        "root",
        "the passkey of one persona, the answers of another",
        circuit,
        true,
    );
    attempts
}

/// A gadget alone, with one of its variables changed; the later ones are computed from it.
fn gadget(
    build: impl Fn(&mut Builder<'_, Trace>) -> Result<()>,
    tampered: Option<(usize, F)>,
) -> (Trace, usize) {
    let mut trace = Trace::new();
    let mut builder = Builder::new(&mut trace);
    builder.tampered = tampered;
    build(&mut builder).unwrap();
    let allocated = builder.allocated;
    (trace, allocated)
}

/// Changes each variable of a gadget after the first `given` in turn. Exactly one constraint must notice:
/// the one that determines it. Answers with the names of those.
fn determined(
    given: usize,
    build: impl Fn(&mut Builder<'_, Trace>) -> Result<()>,
) -> BTreeSet<String> {
    let (honest, allocated) = gadget(&build, None);
    assert_eq!(honest.broken(), BTreeSet::new());
    let mut names = BTreeSet::new();
    for i in given..allocated {
        let other = honest.variables[i] + F::from(7);
        let (trace, _) = gadget(&build, Some((i, other)));
        let broken: Vec<_> = trace.broken.iter().collect();
        let [(name, 1)] = broken[..] else {
            panic!("variable {i} of {allocated}: {broken:?}");
        };
        names.insert(name.clone());
    }
    names
}

fn point(b: &mut Builder<'_, Trace>, (x, y): curve::Affine) -> Result<curve::Point> {
    Ok((b.alloc(Some(x))?, b.alloc(Some(y))?))
}

/// The constraints that are shown to be needed in a gadget alone.
fn determining() -> BTreeSet<String> {
    let g = curve::generator();
    let double = curve::add(g, g);
    let mut names = determined(1, |b| {
        let a = b.alloc(Some(F::from(3)))?;
        b.seventh_power(&a, F::from(5)).map(drop)
    });
    names.extend(determined(2, |b| {
        let (x, y) = (b.alloc(Some(F::from(3)))?, b.alloc(Some(F::from(4)))?);
        b.hash2(Pair::Node, &x, &y).map(drop)
    }));
    names.extend(determined(4, |b| {
        let (p, q) = (point(b, g)?, point(b, double)?);
        b.add_points(&p, &q).map(drop)
    }));
    names.extend(determined(2, |b| {
        let p = point(b, g)?;
        b.double_point(&p).map(drop)
    }));
    names.extend(determined(9, |b| {
        let bits = [1u64, 0, 1].map(|bit| b.alloc(Some(F::from(bit))));
        let [low, middle, high] = bits.map(|bit| bit.unwrap());
        let others = [11u64, 12, 13, 14, 15, 16].map(|n| b.alloc(Some(F::from(n))).unwrap());
        let constants = [F::from(9), F::from(10)];
        b.choose_of_eight([&low, &middle, &high], constants, others.each_ref())
            .map(drop)
    }));
    names.extend(determined(1, |b| {
        let s = b.alloc(Some(F::from(3)))?;
        let packed = b.flatten("s packed", &s)?;
        let _ = packed;
        Ok(())
    }));
    // A bit that is none, a point beside the curve, and an inverse of nought.
    for name in ["bit of e", "bit of r", "bit of s"] {
        names.extend(determined(0, |b| {
            b.bits(name, Some(&bits_of(&[0x5a; 32]))).map(drop)
        }));
    }
    type Build = fn(&mut Builder<'_, Trace>) -> Result<()>;
    let refused: [(&str, Build); 5] = [
        ("Q on curve", |b| {
            let (x, y) = curve::generator();
            let q = point(b, (x, y + F::ONE))?;
            b.on_curve("Q on curve", &q)
        }),
        ("R on curve", |b| {
            let (x, y) = curve::generator();
            let r = point(b, (x + F::ONE, y))?;
            b.on_curve("R on curve", &r)
        }),
        ("r ≠ 0", |b| {
            let zero = b.alloc(Some(F::ZERO))?;
            b.inverse("r ≠ 0", &zero).map(drop)
        }),
        ("x1 ≠ x2", |b| {
            let p = point(b, curve::generator())?;
            b.add_points(&p, &p).map(drop)
        }),
        ("y ≠ 0", |b| {
            let p = point(b, (F::ONE, F::ZERO))?;
            b.double_point(&p).map(drop)
        }),
    ];
    for (name, build) in refused {
        let (trace, _) = gadget(build, None);
        assert_eq!(trace.broken(), BTreeSet::from([name]));
        names.insert(name.to_owned());
    }
    names
}

#[test]
fn an_honest_witness_breaks_nothing() {
    for (kind, constraints, variables) in
        [(Kind::Human, 14_462, 14_283), (Kind::Agent, 8_066, 7_882)]
    {
        let trace = trace(&example(kind));
        assert_eq!(trace.broken(), BTreeSet::new());
        assert_eq!(trace.names.values().sum::<usize>(), constraints);
        assert_eq!(trace.variables.len(), variables);
        assert_eq!(trace.inputs.len(), 1 + public_values(kind));
    }
}

#[test]
fn each_named_constraint_refuses_what_nothing_else_does() {
    for attempt in attempts() {
        let trace = trace(&attempt.circuit);
        let broken = trace.broken();
        let expected = BTreeSet::from([attempt.name]);
        let what = attempt.what;
        if attempt.alone {
            assert_eq!(broken, expected, "{what}");
        } else {
            assert!(broken.is_superset(&expected), "{what}: {broken:?}");
        }
    }
}

/// A circuit without any one kind of constraint would let something pass.
#[test]
fn no_kind_of_constraint_can_be_left_out() {
    let mut needed = determining();
    let alone = attempts().into_iter().filter(|attempt| attempt.alone);
    needed.extend(alone.map(|attempt| attempt.name.to_owned()));
    for kind in [Kind::Human, Kind::Agent] {
        let trace = trace(&example(kind));
        let missing: Vec<_> = trace
            .names()
            .into_iter()
            .filter(|name| !needed.contains(*name))
            .collect();
        assert_eq!(missing, [""; 0]);
    }
}

/// Whatever a prover puts in the place of a variable, something notices. What it may choose is left out:
/// its secrets, and what it gives for answers that it does not know.
#[test]
fn a_changed_variable_is_noticed_in_the_whole_circuit() {
    let circuit = example(Kind::Agent);
    let honest = trace(&circuit);
    for i in (3..honest.variables.len()).step_by(509) {
        let mut trace = Trace::new();
        let mut builder = Builder::new(&mut trace);
        builder.tampered = Some((i, honest.variables[i] + F::from(7)));
        circuit.build(&mut builder).unwrap();
        assert_ne!(trace.broken(), BTreeSet::new(), "variable {i}");
    }
}

#[test]
fn hashes_in_the_circuit_are_those_outside() {
    let numbers = [small(3), small(200), decode(&[0x42; 32]).unwrap()];
    let in_circuit = |hash: &dyn Fn(&mut Builder<'_, Trace>, [Num; 3]) -> Num| {
        let mut trace = Trace::new();
        let mut builder = Builder::new(&mut trace);
        let given = numbers
            .each_ref()
            .map(|n| builder.alloc(Some(to_circuit(n))).unwrap());
        let output = hash(&mut builder, given);
        assert_eq!(trace.broken(), BTreeSet::new());
        from_circuit(output.value.unwrap())
    };
    let [a, b, c] = numbers;
    for tag in Pair::ALL {
        let output = in_circuit(&|builder, [a, b, _]| builder.hash2(tag, &a, &b).unwrap());
        assert_eq!(output, tag.hash(a, b));
    }
    for tag in Triple::ALL {
        let output = in_circuit(&|builder, [a, b, c]| builder.hash3(tag, &a, &b, &c).unwrap());
        assert_eq!(output, tag.hash(a, b, c));
    }
    assert_eq!(Question::all().count(), QUESTIONS);
}

#[test]
fn the_constants_of_the_curve_are_right() {
    let (x, y) = curve::generator();
    let cube = x.square() * x;
    assert_eq!(y.square(), cube - x * F::from(3) + curve::coefficient());
    // n·G is the identity: (n − 1)·G = −G.
    let last = curve::multiply(&bits_of(&ORDER_MINUS_ONE), curve::generator());
    assert_eq!(last, negated(curve::generator()));
    let ones = [true; BITS];
    assert_eq!(
        curve::offset().total,
        curve::multiply(&ones, curve::offset().start)
    );
}
