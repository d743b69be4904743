/** What `fetch` of a client was given, as one Request of this realm. */
import { copyOf } from './bytes.js';
import { TwoFApiError, invalidArgument } from './errors.js';
import type { Fetch } from './http.js';

/** A Request of another realm or library: as much of it as is read here. */
interface ForeignRequest {
  url: string;
  method: string;
  headers: Iterable<[string, string]>;
  redirect?: RequestRedirect;
  signal?: AbortSignal | null;
  arrayBuffer(): Promise<unknown>;
}

/** A Request of this realm, or what says of itself that it is one, of another realm or library. */
const isRequest = (input: unknown): boolean =>
  input instanceof Request || Object.prototype.toString.call(input) === '[object Request]';

/** A text, or what has an address as text: a URL of any realm, a Location. */
function addressOf(input: unknown): string {
  const text = typeof input === 'string' ? input : (input as { href?: unknown } | null)?.href;
  if (typeof text === 'string') return text;
  throw invalidArgument('fetch takes an address (a text or a URL) or a Request');
}

/** Its body is read to the end: streams of other realms cannot be passed on. */
async function adopted(input: ForeignRequest): Promise<Request> {
  const { url, method, headers, redirect, signal } = input;
  const init: RequestInit = { method, headers: [...headers] };
  if (redirect) init.redirect = redirect;
  if (method !== 'GET' && method !== 'HEAD') {
    const body = copyOf(await input.arrayBuffer(), 0);
    if (body && body.length > 0) init.body = body;
  }
  if (signal) {
    const ended = new AbortController();
    const end = () => ended.abort(signal.reason);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    init.signal = ended.signal;
  }
  return new Request(url, init);
}

/**
 * Redirects are errors, and `init` alone can say otherwise: in a Request, `follow` is what everybody has who
 * said nothing.
 */
export async function requestOf(
  input: RequestInfo | URL,
  init: RequestInit,
  base: URL,
): Promise<Request> {
  try {
    if (!isRequest(input)) {
      const redirect = init.redirect ?? 'error';
      return new Request(new URL(addressOf(input), base), { ...init, redirect });
    }
    const given =
      input instanceof Request ? input : await adopted(input as unknown as ForeignRequest);
    const redirect = init.redirect ?? (given.redirect === 'follow' ? 'error' : given.redirect);
    return new Request(given, { ...init, redirect });
  } catch (error) {
    if (error instanceof TwoFApiError) throw error;
    throw invalidArgument('that is no request that can be sent', error);
  }
}

/** Sends a Request as an address and what else it says, its body read to the end: every `fetch` understands that. */
export async function sentInParts(request: Request, send: Fetch): Promise<Response> {
  const { url, method, redirect, signal, credentials, cache, referrerPolicy, integrity } = request;
  const headers = Object.fromEntries(request.headers);
  const body = await request.arrayBuffer();
  return send(url, {
    ...{ method, headers, redirect, signal, credentials, cache, referrerPolicy, integrity },
    ...(body.byteLength > 0 ? { body } : {}),
  });
}
