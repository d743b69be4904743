// The adapter for Fastify.

import { PATHS } from '@2fapi/protocol-spec';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest, preHandlerAsyncHookHandler } from 'fastify';

import type { Identity } from './tokens.js';
import type { TwoFApi } from './two-f-api.js';

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
    for (const url of Object.values(PATHS)) {
      if (url === PATHS.health) continue;
      app.all(url, async (request, reply) => {
        const answer = await twoFApi.handle(webRequest(request));
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

function webRequest(request: FastifyRequest): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  const { method } = request;
  const url = new URL(request.url, 'http://localhost');
  if (method === 'GET' || method === 'HEAD') return new Request(url, { method, headers });
  const body = Buffer.isBuffer(request.body) ? new Uint8Array(request.body) : null;
  return new Request(url, { method, headers, body });
}

async function send(answer: Response, reply: FastifyReply): Promise<FastifyReply> {
  reply.status(answer.status);
  answer.headers.forEach((value, name) => reply.header(name, value));
  return reply.send(Buffer.from(await answer.arrayBuffer()));
}
