//! The field that everything is in: integers modulo the prime of P-256, and their encoding.

use crypto_bigint::{
    U256, const_monty_params,
    modular::{ConstMontyForm, ConstMontyParams},
};

use crate::Error;

/// Length of an encoded field element.
pub const ELEMENT_LEN: usize = 32;

/// Words of an element.
pub const LIMBS: usize = U256::LIMBS;

const_monty_params!(
    P256Base,
    U256,
    "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    "p = 2^256 − 2^224 + 2^192 + 2^96 − 1, the prime of P-256's base field."
);

/// An element of the field of a prime of at most 256 bits. All arithmetic takes constant time.
pub type Felt<M> = ConstMontyForm<M, LIMBS>;

/// An element of the base field of P-256.
pub type Fe = Felt<P256Base>;

/// Decodes 32 bytes, big-endian.
///
/// # Errors
/// [`Error::Encoding`] for another length and for what is not below the prime.
pub fn decode<M: ConstMontyParams<LIMBS>>(bytes: &[u8]) -> Result<Felt<M>, Error> {
    let bytes: &[u8; ELEMENT_LEN] = bytes.try_into().map_err(|_| Error::Encoding)?;
    let number = U256::from_be_slice(bytes);
    let element = Felt::<M>::new(&number);
    if element.retrieve() == number {
        Ok(element)
    } else {
        Err(Error::Encoding)
    }
}

/// Encodes as 32 bytes, big-endian.
#[must_use]
pub fn encode<M: ConstMontyParams<LIMBS>>(element: &Felt<M>) -> [u8; ELEMENT_LEN] {
    let mut bytes = [0; ELEMENT_LEN];
    bytes.copy_from_slice(element.retrieve().to_be_bytes().as_ref());
    bytes
}

/// The number that these bytes are, big-endian and of any length, modulo the prime.
#[must_use]
pub fn reduce<M: ConstMontyParams<LIMBS>>(bytes: &[u8]) -> Felt<M> {
    let small = |number: u128| Felt::<M>::new(&U256::from_u128(number));
    let byte = small(1 << 8);
    let sixteen = small(1 << 64) * small(1 << 64);
    let (first, rest) = bytes.split_at(bytes.len() % 16);
    let first = first
        .iter()
        .fold(Felt::<M>::ZERO, |sum, b| sum * byte + small((*b).into()));
    rest.chunks_exact(16).fold(first, |sum, chunk| {
        let chunk = chunk.try_into().unwrap_or_default();
        sum * sixteen + small(u128::from_be_bytes(chunk))
    })
}

/// A small number.
#[must_use]
pub fn small(number: u8) -> Fe {
    Fe::new(&U256::from_u8(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const P: [u8; 32] = {
        let mut p = [0xff; 32];
        let mut i = 4;
        while i < 20 {
            p[i] = 0;
            i += 1;
        }
        p[7] = 1;
        p
    };

    #[test]
    fn there_is_one_encoding_of_each_element() {
        let mut below = P;
        below[31] -= 1;
        assert_eq!(encode(&decode::<P256Base>(&below).unwrap()), below);
        let mut above = P;
        above[20] = 0xff;
        for bad in [&P[..], &above, &[0xff; 32], &below[1..], &[0; 33], &[]] {
            assert_eq!(decode::<P256Base>(bad), Err(Error::Encoding), "{bad:02x?}");
        }
        assert_eq!(reduce::<P256Base>(&P), Fe::ZERO);
        assert_eq!(reduce::<P256Base>(&below) + small(1), Fe::ZERO);
    }

    proptest! {
        #[test]
        fn reduction_is_what_long_division_of_the_bytes_gives(bytes: Vec<u8>) {
            let by_bytes = bytes
                .iter()
                .fold(Fe::ZERO, |sum, b| sum * Fe::new(&U256::from_u16(256)) + small(*b));
            prop_assert_eq!(reduce::<P256Base>(&bytes), by_bytes);
        }
    }
}
