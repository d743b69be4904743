// Every constant of the suite. Lengths are in bytes unless a name says otherwise.
// Written by `cargo run -p twofapi-spec -- constants` from what crypto-core says: change it there.

/** The suite's name, first field of every transcript. */
export const SUITE = '2FApi-v1.0-Sigma';

/** Domain of the hash that turns a transcript into the challenge scalar. */
export const TRANSCRIPT_DST = '2FApi-Sigma-Transcript-v1';

/** Domain of the derivation of the generator H. */
export const GENERATOR_H_DST = '2FApi-Pedersen-GeneratorH-v1';

/** Domain of the computation of a challenge's nonce from its id and the host's key. */
export const CHALLENGE_DST = '2FApi-v1.0-Challenge';

/** Domain of the credential of a recovery phrase. */
export const RECOVERY_DST = '2FApi-v1.0-RecoveryPhrase';

/** The generator G in hex: the base point of RFC 9496. */
export const GENERATOR_G_HEX = 'e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76';

/** The generator H in hex: the RFC 9496 element derivation of SHA-512({@link GENERATOR_H_DST}). */
export const GENERATOR_H_HEX = '108d531fa5f818c6ca355d785fd7da880552914e1b550bd0c3846f3e5518142f';

/** Length of an encoded group element: a commitment, an announcement, a generator. */
export const ELEMENT_LENGTH = 32;

/** Length of an encoded scalar: a secret, a blinding, a response, the challenge scalar. */
export const SCALAR_LENGTH = 32;

/** Length of a proof: announcement, response z_s, response z_r. */
export const PROOF_LENGTH = 96;

/** Length of the entropy that a recovery phrase holds. */
export const RECOVERY_ENTROPY_LENGTH = 32;

/** Length of the nonce that hosts of this project issue. */
export const NONCE_ISSUED_LENGTH = 16;

/** The shortest nonce that a verifier accepts. */
export const NONCE_MIN_LENGTH = 16;

/** The longest nonce that a verifier accepts. */
export const NONCE_MAX_LENGTH = 64;

/** The longest channel binding, whatever the purpose. */
export const CHANNEL_BINDING_MAX_LENGTH = 1024;

/** The channel binding of an enrolment, whose nonce is empty. */
export const ENROLLMENT_BINDING = 'enrollment';

/** What the channel binding of a rotation begins with. The new commitment follows. */
export const ROTATION_BINDING_PREFIX = 'rotation:';

/** What the channel binding towards a host with an audience begins with. The audience follows. */
export const AUDIENCE_BINDING_PREFIX = 'aud:';

/** The longest audience: visible ASCII characters, for an HTTP host its origin. */
export const AUDIENCE_MAX_LENGTH = 512;

/** The longest client id in characters, each of which is one byte. */
export const CLIENT_ID_MAX_LENGTH = 128;

/** Length of the key from which a host computes its challenges. */
export const CHALLENGE_KEY_LENGTH = 32;

/** How long a challenge lives if the host is not told otherwise, in seconds. */
export const CHALLENGE_TTL_DEFAULT_SECONDS = 120;

/** The longest life of a challenge in seconds. */
export const CHALLENGE_TTL_MAX_SECONDS = 900;

/** How wrong a host's reading of a shared clock may be at most, in seconds. */
export const CHALLENGE_SKEW_MAX_SECONDS = 60;

/** Length of a root, from which a host derives challenge keys. */
export const ROOT_LENGTH = 32;

/** Length of the epoch of a set of spent challenges. */
export const EPOCH_LENGTH = 16;

/** Every code of the protocol, in the order of the specification. */
export const ERROR_CODES = [
  'invalid_client_id',
  'invalid_length',
  'invalid_encoding',
  'already_enrolled',
  'not_enrolled',
  'not_active',
  'throttled',
  'denied',
  'unavailable',
] as const;

/** The HTTP status of each code that is shown over HTTP; the last ones are of HTTP alone. */
export const HTTP_STATUS = {
  invalid_client_id: 400,
  invalid_length: 400,
  invalid_encoding: 400,
  already_enrolled: 409,
  throttled: 429,
  denied: 401,
  unavailable: 503,
  insufficient_scope: 403,
  malformed_request: 400,
  payload_too_large: 413,
  unsupported_media_type: 415,
  method_not_allowed: 405,
  request_timeout: 408,
  not_found: 404,
  internal_error: 500,
} as const;
