// The adapter for Fastify.

import type { FastifyPluginAsync, FastifyReply, preHandlerAsyncHookHandler } from 'fastify';

import type { Identity } from './tokens.js';
import type { TwoFApi } from './two-f-api.js';
import { RESOURCES, webRequest } from './web-request.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who proved itself; behind `requireClient` only. */
    client2fapi?: Identity;
  }
}

/** Serves the resources: `await app.register(twoFApiPlugin(twoFApi))`. */
export function twoFApiPlugin(twoFApi: TwoFApi): FastifyPluginAsync {
  return async (app) => {
    // Bodies are judged by the resources themselves, whatever their type.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    for (const url of RESOURCES) {
      app.all(url, async (request, reply) => {
        const bodyOf = () => (Buffer.isBuffer(request.body) ? new Uint8Array(request.body) : null);
        const answer = await twoFApi.handle(webRequest(request, url, bodyOf));
        return answer === undefined ? reply.callNotFound() : send(answer, reply);
      });
    }
  };
}

/** A `preHandler` that lets only those through who show a good access token; `request.client2fapi` says who. */
export function requireClient(twoFApi: TwoFApi): preHandlerAsyncHookHandler {
  return async (request, reply) => {
    const identity = await twoFApi.authenticate(request.headers.authorization);
    if (identity instanceof Response) return send(identity, reply);
    request.client2fapi = identity;
  };
}

async function send(answer: Response, reply: FastifyReply): Promise<FastifyReply> {
  reply.status(answer.status);
  answer.headers.forEach((value, name) => reply.header(name, value));
  return reply.send(Buffer.from(await answer.arrayBuffer()));
}
