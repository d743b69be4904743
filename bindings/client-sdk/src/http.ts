/** One request of the protocol and its answer, which is checked before anything believes it. */
import { TwoFApiError, knownCode } from './errors.js';

export type Fetch = (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;

/** Answers of the protocol have some hundred bytes. */
const ANSWER_MAX = 64 * 1024;
const MESSAGE_MAX = 400;

export interface Http {
  base: URL;
  fetch: Fetch;
  timeoutMs: number;
}

const aborted = (cause: unknown) =>
  new TwoFApiError('aborted', 'the caller ended it', { cause });

/** Rejects as soon as the signal says so; what was begun goes on by itself. */
export async function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (!signal) return work;
  if (signal.aborted) {
    // Nobody is left to hear of it.
    work.catch(() => undefined);
    throw aborted(signal.reason);
  }
  let stop: (() => void) | undefined;
  const ended = new Promise<never>((_, reject) => {
    stop = () => reject(aborted(signal.reason));
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, ended]);
  } finally {
    if (stop) signal.removeEventListener('abort', stop);
  }
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
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), http.timeoutMs);
  const stop = () => late.abort();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const headers: Record<string, string> = {};
    if (init.body !== undefined) headers['Content-Type'] = 'application/json';
    if (token !== undefined) headers['Authorization'] = `Bearer ${token}`;
    const response = await http.fetch(new URL(path, http.base), {
      ...init,
      headers,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
      signal: late.signal,
    });
    return answered(response, await textOf(response));
  } catch (error) {
    if (error instanceof TwoFApiError) throw error;
    if (signal?.aborted) throw aborted(signal.reason);
    if (late.signal.aborted) {
      throw new TwoFApiError('timeout', `${http.base.origin} did not answer in time`);
    }
    throw new TwoFApiError(
      'network',
      `${http.base.origin} could not be reached, or the connection broke`,
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

async function textOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return '';
  const decoder = new TextDecoder();
  let text = '';
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    length += value.length;
    if (length > ANSWER_MAX) {
      await reader.cancel();
      throw badAnswer('it is too long', response.status);
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** The answer to a proof that was not accepted, whatever the reason. */
export const isDenial = (error: unknown): boolean =>
  error instanceof TwoFApiError && error.code === 'denied' && error.status === 401;

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
  if (response.ok) {
    if (object) return object;
    throw badAnswer('it is no JSON object', status);
  }
  const code = knownCode(object?.['code']);
  if (!code) {
    // Of a proxy, most likely.
    if (status === 502 || status === 503 || status === 504) {
      throw new TwoFApiError('unavailable', `the server cannot answer now (${status})`, { status });
    }
    throw badAnswer(`status ${status} without a code that is known`, status);
  }
  const detail = object?.['detail'];
  const message = typeof detail === 'string' ? detail.slice(0, MESSAGE_MAX) : code;
  const after = Number(response.headers.get('Retry-After') ?? Number.NaN);
  throw new TwoFApiError(code, message, {
    status,
    ...(Number.isFinite(after) && after >= 0 ? { retryAfter: after } : {}),
  });
}
