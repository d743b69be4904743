// Bearer tokens (RFC 6750), read in one way wherever one comes in.

import type { IncomingHttpHeaders } from 'node:http';

/** The token of an `Authorization` header; undefined where there is none, or more than one. */
export function bearerOf(authorization: string | null | undefined): string | undefined {
  return /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization ?? '')?.[1];
}

/** The `Authorization` header of a request of Node's: all there are, where Node itself shows the first alone. */
export function authorizationOf(request: {
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders?: readonly string[];
}): string | undefined {
  const raw = request.rawHeaders ?? [];
  const values = raw.filter((_, at) => at % 2 === 1 && raw[at - 1]?.toLowerCase() === 'authorization');
  return values.length > 1 ? values.join(', ') : request.headers.authorization;
}
