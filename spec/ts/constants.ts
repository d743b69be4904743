// Every constant of the suite. Lengths are in bytes unless a name says otherwise.

/** The suite's name, first field of every transcript. */
export const SUITE = '2FApi-v1.0-Sigma';

/** Domain of the hash that turns a transcript into the challenge scalar. */
export const TRANSCRIPT_DST = '2FApi-Sigma-Transcript-v1';

/** Domain of the derivation of the generator H. */
export const GENERATOR_H_DST = '2FApi-Pedersen-GeneratorH-v1';

/** Domain of the computation of a challenge's nonce from its id and the host's key. */
export const CHALLENGE_DST = '2FApi-v1.0-Challenge';

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

/** The syntax of a client id: every rule of it, beginnings that hosts keep for themselves included. */
export const CLIENT_ID_PATTERN =
  /^(?!2fapi|twofapi)(?!.{129})[A-Za-z0-9](?:\.(?!\.)|[A-Za-z0-9_@+-])*$(?![\r\n])/i;

/** The name of a challenge at a host: `ch-`, 8 hex digits expiry, 16 hex digits at random. */
export const CHALLENGE_ID_PATTERN = /^ch-[0-9a-f]{24}$(?![\r\n])/;

/** Length of the key from which a host computes its challenges. */
export const CHALLENGE_KEY_LENGTH = 32;

/** How long a challenge lives if the host is not told otherwise, in seconds. */
export const CHALLENGE_TTL_DEFAULT_SECONDS = 120;

/** The longest life of a challenge in seconds. */
export const CHALLENGE_TTL_MAX_SECONDS = 900;

/** The largest request body of the HTTP resources. */
export const BODY_MAX_LENGTH = 16_384;

/** Where the HTTP resources are. */
export const PATHS = {
  enroll: '/auth/zkp/enroll',
  challenge: '/auth/zkp/challenge',
  verify: '/auth/zkp/verify',
  rotate: '/auth/zkp/rotate',
  whoami: '/auth/zkp/whoami',
  jwks: '/.well-known/jwks.json',
  health: '/healthz',
} as const;
