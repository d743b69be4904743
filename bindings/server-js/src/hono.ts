// The adapter for Hono, which speaks Request and Response itself.

import type { Context, MiddlewareHandler } from 'hono';

import { onlyKnown } from './settings.js';
import type { Identity } from './tokens.js';
import type { TwoFApi } from './two-f-api.js';
import { RESOURCES, goneBody } from './web-request.js';

/** What `requireClient` sets: `c.get('client2fapi')`. */
export interface TwoFApiVariables {
  client2fapi: Identity;
}

/** What the application knows of a request. */
export interface HonoOptions {
  /** The client id of the user whom the application has logged in with this request, if there is one. */
  readonly user?: (context: Context) => string | undefined | Promise<string | undefined>;
  /** The address that the request comes from, for the limits; on Node that of the connection unless set. */
  readonly source?: (context: Context) => string | undefined;
}

/** Serves the resources: `app.use(twoFApiMiddleware(twoFApi))`, below the path that it is used on. */
export function twoFApiMiddleware(twoFApi: TwoFApi, options: HonoOptions = {}): MiddlewareHandler {
  onlyKnown(options, 'setting of the middleware', ['user', 'source']);
  const { user, source = peerOf } = options;
  return async (context, next) => {
    const path = pathOf(context);
    if (!RESOURCES.includes(path)) return next();
    const answer = await twoFApi.handle(await requestOf(context), {
      path,
      source: source(context),
      ...(user === undefined ? {} : { user: () => user(context) }),
    });
    return answer ?? next();
  };
}

/** Lets only those through who show a good access token. */
export function requireClient(
  twoFApi: TwoFApi,
  options: Pick<HonoOptions, 'source'> = {},
): MiddlewareHandler<{ Variables: TwoFApiVariables }> {
  return requireScope(twoFApi, [], options);
}

/** As {@link requireClient}, and only those who may do this: one scope, or each of several. */
export function requireScope(
  twoFApi: TwoFApi,
  scope: string | readonly string[],
  options: Pick<HonoOptions, 'source'> = {},
): MiddlewareHandler<{ Variables: TwoFApiVariables }> {
  onlyKnown(options, 'setting of the protection', ['source']);
  const { source = peerOf } = options;
  const scopes = [scope].flat();
  return async (context, next) => {
    const identity = await twoFApi.authenticate(context.req.header('authorization'), { source: source(context), scopes });
    if (identity instanceof Response) return identity;
    context.set('client2fapi', identity);
    return next();
  };
}

/** What is left of the path below that of the middleware: `/api/*` takes one segment away, as `/:version/*` does. */
function pathOf(context: Context): string {
  const above = context.req.routePath.replace(/\/?\*$/, '').split('/').filter((segment) => segment !== '').length;
  // Not Hono's own path: that is decoded.
  const { pathname } = new URL(context.req.url);
  return above === 0 ? pathname : `/${pathname.split('/').slice(1 + above).join('/')}`;
}

/** The request as it came; when something before us has read the body, with what Hono kept of it. */
async function requestOf(context: Context): Promise<Request> {
  const { raw } = context.req;
  if (!raw.bodyUsed) return raw;
  const body = await context.req.arrayBuffer().catch(goneBody);
  return new Request(raw.url, { method: raw.method, headers: raw.headers, body, duplex: 'half' } as RequestInit);
}

/** With @hono/node-server, the address of the other end of the connection. */
function peerOf(context: Context): string | undefined {
  const { incoming } = (context.env ?? {}) as { incoming?: { socket?: { remoteAddress?: string } } };
  return incoming?.socket?.remoteAddress;
}
