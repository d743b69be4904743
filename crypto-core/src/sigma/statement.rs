//! What a proof is about: the purpose is a type, so that a proof for one can never be checked as
//! another.

use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr};

use crate::{ClientId, Commitment, Error};

/// The longest channel binding in bytes, whatever the purpose.
pub const CHANNEL_BINDING_MAX: usize = 1024;

pub(crate) const ENROLMENT_BINDING: &[u8] = b"enrollment";
pub(crate) const ROTATION_PREFIX: &[u8] = b"rotation:";
/// What follows the prefix, where it is no commitment: no element is encoded with an odd first byte
/// (RFC 9496, 4.3.1), so that no rotation has such a binding.
const LINKING_PREFIX: &[u8] = b"rotation:\x01";
const UNLINKING_PREFIX: &[u8] = b"rotation:\x03";
const JOINING_PREFIX: &[u8] = b"rotation:\x05";
const AUDIENCE_PREFIX: &[u8] = b"aud:";
const DPOP_PREFIX: &[u8] = b"dpop:";

/// The nonce of an authentication or a rotation: 16 to 64 bytes. Hosts of this project issue 16.
#[derive(Clone, Copy)]
pub struct Nonce {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Nonce {
    /// What a host issues, in bytes.
    pub const ISSUED_LEN: usize = 16;
    /// The shortest nonce that a verifier accepts, in bytes.
    pub const MIN: usize = 16;
    /// The longest nonce that a verifier accepts, in bytes.
    pub const MAX: usize = 64;

    /// Checks the length.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] outside 16 to 64 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if !(Self::MIN..=Self::MAX).contains(&bytes.len()) {
            return Err(Error::InvalidLength {
                what: "nonce",
                expected: "16 to 64 bytes",
                actual: bytes.len(),
            });
        }
        let mut nonce = Self {
            bytes: [0; Self::MAX],
            len: bytes.len() as u8,
        };
        nonce.bytes[..bytes.len()].copy_from_slice(bytes);
        Ok(nonce)
    }

    pub(crate) fn issued(issued: [u8; Self::ISSUED_LEN]) -> Self {
        let mut bytes = [0; Self::MAX];
        bytes[..Self::ISSUED_LEN].copy_from_slice(&issued);
        Self {
            bytes,
            len: Self::ISSUED_LEN as u8,
        }
    }

    /// The bytes, 16 to 64 of them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl PartialEq for Nonce {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Nonce {}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(")?;
        for byte in self.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// The name that a host answers to, which a proof is bound to: 1 to 512 visible ASCII characters.
/// For an HTTP host it is the origin, such as `https://api.example.com`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Audience(String);

impl Audience {
    /// The longest audience in characters (each is one byte).
    pub const MAX: usize = 512;

    /// Checks length and characters.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] when empty or too long, [`Error::InvalidEncoding`] for blanks,
    /// control characters and what is not ASCII.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.len() > Self::MAX {
            return Err(Error::InvalidLength {
                what: "audience",
                expected: "1 to 512 characters",
                actual: text.len(),
            });
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::InvalidEncoding {
                what: "audience",
                expected: "visible ASCII characters without blanks, such as https://api.example.com",
            });
        }
        Ok(Self(text.into()))
    }

    /// The audience as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Audience {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

/// The channel binding of an authentication: what the two ends know of each other beyond the nonce.
/// Up to 1024 bytes, never `enrollment` and never beginning with `rotation:`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct AuthenticationBinding(Vec<u8>);

impl AuthenticationBinding {
    /// Length of a `tls-exporter` value in bytes.
    pub const EXPORTER_LEN: usize = 32;

    /// No binding: what v1.0 clients send to a host without an audience.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Bound to the host's audience: `"aud:" ‖ audience`, so that a rogue host cannot pass on
    /// another host's nonce.
    #[must_use]
    pub fn for_audience(audience: &Audience) -> Self {
        Self([AUDIENCE_PREFIX, audience.as_str().as_bytes()].concat())
    }

    /// Any bytes that an authentication may be bound to.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] beyond 1024 bytes; [`Error::InvalidEncoding`] for what belongs to
    /// the other purposes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > CHANNEL_BINDING_MAX {
            return Err(too_long(bytes.len()));
        }
        if bytes == ENROLMENT_BINDING || bytes.starts_with(ROTATION_PREFIX) {
            return Err(Error::InvalidEncoding {
                what: "channel binding",
                expected: "other than \"enrollment\" and not beginning with \"rotation:\"",
            });
        }
        Ok(Self(bytes.into()))
    }

    /// Also bound to the TLS connection: LP(exporter) is appended, the `tls-exporter` value of
    /// RFC 9266.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] for another size than the 32 bytes of RFC 9266, and beyond 1024 bytes
    /// in all.
    pub fn with_exporter(mut self, exporter: &[u8]) -> Result<Self, Error> {
        if exporter.len() != Self::EXPORTER_LEN {
            return Err(Error::InvalidLength {
                what: "exporter",
                expected: "32 bytes",
                actual: exporter.len(),
            });
        }
        let total = self.0.len() + 4 + exporter.len();
        if total > CHANNEL_BINDING_MAX {
            return Err(too_long(total));
        }
        self.0
            .extend_from_slice(&(exporter.len() as u32).to_be_bytes());
        self.0.extend_from_slice(exporter);
        Ok(self)
    }

    /// Also bound to the key that the token is to be bound to (RFC 9449): LP("dpop:" ‖ thumbprint) is appended, the
    /// thumbprint being that of RFC 7638 with SHA-256. Comes after the exporter, where there is one.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] beyond 1024 bytes in all.
    pub fn with_dpop(mut self, thumbprint: &[u8; 32]) -> Result<Self, Error> {
        let len = DPOP_PREFIX.len() + thumbprint.len();
        let total = self.0.len() + 4 + len;
        if total > CHANNEL_BINDING_MAX {
            return Err(too_long(total));
        }
        self.0.extend_from_slice(&(len as u32).to_be_bytes());
        self.0.extend_from_slice(DPOP_PREFIX);
        self.0.extend_from_slice(thumbprint);
        Ok(self)
    }

    /// The bytes that go into the transcript.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

const fn too_long(actual: usize) -> Error {
    Error::InvalidLength {
        what: "channel binding",
        expected: "at most 1024 bytes",
        actual,
    }
}

/// The part of the transcript that a statement gives: LP(clientId) ‖ LP(nonce) ‖
/// LP(channelBinding), the last in pieces so that nothing need be copied.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub(crate) client_id: &'a [u8],
    pub(crate) nonce: &'a [u8],
    pub(crate) channel_binding: [&'a [u8]; 3],
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Enrolment<'_> {}
    impl Sealed for super::Authentication<'_> {}
    impl Sealed for super::Rotation<'_> {}
    impl Sealed for super::Linking<'_> {}
    impl Sealed for super::Unlinking<'_> {}
    impl Sealed for super::Joining<'_> {}
    impl Sealed for super::Stated<'_> {}
}

/// What can be proven: [`Enrolment`], [`Authentication`], [`Rotation`], [`Linking`], [`Unlinking`] or
/// [`Joining`], and nothing else.
pub trait Statement: sealed::Sealed {
    /// What the statement puts into the transcript.
    fn context(&self) -> Context<'_>;
}

/// "I hold the secret of the commitment that I ask to enrol under this client id": nonce empty,
/// channel binding `enrollment`.
#[derive(Clone, Copy, Debug)]
pub struct Enrolment<'a> {
    /// The id to be enrolled.
    pub client_id: &'a ClientId,
}

impl Statement for Enrolment<'_> {
    fn context(&self) -> Context<'_> {
        Context {
            client_id: self.client_id.as_bytes(),
            nonce: &[],
            channel_binding: [ENROLMENT_BINDING, &[], &[]],
        }
    }
}

/// "I hold the secret of this client's commitment, now, towards this host."
#[derive(Clone, Copy, Debug)]
pub struct Authentication<'a> {
    /// Who proves.
    pub client_id: &'a ClientId,
    /// The nonce of a challenge that the host issued.
    pub nonce: &'a Nonce,
    /// What the host and the client know of each other.
    pub binding: &'a AuthenticationBinding,
}

impl Statement for Authentication<'_> {
    fn context(&self) -> Context<'_> {
        Context {
            client_id: self.client_id.as_bytes(),
            nonce: self.nonce.as_bytes(),
            channel_binding: [self.binding.as_bytes(), &[], &[]],
        }
    }
}

/// "I hold the secret of this client's commitment, and ask that it be replaced by this other one":
/// channel binding `"rotation:" ‖ new commitment ‖ authentication binding`.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    client_id: &'a ClientId,
    nonce: &'a Nonce,
    new_commitment: &'a Commitment,
    binding: &'a AuthenticationBinding,
}

impl<'a> Rotation<'a> {
    /// The statement for a challenge's nonce and the host's authentication binding.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] when the authentication binding leaves no room for the prefix and
    /// the commitment within 1024 bytes (it may have 983).
    pub fn new(
        client_id: &'a ClientId,
        nonce: &'a Nonce,
        new_commitment: &'a Commitment,
        binding: &'a AuthenticationBinding,
    ) -> Result<Self, Error> {
        Self::permits_binding(binding)?;
        Ok(Self::permitted(client_id, nonce, new_commitment, binding))
    }

    /// Whether the binding leaves room for the prefix and the commitment.
    pub(crate) fn permits_binding(binding: &AuthenticationBinding) -> Result<(), Error> {
        let total = ROTATION_PREFIX.len() + Commitment::LEN + binding.as_bytes().len();
        if total > CHANNEL_BINDING_MAX {
            return Err(too_long(total));
        }
        Ok(())
    }

    /// The statement for a binding that was found to leave room.
    pub(crate) const fn permitted(
        client_id: &'a ClientId,
        nonce: &'a Nonce,
        new_commitment: &'a Commitment,
        binding: &'a AuthenticationBinding,
    ) -> Self {
        Self {
            client_id,
            nonce,
            new_commitment,
            binding,
        }
    }

    /// Who proves.
    #[must_use]
    pub const fn client_id(&self) -> &'a ClientId {
        self.client_id
    }

    /// What the commitment is to be replaced by.
    #[must_use]
    pub const fn new_commitment(&self) -> &'a Commitment {
        self.new_commitment
    }
}

impl Statement for Rotation<'_> {
    fn context(&self) -> Context<'_> {
        Context {
            client_id: self.client_id.as_bytes(),
            nonce: self.nonce.as_bytes(),
            channel_binding: [
                ROTATION_PREFIX,
                self.new_commitment.as_bytes(),
                self.binding.as_bytes(),
            ],
        }
    }
}

/// Whether prefix, further bytes and binding fit together.
fn leaves_room(
    prefix: &[u8],
    further: usize,
    binding: &AuthenticationBinding,
) -> Result<(), Error> {
    let total = prefix.len() + further + binding.as_bytes().len();
    if total > CHANNEL_BINDING_MAX {
        return Err(too_long(total));
    }
    Ok(())
}

macro_rules! about_another_commitment {
    ($(#[$doc:meta])* $name:ident, $prefix:ident, $(#[$of:meta])* $commitment:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<'a> {
            client_id: &'a ClientId,
            nonce: &'a Nonce,
            $commitment: &'a [u8; Commitment::LEN],
            binding: &'a AuthenticationBinding,
        }

        impl<'a> $name<'a> {
            /// The statement for a challenge's nonce and the host's authentication binding.
            ///
            /// # Errors
            /// [`Error::InvalidLength`] when the authentication binding leaves no room for the prefix
            /// and the commitment within 1024 bytes (it may have 982).
            pub fn new(
                client_id: &'a ClientId,
                nonce: &'a Nonce,
                $commitment: &'a [u8; Commitment::LEN],
                binding: &'a AuthenticationBinding,
            ) -> Result<Self, Error> {
                Self::permits_binding(binding)?;
                Ok(Self::permitted(client_id, nonce, $commitment, binding))
            }

            /// Whether the binding leaves room for the prefix and the commitment.
            pub(crate) fn permits_binding(binding: &AuthenticationBinding) -> Result<(), Error> {
                leaves_room($prefix, Commitment::LEN, binding)
            }

            /// The statement for a binding that was found to leave room.
            pub(crate) const fn permitted(
                client_id: &'a ClientId,
                nonce: &'a Nonce,
                $commitment: &'a [u8; Commitment::LEN],
                binding: &'a AuthenticationBinding,
            ) -> Self {
                Self { client_id, nonce, $commitment, binding }
            }

            /// Who proves.
            #[must_use]
            pub const fn client_id(&self) -> &'a ClientId {
                self.client_id
            }

            $(#[$of])*
            #[must_use]
            pub const fn $commitment(&self) -> &'a [u8; Commitment::LEN] {
                self.$commitment
            }
        }

        impl Statement for $name<'_> {
            fn context(&self) -> Context<'_> {
                Context {
                    client_id: self.client_id.as_bytes(),
                    nonce: self.nonce.as_bytes(),
                    channel_binding: [$prefix, self.$commitment, self.binding.as_bytes()],
                }
            }
        }
    };
}

about_another_commitment! {
    /// "I hold one of this client's credentials, and ask that this other one be added to them": channel
    /// binding `"rotation:" ‖ 01 ‖ new commitment ‖ authentication binding`.
    Linking, LINKING_PREFIX,
    /// The commitment that is to be added.
    new_commitment
}

about_another_commitment! {
    /// "I hold one of this client's credentials, and ask that this one be taken away": channel binding
    /// `"rotation:" ‖ 03 ‖ commitment that is to go ‖ authentication binding`.
    Unlinking, UNLINKING_PREFIX,
    /// The commitment that is to go.
    old_commitment
}

/// "I hold the secret of the commitment that is to be added to this client, and ask for it now, at this
/// host": proven by the new credential, with channel binding `"rotation:" ‖ 05 ‖ authentication binding`.
#[derive(Clone, Copy, Debug)]
pub struct Joining<'a> {
    client_id: &'a ClientId,
    nonce: &'a Nonce,
    binding: &'a AuthenticationBinding,
}

impl<'a> Joining<'a> {
    /// The statement for the nonce of an offer or of the challenge of a link, and the host's
    /// authentication binding.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] when the authentication binding leaves no room for the prefix within
    /// 1024 bytes (it may have 1014).
    pub fn new(
        client_id: &'a ClientId,
        nonce: &'a Nonce,
        binding: &'a AuthenticationBinding,
    ) -> Result<Self, Error> {
        Self::permits_binding(binding)?;
        Ok(Self::permitted(client_id, nonce, binding))
    }

    /// Whether the binding leaves room for the prefix.
    pub(crate) fn permits_binding(binding: &AuthenticationBinding) -> Result<(), Error> {
        leaves_room(JOINING_PREFIX, 0, binding)
    }

    /// The statement for a binding that was found to leave room.
    pub(crate) const fn permitted(
        client_id: &'a ClientId,
        nonce: &'a Nonce,
        binding: &'a AuthenticationBinding,
    ) -> Self {
        Self {
            client_id,
            nonce,
            binding,
        }
    }
}

impl Statement for Joining<'_> {
    fn context(&self) -> Context<'_> {
        Context {
            client_id: self.client_id.as_bytes(),
            nonce: self.nonce.as_bytes(),
            channel_binding: [JOINING_PREFIX, self.binding.as_bytes(), &[]],
        }
    }
}

/// Those that decide an attempt, for what takes them together.
#[derive(Clone, Copy)]
pub(crate) enum Stated<'a> {
    Enrolment(Enrolment<'a>),
    Authentication(Authentication<'a>),
    Rotation(Rotation<'a>),
    Linking(Linking<'a>),
    Unlinking(Unlinking<'a>),
}

impl Statement for Stated<'_> {
    fn context(&self) -> Context<'_> {
        match self {
            Self::Enrolment(statement) => statement.context(),
            Self::Authentication(statement) => statement.context(),
            Self::Rotation(statement) => statement.context(),
            Self::Linking(statement) => statement.context(),
            Self::Unlinking(statement) => statement.context(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn a_nonce_has_16_to_64_bytes() {
        for len in [0, 15, 65] {
            assert_eq!(
                Nonce::from_bytes(&[7; 65][..len]),
                Err(Error::InvalidLength {
                    what: "nonce",
                    expected: "16 to 64 bytes",
                    actual: len
                })
            );
        }
        for len in [16, 24, 64] {
            assert_eq!(
                Nonce::from_bytes(&[7; 64][..len]).unwrap().as_bytes().len(),
                len
            );
        }
    }

    #[test]
    fn an_authentication_binding_cannot_pose_as_another_purpose() {
        for bad in [
            &b"enrollment"[..],
            b"rotation:",
            b"rotation:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ] {
            assert!(matches!(
                AuthenticationBinding::from_bytes(bad),
                Err(Error::InvalidEncoding { .. })
            ));
        }
        for good in [
            &b""[..],
            b"enrollment2",
            b"enrolment",
            b"rotation",
            &[0; 1024],
        ] {
            assert!(AuthenticationBinding::from_bytes(good).is_ok());
        }
        assert!(AuthenticationBinding::from_bytes(&[0; 1025]).is_err());
    }

    #[test]
    fn a_binding_to_a_key_comes_after_the_exporter_and_is_none_of_another_form() {
        let audience = Audience::parse("https://a.example").unwrap();
        let ours = AuthenticationBinding::for_audience(&audience);
        let bound = ours.clone().with_dpop(&[7; 32]).unwrap();
        let expected = [b"aud:https://a.example\0\0\0\x25dpop:", &[7; 32][..]].concat();
        assert_eq!(bound.as_bytes(), expected);
        let exported = ours.clone().with_exporter(&[9; 32]).unwrap();
        let both = exported.clone().with_dpop(&[7; 32]).unwrap();
        assert_eq!(
            both.as_bytes().strip_prefix(exported.as_bytes()),
            Some(&expected[21..])
        );
        // Another key, none, or an exporter of the same bytes is another binding.
        assert_ne!(bound, ours.clone().with_dpop(&[8; 32]).unwrap());
        assert_ne!(bound, ours.with_exporter(&[7; 32]).unwrap());
        let full = AuthenticationBinding::from_bytes(&[1; 1024 - 41]).unwrap();
        assert_eq!(full.with_dpop(&[7; 32]).unwrap().as_bytes().len(), 1024);
        let full = AuthenticationBinding::from_bytes(&[1; 1024 - 40]).unwrap();
        assert!(full.with_dpop(&[7; 32]).is_err());
    }

    #[test]
    fn an_audience_is_visible_ascii() {
        assert_eq!(
            AuthenticationBinding::for_audience(&Audience::parse("https://a.example").unwrap())
                .as_bytes(),
            b"aud:https://a.example"
        );
        for bad in ["", " ", "a b", "a\n", "é", &"x".repeat(513)] {
            assert!(Audience::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_exporter_is_length_prefixed() {
        let binding = AuthenticationBinding::none()
            .with_exporter(&[9; 32])
            .unwrap();
        assert_eq!(binding.as_bytes()[..4], [0, 0, 0, 32]);
        assert_eq!(binding.as_bytes()[4..], [9; 32]);
        for len in [0, 31, 33] {
            assert!(binding.clone().with_exporter(&[9; 33][..len]).is_err());
        }
        let full = AuthenticationBinding::from_bytes(&[0; 1000]).unwrap();
        assert!(full.with_exporter(&[9; 32]).is_err());
    }

    #[test]
    fn a_rotation_leaves_983_bytes_for_the_binding() {
        let id = ClientId::parse("a").unwrap();
        let nonce = Nonce::from_bytes(&[0; 16]).unwrap();
        let commitment = Commitment::from_bytes(&crate::GENERATOR_G).unwrap();
        let fits = AuthenticationBinding::from_bytes(&[0; 983]).unwrap();
        let too_long = AuthenticationBinding::from_bytes(&[0; 984]).unwrap();
        assert!(Rotation::new(&id, &nonce, &commitment, &fits).is_ok());
        assert!(Rotation::new(&id, &nonce, &commitment, &too_long).is_err());
    }

    #[test]
    fn linking_and_unlinking_leave_982_bytes_for_the_binding_and_joining_1014() {
        let id = ClientId::parse("a").unwrap();
        let nonce = Nonce::from_bytes(&[0; 16]).unwrap();
        let commitment = crate::GENERATOR_G;
        let of = |len| AuthenticationBinding::from_bytes(&vec![0; len]).unwrap();
        assert!(Linking::new(&id, &nonce, &commitment, &of(982)).is_ok());
        assert!(Linking::new(&id, &nonce, &commitment, &of(983)).is_err());
        assert!(Unlinking::new(&id, &nonce, &commitment, &of(982)).is_ok());
        assert!(Unlinking::new(&id, &nonce, &commitment, &of(983)).is_err());
        assert!(Joining::new(&id, &nonce, &of(1014)).is_ok());
        assert!(Joining::new(&id, &nonce, &of(1015)).is_err());
    }

    #[test]
    fn what_follows_the_prefix_of_a_link_is_no_commitment_and_no_authentication() {
        let id = ClientId::parse("a").unwrap();
        let nonce = Nonce::from_bytes(&[0; 16]).unwrap();
        let binding = AuthenticationBinding::from_bytes(b"aud:https://a.example").unwrap();
        let bound = |statement: &dyn Statement| statement.context().channel_binding.concat();
        let commitment = crate::GENERATOR_G;
        let linking = Linking::new(&id, &nonce, &commitment, &binding).unwrap();
        let unlinking = Unlinking::new(&id, &nonce, &commitment, &binding).unwrap();
        let joining = Joining::new(&id, &nonce, &binding).unwrap();
        let expected = |byte: u8, commitment: &[u8]| {
            [b"rotation:", &[byte][..], commitment, binding.as_bytes()].concat()
        };
        assert_eq!(bound(&linking), expected(1, &commitment));
        assert_eq!(bound(&unlinking), expected(3, &commitment));
        assert_eq!(bound(&joining), expected(5, &[]));
        for statement in [&linking as &dyn Statement, &unlinking, &joining] {
            let bound = bound(statement);
            // As a host of before would read it: neither an authentication nor a rotation.
            assert!(AuthenticationBinding::from_bytes(&bound).is_err());
            let as_commitment =
                &bound[ROTATION_PREFIX.len()..][..Commitment::LEN.min(bound.len() - 9)];
            assert!(Commitment::from_bytes(as_commitment).is_err());
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1100)) {
            let _ = Nonce::from_bytes(&bytes);
            let _ = AuthenticationBinding::from_bytes(&bytes);
            let _ = Audience::parse(&String::from_utf8_lossy(&bytes));
        }
    }
}
