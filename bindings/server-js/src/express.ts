// The adapter for Express.

import type { NextFunction, Request as ExpressRequest, RequestHandler, Response as ExpressResponse } from 'express';

import type { Identity } from './tokens.js';
import type { TwoFApi } from './two-f-api.js';

declare global {
  // eslint-disable-next-line @typescript-eslint/no-namespace
  namespace Express {
    interface Request {
      /** Who proved itself; behind `requireClient` only. */
      client2fapi?: Identity;
    }
  }
}

/** Serves the resources: `app.use(twoFApiRouter(twoFApi))`, before or after `express.json()`. */
export function twoFApiRouter(twoFApi: TwoFApi): RequestHandler {
  return (request, response, next) => {
    (async () => {
      const answer = await twoFApi.handle(webRequest(request));
      if (answer === undefined) next();
      else await send(answer, response);
    })().catch(next);
  };
}

/** Lets only those through who show a good access token; `request.client2fapi` says who it is. */
export function requireClient(twoFApi: TwoFApi): RequestHandler {
  return (request: ExpressRequest, response: ExpressResponse, next: NextFunction) => {
    (async () => {
      const identity = await twoFApi.authenticate(request.headers.authorization);
      if (identity instanceof Response) {
        await send(identity, response);
        return;
      }
      request.client2fapi = identity;
      next();
    })().catch(next);
  };
}

function webRequest(request: ExpressRequest): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  const { method } = request;
  // The resources are at their own paths, also in a router that is mounted somewhere.
  const url = new URL(request.url, 'http://localhost');
  if (method === 'GET' || method === 'HEAD') return new Request(url, { method, headers });
  // A parser before us has read the body; a parsed one is written out again to be judged as a whole.
  if (request.readableEnded || request.body !== undefined) {
    return new Request(url, { method, headers, body: JSON.stringify(request.body ?? '') });
  }
  return new Request(url, { method, headers, body: request as unknown as BodyInit, duplex: 'half' } as RequestInit);
}

async function send(answer: Response, response: ExpressResponse): Promise<void> {
  response.status(answer.status);
  answer.headers.forEach((value, name) => response.setHeader(name, value));
  response.end(Buffer.from(await answer.arrayBuffer()));
}
