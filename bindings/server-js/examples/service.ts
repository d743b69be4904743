// An Express service: 2FApi's resources, and a route that only clients may read.
//
//   node --import tsx examples/service.ts
//
// Prints where it listens. Whoever shows the enrolment token in ENROLMENT_TOKEN may enrol.

import { timingSafeEqual } from 'node:crypto';
import type { AddressInfo } from 'node:net';

import express from 'express';

import { createTwoFApi, generateSigningKey, memoryStore } from '@2fapi/server';
import { requireClient, twoFApiRouter } from '@2fapi/server/express';

const invitation = process.env['ENROLMENT_TOKEN'] ?? '';
const app = express();
const server = app.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1', () => {
  void start(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

async function start(origin: string): Promise<void> {
  const twoFApi = await createTwoFApi({
    // Of one process, and forgotten when it ends: see redisStore and postgresStore.
    store: memoryStore(),
    // The origin that clients use: https://api.example.com behind a proxy.
    audience: origin,
    // Draw it once and keep it as a secret; with a new one nobody's token is good any longer.
    signingKey: await generateSigningKey(),
    mayEnroll: ({ token }) => invitation !== '' && equal(token ?? '', invitation),
  });

  app.use(twoFApiRouter(twoFApi));
  app.get('/reports', requireClient(twoFApi), (request, response) => {
    response.json({ reports: `of ${request.client2fapi?.clientId}` });
  });
  console.log(origin);
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
