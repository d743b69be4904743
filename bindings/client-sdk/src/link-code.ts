/** The code that a first device shows and a second one reads (`spec/protocol.md`, section 12). */
import { type Bytes, fromHex, toHex } from './bytes.js';
import { AUDIENCE_MAX_LENGTH } from './constants.js';
import { TwoFApiError } from './errors.js';

/** What a second device needs to ask to be linked: a capability to ask, to be treated as confidential. */
export interface LinkCode {
  /** `ch-` and 24 hex digits. */
  challengeId: string;
  clientId: string;
  nonce: Bytes;
  audience: string;
}

export const linkCodeOf = ({ challengeId, clientId, nonce, audience }: LinkCode): string =>
  `2fapi-link:1:${challengeId}.${clientId}:${toHex(nonce)}:${audience}`;

const CODE =
  /^2fapi-link:1:(ch-[0-9a-f]{24})\.([A-Za-z0-9][A-Za-z0-9._@+-]{0,127}):((?:[0-9a-f]{2}){16,64}):([\x21-\x7e]+)$/;

/** Reads a code as it is shown, and no other text. The error never quotes it. */
export function readLinkCode(text: unknown): LinkCode {
  const read = typeof text === 'string' ? CODE.exec(text) : null;
  const [, challengeId, clientId, nonce, audience] = read ?? [];
  const isClientId = clientId !== undefined && !clientId.includes('..') && !/^(?:2fapi|twofapi)/i.test(clientId);
  if (!challengeId || !isClientId || !nonce || !audience || audience.length > AUDIENCE_MAX_LENGTH) {
    throw new TwoFApiError(
      'invalid_link_code',
      'that is no link code: take the whole of what the other device shows, which begins with 2fapi-link:1:',
    );
  }
  return { challengeId, clientId, nonce: fromHex('nonce', nonce), audience };
}

/** Reads a code that is for this audience, and no other. Blanks around it come from copying. */
export function linkCodeFor(audience: string, text: unknown): LinkCode {
  const code = readLinkCode(typeof text === 'string' ? text.trim() : text);
  if (code.audience === audience) return code;
  throw new TwoFApiError(
    'wrong_audience',
    `this code is for ${code.audience}, and this client talks to ${audience}: nothing was sent`,
  );
}

/**
 * The code as an image for a camera: an SVG in text, black on white, with neither script nor style in it. Show it
 * as an image (`<img>` with a `data:` or `blob:` address), which needs no trust in its text.
 */
export async function linkCodeSvg(code: string): Promise<string> {
  readLinkCode(code);
  const { svgOf } = await import('./qr.js').catch((cause: unknown) => {
    throw new TwoFApiError('engine_unavailable', 'what draws codes could not be loaded', { cause });
  });
  return svgOf(code);
}
