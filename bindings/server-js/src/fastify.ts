// The adapter for Fastify.

import type { FastifyError, FastifyPluginAsync, FastifyReply, FastifyRequest, preHandlerAsyncHookHandler } from 'fastify';

import { authorizationOf } from './bearer.js';
import { tooLarge } from './body.js';
import { ProblemError } from './problem.js';
import { onlyKnown } from './settings.js';
import type { Identity } from './tokens.js';
import type { TwoFApi } from './two-f-api.js';
import { RESOURCES, webRequest } from './web-request.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who proved itself; behind `requireClient` only. */
    client2fapi?: Identity;
  }
}

/** What the application knows of a request. */
export interface FastifyOptions {
  /** The client id of the user whom the application has logged in with this request, if there is one. */
  readonly user?: (request: FastifyRequest) => string | undefined | Promise<string | undefined>;
  /** The address that the request comes from, for the limits; `request.ip` unless set. */
  readonly source?: (request: FastifyRequest) => string | undefined;
}

/** Serves the resources: `await app.register(twoFApiPlugin(twoFApi))`. */
export function twoFApiPlugin(twoFApi: TwoFApi, options: FastifyOptions = {}): FastifyPluginAsync {
  onlyKnown(options, 'setting of the plugin', ['user', 'source']);
  const { user, source = (request) => request.ip } = options;
  return async (outer) => {
    // A scope of its own, also where somebody has this plugin share that of the application.
    await outer.register(async (app) => {
      // Bodies are judged by the resources themselves, whatever their type.
      app.removeAllContentTypeParsers();
      app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
      // What Fastify itself refuses while it reads a body.
      app.setErrorHandler<FastifyError>(async (error, _request, reply) => {
        if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return send(tooLarge().response(), reply);
        if (error.code?.startsWith('FST_ERR_CTP_')) return send(new ProblemError('malformed_request', 'the body is not whole').response(), reply);
        throw error;
      });
      for (const path of RESOURCES) {
        app.all(path, async (request, reply) => {
          const bodyOf = () => (Buffer.isBuffer(request.body) ? new Uint8Array(request.body) : null);
          const { method, url, headers, raw } = request;
          const from = { method, url, headers, rawHeaders: raw.rawHeaders };
          const answer = await twoFApi.handle(webRequest(from, path, bodyOf), {
            source: source(request),
            ...(user === undefined ? {} : { user: () => user(request) }),
          });
          return answer === undefined ? reply.callNotFound() : send(answer, reply);
        });
      }
    });
  };
}

/** A `preHandler` that lets only those through who show a good access token; `request.client2fapi` says who. */
export function requireClient(twoFApi: TwoFApi, options: Pick<FastifyOptions, 'source'> = {}): preHandlerAsyncHookHandler {
  return requireScope(twoFApi, [], options);
}

/** As {@link requireClient}, and only those who may do this: one scope, or each of several. */
export function requireScope(
  twoFApi: TwoFApi,
  scope: string | readonly string[],
  options: Pick<FastifyOptions, 'source'> = {},
): preHandlerAsyncHookHandler {
  onlyKnown(options, 'setting of the protection', ['source']);
  const { source = (request) => request.ip } = options;
  const scopes = [scope].flat();
  return async (request, reply) => {
    const identity = await twoFApi.authenticate(authorizationOf(request.raw), { source: source(request), scopes });
    if (identity instanceof Response) return send(identity, reply);
    request.client2fapi = identity;
  };
}

async function send(answer: Response, reply: FastifyReply): Promise<FastifyReply> {
  reply.status(answer.status);
  answer.headers.forEach((value, name) => reply.header(name, value));
  return reply.send(Buffer.from(await answer.arrayBuffer()));
}
