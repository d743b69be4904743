// From the requests of Node's own servers to those of the Fetch standard, for the adapters.

import type { IncomingHttpHeaders } from 'node:http';

import { PATHS } from '@2fapi/protocol-spec';

import { authorizationOf } from './bearer.js';
import { BodyGoneError } from './problem.js';

/** The paths of the resources that are served here. */
export const RESOURCES: readonly string[] = Object.values(PATHS).filter(
  (path) => path !== PATHS.health && path !== PATHS.live,
);

/** What a framework knows of a request to one of {@link RESOURCES}. */
export interface NodeRequest {
  readonly method: string;
  /** As the framework gives it: what comes before the query does not count, the path is told apart. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
}

/** Methods that no Request can have. No resource answers to them, as it does not to OPTIONS. */
const IMPOSSIBLE: readonly string[] = ['CONNECT', 'TRACE', 'TRACK'];

/** A body that somebody has read before us, and did not keep. */
export const goneBody = (): ReadableStream =>
  new ReadableStream({
    start: (controller) => controller.error(new BodyGoneError()),
  });

/** The request, with a body unless its method has none. */
export function webRequest(from: NodeRequest, path: string, body: () => BodyInit | null): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(from.headers)) {
    // HTTP/2 has its pseudo-headers among the others.
    if (value === undefined || name.startsWith(':')) continue;
    headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  const authorization = authorizationOf(from);
  if (authorization !== undefined) headers.set('authorization', authorization);
  const method = IMPOSSIBLE.includes(from.method) ? 'OPTIONS' : from.method;
  const query = from.url.indexOf('?');
  const url = new URL(path + (query < 0 ? '' : from.url.slice(query)), 'http://localhost');
  if (method !== 'POST') return new Request(url, { method, headers });
  return new Request(url, { method, headers, body: body(), duplex: 'half' } as RequestInit);
}
