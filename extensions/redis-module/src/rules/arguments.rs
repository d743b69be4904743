//! The arguments of the commands, parsed once into types that cannot hold a bad value.

use twofapi_crypto_core::{Commitment, Error, Proof};

use super::acl_user::AclUser;

/// What `2FAPI.ENROLL client commitment` may be followed by, in any order.
#[derive(Debug, Default)]
pub(crate) struct EnrolOptions {
    pub(crate) proof: Option<Proof>,
    pub(crate) user: Option<AclUser>,
}

/// Why arguments were not understood.
#[derive(Debug)]
pub(crate) enum Misread {
    /// Redis's own words for it.
    Syntax,
    Value(Error),
}

impl From<Error> for Misread {
    fn from(error: Error) -> Self {
        Self::Value(error)
    }
}

impl EnrolOptions {
    pub(crate) fn parse(arguments: &[&[u8]]) -> Result<Self, Misread> {
        let mut options = Self::default();
        for pair in arguments.chunks(2) {
            let &[name, value] = pair else {
                return Err(Misread::Syntax);
            };
            if name.eq_ignore_ascii_case(b"PROOF") && options.proof.is_none() {
                options.proof = Some(proof("proof", value)?);
            } else if name.eq_ignore_ascii_case(b"USER") && options.user.is_none() {
                options.user = Some(AclUser::parse(value)?);
            } else {
                return Err(Misread::Syntax);
            }
        }
        Ok(options)
    }
}

pub(crate) fn commitment(argument: &[u8]) -> Result<Commitment, Error> {
    let bytes: [u8; Commitment::LEN] = hex("commitment", "64 hex digits", argument)?;
    Commitment::from_bytes(&bytes)
}

pub(crate) fn proof(what: &'static str, argument: &[u8]) -> Result<Proof, Error> {
    let bytes: [u8; Proof::LEN] = hex(what, "192 hex digits", argument)?;
    Proof::from_bytes(&bytes)
}

fn hex<const N: usize>(
    what: &'static str,
    expected: &'static str,
    argument: &[u8],
) -> Result<[u8; N], Error> {
    if argument.len() != 2 * N {
        return Err(Error::InvalidLength {
            what,
            expected,
            actual: argument.len(),
        });
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(argument, &mut bytes)
        .map_err(|_| Error::InvalidEncoding { what, expected })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use twofapi_crypto_core::GENERATOR_G;

    #[test]
    fn a_commitment_is_hex_of_either_case() {
        let text = hex::encode(GENERATOR_G);
        assert!(commitment(text.as_bytes()).is_ok());
        assert!(commitment(text.to_uppercase().as_bytes()).is_ok());
        let messages = [&text.as_bytes()[1..], b"", b"0x", &[b'g'; 64], &[b'0'; 64]]
            .map(|bad| commitment(bad).unwrap_err().to_string());
        assert_eq!(messages[0], "commitment must be 64 hex digits, got 63");
        assert_eq!(messages[3], "commitment must be 64 hex digits");
        assert!(messages[4].contains("identity"), "{}", messages[4]);
    }

    #[test]
    fn options_come_in_any_order_and_once() {
        let user = EnrolOptions::parse(&[b"user", b"app"]).unwrap();
        assert!(user.user.is_some() && user.proof.is_none());
        assert!(EnrolOptions::parse(&[]).is_ok());
        for bad in [
            &[&b"USER"[..]][..],
            &[b"WHAT", b"x"],
            &[b"USER", b"a", b"USER", b"b"],
        ] {
            assert!(matches!(EnrolOptions::parse(bad), Err(Misread::Syntax)));
        }
        assert!(matches!(
            EnrolOptions::parse(&[b"PROOF", b"00"]),
            Err(Misread::Value(_))
        ));
    }

    proptest! {
        #[test]
        fn arbitrary_arguments_never_panic(argument: Vec<u8>) {
            let _ = (commitment(&argument), proof("proof", &argument));
            let _ = EnrolOptions::parse(&[&argument, &argument]);
        }
    }
}
