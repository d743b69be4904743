// Bodies of requests, read in one way whatever framework they come through: flat JSON objects of texts.

import { BODY_MAX_LENGTH } from '@2fapi/protocol-spec';

import { BodyGoneError, ProblemError } from './problem.js';

/** The fields of a request's body. */
export interface Fields {
  /** `client_id`, also known as `user_id`. */
  clientId(): string;
  clientIdIfGiven(): string | undefined;
  text(name: string): string;
  bytes(name: string, length: number): Uint8Array;
  has(name: string): boolean;
}

export const malformed = (detail: string): ProblemError => new ProblemError('malformed_request', detail);

export const tooLarge = (): ProblemError =>
  new ProblemError('payload_too_large', `the body must be at most ${BODY_MAX_LENGTH} bytes`);

/** Reads the fields of a body. Nothing of what it says is repeated in an error. */
export async function fieldsOf(request: Request, names: readonly string[], withClient = true): Promise<Fields> {
  mustBeJson(request.headers);
  const text = await limitedText(request);
  const given = parse(text, withClient ? ['client_id', 'user_id', ...names] : names);
  const field = (name: string): string => {
    const value = given.get(name);
    if (value === undefined) throw malformed(`"${name}" is missing`);
    return value;
  };
  const clientIdIfGiven = (): string | undefined => {
    if (given.has('client_id') && given.has('user_id')) {
      throw malformed('"client_id" and "user_id" are two names of one field; send one of them');
    }
    return given.get('client_id') ?? given.get('user_id');
  };
  const bytes = (name: string, length: number): Uint8Array => {
    const digits = field(name);
    if (digits.length !== 2 * length) {
      throw new ProblemError('invalid_length', `"${name}" must be ${length} bytes, as ${2 * length} hex digits`);
    }
    if (!/^[0-9A-Fa-f]*$/.test(digits)) {
      throw new ProblemError('invalid_encoding', `"${name}" must be hex digits`);
    }
    return Buffer.from(digits, 'hex');
  };
  return {
    text: field,
    has: (name) => given.has(name),
    clientIdIfGiven,
    clientId: () => clientIdIfGiven() ?? field('client_id'),
    bytes,
  };
}

function mustBeJson(headers: Headers): void {
  const [type, ...parameters] = (headers.get('content-type') ?? '').toLowerCase().split(';').map((part) => part.trim());
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice(8).replaceAll('"', '');
  if (type !== 'application/json' || (charset !== undefined && charset !== 'utf-8')) {
    throw new ProblemError('unsupported_media_type', 'the body must be application/json, in UTF-8');
  }
}

/** A flat JSON object of texts, each of its fields there once. */
function parse(text: string, expected: readonly string[]): ReadonlyMap<string, string> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw malformed('the body must be JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw malformed('the body must be a JSON object');
  }
  const entries = Object.entries(body);
  for (const [name, value] of entries) {
    if (!expected.includes(name)) {
      throw malformed(`a field is none of this resource, which takes ${expected.map((it) => `"${it}"`).join(', ')}`);
    }
    if (typeof value !== 'string') throw malformed(`"${name}" must be a string`);
  }
  // JSON.parse keeps the last of several fields of one name. All values are texts, so there are two texts to
  // a field; a field that is there again adds its name at least.
  const texts = text.match(/"(?:[^"\\]|\\.)*"/g) ?? [];
  if (texts.length !== 2 * entries.length) throw malformed('a field is there twice');
  return new Map(entries as [string, string][]);
}

/** Reads no more than a body may have. */
async function limitedText(request: Request): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of (request.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length > BODY_MAX_LENGTH) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof ProblemError || error instanceof BodyGoneError) throw error;
    // Whoever sent it has gone away: no fault of the store's, and nobody is there to hear of it.
    throw malformed('the body ended before it was whole');
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    throw malformed('the body must be UTF-8');
  }
}
