// The adapter for Hono, which speaks Request and Response itself.

import type { MiddlewareHandler } from 'hono';

import type { Identity } from './tokens.js';
import type { TwoFApi } from './two-f-api.js';

/** What `requireClient` sets: `c.get('client2fapi')`. */
export interface TwoFApiVariables {
  client2fapi: Identity;
}

/** Serves the resources: `app.use(twoFApiMiddleware(twoFApi))`. */
export function twoFApiMiddleware(twoFApi: TwoFApi): MiddlewareHandler {
  return async (context, next) => {
    const answer = await twoFApi.handle(context.req.raw);
    if (answer !== undefined) return answer;
    return next();
  };
}

/** Lets only those through who show a good access token. */
export function requireClient(twoFApi: TwoFApi): MiddlewareHandler<{ Variables: TwoFApiVariables }> {
  return async (context, next) => {
    const identity = await twoFApi.authenticate(context.req.header('authorization'));
    if (identity instanceof Response) return identity;
    context.set('client2fapi', identity);
    return next();
  };
}
