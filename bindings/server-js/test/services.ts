// A small service in each framework, for the tests.

import type { AddressInfo } from 'node:net';

import { serve } from '@hono/node-server';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';

import * as forExpress from '../src/express.js';
import * as forFastify from '../src/fastify.js';
import * as forHono from '../src/hono.js';
import type { TwoFApi } from '../src/index.js';

/** A service with a route `/reports` that only clients may read. */
export interface Service {
  readonly origin: string;
  close(): Promise<void>;
}

export const at = (address: AddressInfo | string | null): string =>
  `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;

function expressWith(...before: express.RequestHandler[]) {
  return async (twoFApi: TwoFApi): Promise<Service> => {
    const app = express();
    before.forEach((handler) => app.use(handler));
    app.use(forExpress.twoFApiRouter(twoFApi));
    app.get('/reports', forExpress.requireClient(twoFApi), (request, response) => {
      response.json({ for: request.client2fapi?.clientId });
    });
    app.post('/echo', express.json(), (request, response) => {
      response.json(request.body);
    });
    const server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    return {
      origin: at(server.address()),
      close: () => new Promise((resolve) => server.close(() => resolve())),
    };
  };
}

export const FRAMEWORKS: Record<string, (twoFApi: TwoFApi) => Promise<Service>> = {
  Express: expressWith(),
  'Express behind express.json()': expressWith(express.json()),
  Fastify: async (twoFApi) => {
    const app = Fastify();
    await app.register(forFastify.twoFApiPlugin(twoFApi));
    app.get('/reports', { preHandler: forFastify.requireClient(twoFApi) }, async (request) => ({
      for: request.client2fapi?.clientId,
    }));
    app.post('/echo', async (request) => request.body);
    const origin = await app.listen({ port: 0, host: '127.0.0.1' });
    return { origin, close: () => app.close() };
  },
  Hono: async (twoFApi) => {
    const app = new Hono();
    app.use(forHono.twoFApiMiddleware(twoFApi));
    app.get('/reports', forHono.requireClient(twoFApi), (context) =>
      context.json({ for: context.get('client2fapi').clientId }),
    );
    app.post('/echo', async (context) => context.json(await context.req.json()));
    return new Promise((resolve) => {
      const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () =>
        resolve({
          origin: at(server.address()),
          close: () => new Promise((done) => server.close(() => done())),
        }),
      );
    });
  },
};
