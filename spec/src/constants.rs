//! The constants of the protocol as TypeScript: what the core says, for the packages that cannot ask it.

use std::fmt::Write;

use twofapi_crypto_core::{
    Audience, AuthenticationBinding, CHANNEL_BINDING_MAX, CLIENT_ID_MAX, ChallengeKey,
    ChallengeTtl, ClientId, Commitment, Credential, ELEMENT_LEN, Enrolment, ErrorCode, GENERATOR_G,
    GENERATOR_H, GENERATOR_H_DST, Nonce, Proof, Rotation, SUITE, Statement, TRANSCRIPT_DST,
    ceremony::{Epoch, Root, Terms},
    transcript,
};

use crate::{ChallengeFile, RecoveryFile};

/// Where the TypeScript is, below the root of the repository: the package of the protocol, and the client, which
/// depends on no package.
pub const TYPESCRIPT_FILES: [&str; 2] = [
    "spec/ts/constants.ts",
    "bindings/client-sdk/src/constants.ts",
];

/// The HTTP status of each code that is shown over HTTP (`protocol.md`, section 13); those that only HTTP has last.
const HTTP_STATUS: [(&str, u16); 15] = [
    ("invalid_client_id", 400),
    ("invalid_length", 400),
    ("invalid_encoding", 400),
    ("already_enrolled", 409),
    ("throttled", 429),
    ("denied", 401),
    ("unavailable", 503),
    ("insufficient_scope", 403),
    ("malformed_request", 400),
    ("payload_too_large", 413),
    ("unsupported_media_type", 415),
    ("method_not_allowed", 405),
    ("request_timeout", 408),
    ("not_found", 404),
    ("internal_error", 500),
];

fn quoted(bytes: &[u8]) -> String {
    format!("'{}'", String::from_utf8_lossy(bytes))
}

/// What every statement of a purpose has in its channel binding.
struct Bindings {
    enrolment: Vec<u8>,
    rotation: Vec<u8>,
    audience: Vec<u8>,
}

/// The channel binding of a statement: the last field of its transcript, each of which is behind its length.
fn binding_of(statement: &impl Statement) -> Vec<u8> {
    let transcript = transcript(&GENERATOR_G, &GENERATOR_G, statement);
    let mut rest = transcript.as_slice();
    let mut last = rest;
    while let Some((length, fields)) = rest.split_first_chunk::<4>() {
        (last, rest) = fields.split_at(u32::from_be_bytes(*length) as usize);
    }
    last.to_vec()
}

impl Bindings {
    /// Asked of the core's own statements: it keeps the texts to itself.
    fn of_the_core() -> Self {
        let client_id = ClientId::parse("a").expect("a client id");
        let nonce = Nonce::from_bytes(&[0; Nonce::MIN]).expect("a nonce");
        let commitment = Commitment::from_bytes(&GENERATOR_G).expect("an element");
        let name = Audience::parse("x").expect("an audience");
        let audience = AuthenticationBinding::for_audience(&name);
        let enrolment = Enrolment {
            client_id: &client_id,
        };
        let none = AuthenticationBinding::none();
        let rotation = Rotation::new(&client_id, &nonce, &commitment, &none).expect("short enough");
        let without = |mut bytes: Vec<u8>, tail: usize| {
            bytes.truncate(bytes.len() - tail);
            bytes
        };
        Self {
            enrolment: binding_of(&enrolment),
            rotation: without(binding_of(&rotation), Commitment::LEN),
            audience: without(audience.as_bytes().to_vec(), name.as_str().len()),
        }
    }
}

/// The module, as it is kept in each of [`TYPESCRIPT_FILES`].
#[must_use]
pub fn typescript() -> String {
    let bindings = Bindings::of_the_core();
    let number = |number: usize| number.to_string();
    let constants = [
        (
            "The suite's name, first field of every transcript.",
            "SUITE",
            quoted(SUITE),
        ),
        (
            "Domain of the hash that turns a transcript into the challenge scalar.",
            "TRANSCRIPT_DST",
            quoted(TRANSCRIPT_DST),
        ),
        (
            "Domain of the derivation of the generator H.",
            "GENERATOR_H_DST",
            quoted(GENERATOR_H_DST),
        ),
        (
            "Domain of the computation of a challenge's nonce from its id and the host's key.",
            "CHALLENGE_DST",
            quoted(ChallengeFile::SUITE.as_bytes()),
        ),
        (
            "Domain of the credential of a recovery phrase.",
            "RECOVERY_DST",
            quoted(RecoveryFile::SUITE.as_bytes()),
        ),
        (
            "The generator G in hex: the base point of RFC 9496.",
            "GENERATOR_G_HEX",
            quoted(hex::encode(GENERATOR_G).as_bytes()),
        ),
        (
            "The generator H in hex: the RFC 9496 element derivation of SHA-512({@link GENERATOR_H_DST}).",
            "GENERATOR_H_HEX",
            quoted(hex::encode(GENERATOR_H).as_bytes()),
        ),
        (
            "Length of an encoded group element: a commitment, an announcement, a generator.",
            "ELEMENT_LENGTH",
            number(ELEMENT_LEN),
        ),
        (
            "Length of an encoded scalar: a secret, a blinding, a response, the challenge scalar.",
            "SCALAR_LENGTH",
            number(Credential::LEN / 2),
        ),
        (
            "Length of a proof: announcement, response z_s, response z_r.",
            "PROOF_LENGTH",
            number(Proof::LEN),
        ),
        (
            "Length of the entropy that a recovery phrase holds.",
            "RECOVERY_ENTROPY_LENGTH",
            number(Credential::RECOVERY_ENTROPY_LEN),
        ),
        (
            "Length of the nonce that hosts of this project issue.",
            "NONCE_ISSUED_LENGTH",
            number(Nonce::ISSUED_LEN),
        ),
        (
            "The shortest nonce that a verifier accepts.",
            "NONCE_MIN_LENGTH",
            number(Nonce::MIN),
        ),
        (
            "The longest nonce that a verifier accepts.",
            "NONCE_MAX_LENGTH",
            number(Nonce::MAX),
        ),
        (
            "The longest channel binding, whatever the purpose.",
            "CHANNEL_BINDING_MAX_LENGTH",
            number(CHANNEL_BINDING_MAX),
        ),
        (
            "The channel binding of an enrolment, whose nonce is empty.",
            "ENROLLMENT_BINDING",
            quoted(&bindings.enrolment),
        ),
        (
            "What the channel binding of a rotation begins with. The new commitment follows.",
            "ROTATION_BINDING_PREFIX",
            quoted(&bindings.rotation),
        ),
        (
            "What the channel binding towards a host with an audience begins with. The audience follows.",
            "AUDIENCE_BINDING_PREFIX",
            quoted(&bindings.audience),
        ),
        (
            "The longest audience: visible ASCII characters, for an HTTP host its origin.",
            "AUDIENCE_MAX_LENGTH",
            number(Audience::MAX),
        ),
        (
            "The longest client id in characters, each of which is one byte.",
            "CLIENT_ID_MAX_LENGTH",
            number(CLIENT_ID_MAX),
        ),
        (
            "Length of the key from which a host computes its challenges.",
            "CHALLENGE_KEY_LENGTH",
            number(ChallengeKey::LEN),
        ),
        (
            "How long a challenge lives if the host is not told otherwise, in seconds.",
            "CHALLENGE_TTL_DEFAULT_SECONDS",
            ChallengeTtl::default().seconds().to_string(),
        ),
        (
            "The longest life of a challenge in seconds.",
            "CHALLENGE_TTL_MAX_SECONDS",
            ChallengeTtl::MAX_SECONDS.to_string(),
        ),
        (
            "How wrong a host's reading of a shared clock may be at most, in seconds.",
            "CHALLENGE_SKEW_MAX_SECONDS",
            Terms::MAX_SKEW.to_string(),
        ),
        (
            "Length of a root, from which a host derives challenge keys.",
            "ROOT_LENGTH",
            number(Root::LEN),
        ),
        (
            "Length of the epoch of a set of spent challenges.",
            "EPOCH_LENGTH",
            number(Epoch::LEN),
        ),
    ];
    let mut text = String::from(
        "// Every constant of the suite. Lengths are in bytes unless a name says otherwise.\n\
         // Written by `cargo run -p twofapi-spec -- constants` from what crypto-core says: change it there.\n",
    );
    for (what, name, value) in constants {
        let _ = write!(text, "\n/** {what} */\nexport const {name} = {value};\n");
    }
    text.push_str(
        "\n/** Every code of the protocol, in the order of the specification. */\nexport const ERROR_CODES = [\n",
    );
    for code in ErrorCode::ALL {
        let _ = writeln!(text, "  '{}',", code.as_str());
    }
    text.push_str(
        "] as const;\n\n/** The HTTP status of each code that is shown over HTTP; the last ones are of HTTP alone. */\n\
         export const HTTP_STATUS = {\n",
    );
    for (code, status) in HTTP_STATUS {
        let _ = writeln!(text, "  {code}: {status},");
    }
    text.push_str("} as const;\n");
    text
}
