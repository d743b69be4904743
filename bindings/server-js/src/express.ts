// The adapter for Express.

import type { NextFunction, Request as ExpressRequest, RequestHandler, Response as ExpressResponse } from 'express';

import type { Identity } from './tokens.js';
import type { TwoFApi } from './two-f-api.js';
import { RESOURCES, webRequest } from './web-request.js';

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
    // Requests for others are looked at no further. In a router that is mounted somewhere, the path is
    // what comes after.
    const { path } = request;
    if (!RESOURCES.includes(path)) {
      next();
      return;
    }
    (async () => {
      const answer = await twoFApi.handle(webRequest(request, path, () => bodyOf(request)));
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

/** A parser before us has read the body; a parsed one is written out again to be judged as a whole. */
function bodyOf(request: ExpressRequest): BodyInit {
  const parsed = request.readableEnded || request.body !== undefined;
  return parsed ? JSON.stringify(request.body ?? '') : (request as unknown as BodyInit);
}

async function send(answer: Response, response: ExpressResponse): Promise<void> {
  response.status(answer.status);
  answer.headers.forEach((value, name) => response.setHeader(name, value));
  response.end(Buffer.from(await answer.arrayBuffer()));
}
