// What client ids and challenge ids look like; the vectors say whether the patterns are right.

/** The syntax of a client id: every rule of it, beginnings that hosts keep for themselves included. */
export const CLIENT_ID_PATTERN =
  /^(?!2fapi|twofapi)(?!.{129})[A-Za-z0-9](?:\.(?!\.)|[A-Za-z0-9_@+-])*$(?![\r\n])/i;

/** The name of a challenge at a host: `ch-`, 8 hex digits expiry, 16 hex digits at random. */
export const CHALLENGE_ID_PATTERN = /^ch-[0-9a-f]{24}$(?![\r\n])/;
