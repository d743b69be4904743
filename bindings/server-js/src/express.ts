// The adapter for Express.

import type { NextFunction, Request as ExpressRequest, RequestHandler, Response as ExpressResponse } from 'express';

import { authorizationOf } from './bearer.js';
import { onlyKnown } from './settings.js';
import type { Identity } from './tokens.js';
import type { TwoFApi } from './two-f-api.js';
import { RESOURCES, goneBody, webRequest } from './web-request.js';

declare global {
  // eslint-disable-next-line @typescript-eslint/no-namespace
  namespace Express {
    interface Request {
      /** Who proved itself; behind `requireClient` only. */
      client2fapi?: Identity;
    }
  }
}

/** What the application knows of a request. */
export interface ExpressOptions {
  /** The client id of the user whom the application has logged in with this request, if there is one. */
  readonly user?: (request: ExpressRequest) => string | undefined | Promise<string | undefined>;
  /** The address that the request comes from, for the limits; `request.ip` unless set. */
  readonly source?: (request: ExpressRequest) => string | undefined;
}

/** Serves the resources: `app.use(twoFApiRouter(twoFApi))`, before or after parsers of bodies. */
export function twoFApiRouter(twoFApi: TwoFApi, options: ExpressOptions = {}): RequestHandler {
  onlyKnown(options, 'setting of the router', ['user', 'source']);
  const { user, source = (request) => request.ip } = options;
  return (request, response, next) => {
    // Requests for others are looked at no further. In a router that is mounted somewhere, the path is
    // what comes after.
    const { path } = request;
    if (!RESOURCES.includes(path)) {
      next();
      return;
    }
    (async () => {
      const answer = await twoFApi.handle(webRequest(request, path, () => bodyOf(request)), {
        source: source(request),
        ...(user === undefined ? {} : { user: () => user(request) }),
      });
      if (answer === undefined) next();
      else await send(answer, response);
    })().catch(next);
  };
}

/** Lets only those through who show a good access token; `request.client2fapi` says who it is. */
export function requireClient(twoFApi: TwoFApi, options: Pick<ExpressOptions, 'source'> = {}): RequestHandler {
  return requireScope(twoFApi, [], options);
}

/** As {@link requireClient}, and only those who may do this: one scope, or each of several. */
export function requireScope(
  twoFApi: TwoFApi,
  scope: string | readonly string[],
  options: Pick<ExpressOptions, 'source'> = {},
): RequestHandler {
  onlyKnown(options, 'setting of the protection', ['source']);
  const { source = (request) => request.ip } = options;
  const scopes = [scope].flat();
  return (request: ExpressRequest, response: ExpressResponse, next: NextFunction) => {
    (async () => {
      const identity = await twoFApi.authenticate(authorizationOf(request), { source: source(request), scopes });
      if (identity instanceof Response) {
        await send(identity, response);
        return;
      }
      request.client2fapi = identity;
      next();
    })().catch(next);
  };
}

/**
 * The body as it came, unless a parser before us has read it: then what the parser made of it, to be judged
 * as a whole. That there is a `request.body` says nothing: Express 4 puts one there without reading any.
 */
function bodyOf(request: ExpressRequest): BodyInit {
  if (!request.readableDidRead && !request.readableEnded) return request as unknown as BodyInit;
  const body: unknown = request.body;
  if (body === undefined) return goneBody();
  return typeof body === 'string' || body instanceof Uint8Array ? (body as BodyInit) : JSON.stringify(body);
}

async function send(answer: Response, response: ExpressResponse): Promise<void> {
  response.status(answer.status);
  answer.headers.forEach((value, name) => response.setHeader(name, value));
  response.end(Buffer.from(await answer.arrayBuffer()));
}
