/** One request of the protocol and its answer, which is checked before anything believes it. */
import { viewOf } from './bytes.js';
import { TwoFApiError, serverCode } from './errors.js';
import { aborted, timeLimit, unlessAborted } from './waiting.js';

export type Fetch = (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;

/** Answers of the protocol have some hundred bytes. */
const ANSWER_MAX = 64 * 1024;
const MESSAGE_MAX = 400;

export interface Http {
  base: URL;
  fetch: Fetch;
  timeoutMs: number;
}

export interface Sent {
  token?: string | undefined;
  signal?: AbortSignal | undefined;
}

export const post = (http: Http, path: string, body: object, sent: Sent = {}) =>
  exchange(http, path, { method: 'POST', body: JSON.stringify(body) }, sent);

export const get = (http: Http, path: string, sent: Sent = {}) =>
  exchange(http, path, { method: 'GET' }, sent);

/** Sends JSON and gives the answer's object. No cookies, no cache, no redirects, no referrer. */
async function exchange(
  http: Http,
  path: string,
  init: { method: string; body?: string },
  { token, signal }: Sent,
): Promise<Record<string, unknown>> {
  if (signal?.aborted) throw aborted(signal.reason);
  const ended = new AbortController();
  const headers: Record<string, string> = {};
  if (init.body !== undefined) headers['Content-Type'] = 'application/json';
  if (token !== undefined) headers['Authorization'] = `Bearer ${token}`;
  const request = async () => {
    const response = await http.fetch(new URL(path, http.base), {
      ...init,
      headers,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
      signal: ended.signal,
    });
    if (!isResponse(response)) throw badAnswer('what `fetch` gave is no Response');
    return answered(response, await textOf(response));
  };
  try {
    // Not left to the `fetch` that was given: it may not listen to its signal.
    return await timeLimit(http.timeoutMs, unlessAborted(signal, request()), () => tooLate(http));
  } catch (error) {
    if (error instanceof TwoFApiError) throw error;
    throw new TwoFApiError(
      'network',
      `${http.base.origin} could not be reached, or the connection broke`,
      { cause: error },
    );
  } finally {
    ended.abort();
  }
}

const tooLate = ({ base }: Http): TwoFApiError =>
  new TwoFApiError('timeout', `${base.origin} did not answer in time`);

/** Of whichever realm or library: what is used of it is there. */
function isResponse(response: unknown): boolean {
  const { status, headers } = (response ?? {}) as { status?: unknown; headers?: { get?: unknown } };
  return Number.isInteger(status) && typeof headers?.get === 'function';
}

type Chunks = AsyncIterable<unknown>;

/** The pieces of a body: a stream of the platform, or of a library that has others. */
async function* chunksOf({ body }: { body: unknown }): Chunks {
  const stream = body as (Partial<ReadableStream<unknown>> & Partial<Chunks>) | null | undefined;
  if (typeof stream?.getReader === 'function') {
    const reader = stream.getReader() as ReadableStreamDefaultReader<unknown>;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        yield value;
      }
    } finally {
      // Of what was read to its end nothing is left to cancel.
      void reader.cancel().catch(() => undefined);
    }
  } else if (stream && Symbol.asyncIterator in stream) {
    yield* stream as Chunks;
  }
}

async function textOf(response: Response): Promise<string> {
  // In some places a Response has no stream.
  if (response.body === undefined && typeof response.text === 'function') {
    const whole = String(await response.text());
    if (whole.length > ANSWER_MAX) throw badAnswer('it is too long', response.status);
    return whole;
  }
  const decoder = new TextDecoder();
  let text = '';
  let length = 0;
  for await (const chunk of chunksOf(response)) {
    const bytes = viewOf(chunk);
    if (!bytes) throw badAnswer('its body is not of bytes', response.status);
    length += bytes.length;
    if (length > ANSWER_MAX) throw badAnswer('it is too long', response.status);
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}

export const badAnswer = (problem: string, status?: number): TwoFApiError =>
  new TwoFApiError(
    'bad_answer',
    `the server's answer is not one of the protocol: ${problem}`,
    status === undefined ? {} : { status },
  );

function answered(response: Response, text: string): Record<string, unknown> {
  const { status } = response;
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    answer = undefined;
  }
  const isObject = typeof answer === 'object' && answer !== null && !Array.isArray(answer);
  const object = isObject ? (answer as Record<string, unknown>) : undefined;
  if (status >= 200 && status <= 299) {
    if (object) return object;
    throw badAnswer('it is no JSON object', status);
  }
  const code = serverCode(object?.['code'], status);
  const wait = secondsOf(response.headers.get('Retry-After'));
  const details = { status, ...(wait === undefined ? {} : { retryAfterSeconds: wait }) };
  if (code) {
    const detail = object?.['detail'];
    throw new TwoFApiError(code, typeof detail === 'string' ? printable(detail) : code, details);
  }
  // Of a proxy, most likely, which says by the status alone what it has to say.
  if (status === 429) throw new TwoFApiError('throttled', 'too many requests (429)', details);
  if (status >= 500) {
    throw new TwoFApiError('unavailable', `the server cannot answer now (${status})`, details);
  }
  throw badAnswer(`status ${status} without the code that belongs to it`, status);
}

/** A text of the server's as it may be shown: cut off, and nothing in it that steers a terminal. */
const printable = (text: string): string => text.slice(0, MESSAGE_MAX).replace(/\p{C}/gu, '\ufffd');

/** Retry-After: seconds, or a date (RFC 9110, section 10.2.3). */
function secondsOf(retryAfter: string | null): number | undefined {
  if (!retryAfter) return undefined;
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter);
  const date = Date.parse(retryAfter);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - Date.now()) / 1000));
}
