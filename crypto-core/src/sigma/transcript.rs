//! The transcript that a proof is about, byte for byte, and the challenge scalar hashed from it.

use alloc::vec::Vec;

use curve25519_dalek::Scalar;
use sha2::{Digest, Sha512};

use crate::{
    GENERATOR_G, GENERATOR_H,
    group::ELEMENT_LEN,
    sigma::statement::{Context, Statement},
};

/// The suite's name, first field of every transcript.
pub const SUITE: &[u8] = b"2FApi-v1.0-Sigma";

/// Domain of the hash that turns a transcript into the challenge scalar.
pub const TRANSCRIPT_DST: &[u8] = b"2FApi-Sigma-Transcript-v1";

/// LP(suite) ‖ LP(G) ‖ LP(H), the same for every proof. With [`TRANSCRIPT_DST`] before it that is
/// 117 bytes, short of one SHA-512 block, so keeping the hash state after it would save nothing.
const HEAD: [u8; 4 + SUITE.len() + 2 * (4 + ELEMENT_LEN)] = {
    let mut head = [0; 4 + SUITE.len() + 2 * (4 + ELEMENT_LEN)];
    let mut at = 3;
    head[at] = SUITE.len() as u8;
    at += 1;
    let mut i = 0;
    while i < SUITE.len() {
        head[at + i] = SUITE[i];
        i += 1;
    }
    at += SUITE.len();
    let generators = [GENERATOR_G, GENERATOR_H];
    let mut g = 0;
    while g < 2 {
        head[at + 3] = ELEMENT_LEN as u8;
        at += 4;
        i = 0;
        while i < ELEMENT_LEN {
            head[at + i] = generators[g][i];
            i += 1;
        }
        at += ELEMENT_LEN;
        g += 1;
    }
    head
};

/// Hands the transcript to `write`, piece by piece and in order.
fn each_piece(
    commitment: &[u8; ELEMENT_LEN],
    announcement: &[u8; ELEMENT_LEN],
    context: &Context<'_>,
    mut write: impl FnMut(&[u8]),
) {
    write(&HEAD);
    for element in [commitment, announcement] {
        write(&(ELEMENT_LEN as u32).to_be_bytes());
        write(element);
    }
    context.each_piece(write);
}

impl Context<'_> {
    /// LP(clientId) ‖ LP(nonce) ‖ LP(channelBinding). Every part is at most 1024 bytes, so that
    /// the lengths fit in four bytes.
    pub(crate) fn each_piece(&self, mut write: impl FnMut(&[u8])) {
        for field in [self.client_id, self.nonce] {
            write(&(field.len() as u32).to_be_bytes());
            write(field);
        }
        let binding_len: usize = self.channel_binding.iter().map(|part| part.len()).sum();
        write(&(binding_len as u32).to_be_bytes());
        for part in self.channel_binding {
            write(part);
        }
    }
}

/// The transcript of a proof: LP(suite) ‖ LP(G) ‖ LP(H) ‖ LP(C) ‖ LP(A) ‖ LP(clientId) ‖ LP(nonce)
/// ‖ LP(channelBinding), where LP(x) is the length of x as 4 bytes, big-endian, then x.
#[must_use]
pub fn transcript(
    commitment: &[u8; ELEMENT_LEN],
    announcement: &[u8; ELEMENT_LEN],
    statement: &(impl Statement + ?Sized),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    each_piece(commitment, announcement, &statement.context(), |piece| {
        bytes.extend_from_slice(piece);
    });
    bytes
}

/// c = SHA-512([`TRANSCRIPT_DST`] ‖ transcript), 64 bytes little-endian, reduced modulo the group
/// order.
pub(crate) fn challenge_scalar(
    commitment: &[u8; ELEMENT_LEN],
    announcement: &[u8; ELEMENT_LEN],
    context: &Context<'_>,
) -> Scalar {
    let mut hash = Sha512::new_with_prefix(TRANSCRIPT_DST);
    each_piece(commitment, announcement, context, |piece| {
        hash.update(piece);
    });
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authentication, AuthenticationBinding, ClientId, Commitment, Nonce, Rotation};
    use proptest::prelude::*;

    fn lp(field: &[u8]) -> Vec<u8> {
        [&(field.len() as u32).to_be_bytes()[..], field].concat()
    }

    #[test]
    fn the_head_is_the_three_constant_fields() {
        assert_eq!(
            HEAD[..],
            [lp(SUITE), lp(&GENERATOR_G), lp(&GENERATOR_H)].concat()
        );
        assert_eq!(TRANSCRIPT_DST.len() + HEAD.len(), 117);
    }

    #[test]
    fn a_rotation_binding_is_one_field() {
        let id = ClientId::parse("a").unwrap();
        let nonce = Nonce::from_bytes(&[1; 16]).unwrap();
        let new = Commitment::from_bytes(&GENERATOR_G).unwrap();
        let binding = AuthenticationBinding::from_bytes(b"aud:x").unwrap();
        let statement = Rotation::new(&id, &nonce, &new, &binding).unwrap();
        let tail = lp(&[&b"rotation:"[..], &GENERATOR_G, b"aud:x"].concat());
        assert!(transcript(&[2; 32], &[3; 32], &statement).ends_with(&tail));
    }

    proptest! {
        #[test]
        fn the_transcript_is_the_eight_fields_length_prefixed(
            client in "[a-z]{1,9}",
            nonce in proptest::collection::vec(any::<u8>(), 16..=64),
            binding in proptest::collection::vec(any::<u8>(), 0..64),
            commitment: [u8; 32],
            announcement: [u8; 32],
        ) {
            let client_id = ClientId::parse(&client).unwrap();
            let expected = [
                lp(SUITE), lp(&GENERATOR_G), lp(&GENERATOR_H), lp(&commitment), lp(&announcement),
                lp(client.as_bytes()), lp(&nonce), lp(&binding),
            ].concat();
            let nonce = Nonce::from_bytes(&nonce).unwrap();
            let binding = AuthenticationBinding::from_bytes(&binding).unwrap();
            let statement = Authentication { client_id: &client_id, nonce: &nonce, binding: &binding };
            let actual = transcript(&commitment, &announcement, &statement);
            prop_assert_eq!(&actual, &expected);
            let digest = Sha512::new_with_prefix(TRANSCRIPT_DST).chain_update(&expected).finalize();
            prop_assert_eq!(
                challenge_scalar(&commitment, &announcement, &statement.context()),
                Scalar::from_bytes_mod_order_wide(&digest.into())
            );
        }
    }
}
