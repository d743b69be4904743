//! Arithmetic modulo the field's order, on public values alone: the square roots and inverses that the
//! contract has brought to it.

use k256::{
    U256,
    elliptic_curve::bigint::{Encoding, const_monty_params, modular::ConstMontyForm},
};

const_monty_params!(
    Order,
    U256,
    "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f"
);

type Element = ConstMontyForm<Order, { U256::LIMBS }>;

fn element(bytes: &[u8; 32]) -> Element {
    Element::new(&U256::from_be_bytes((*bytes).into()))
}

fn bytes(element: Element) -> [u8; 32] {
    element.retrieve().to_be_bytes().into()
}

/// A root of x³ + 7, or of its negative where that has none: P is 3 modulo 4, so one of the two has.
pub(crate) fn root_for(x: &[u8; 32]) -> [u8; 32] {
    let x = element(x);
    let cubic = x * x * x + Element::new(&U256::from_u8(7));
    // (P + 1) / 4; the candidate squared is the cubic or its negative, and is a root of either.
    let exponent =
        U256::from_be_hex("3fffffffffffffffffffffffffffffffffffffffffffffffffffffffbfffff0c");
    bytes(cubic.pow_vartime(&exponent))
}

/// 1 / (b - a).
pub(crate) fn inverse_of_difference(b: &[u8; 32], a: &[u8; 32]) -> Option<[u8; 32]> {
    let difference = element(b) - element(a);
    let inverse: Option<Element> = difference.invert_vartime().into();
    inverse.map(bytes)
}
