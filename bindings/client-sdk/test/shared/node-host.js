// A host of @2fapi/server in this process, with what its operator does.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

import { createTwoFApi, generateSigningKey, memoryStore } from '@2fapi/server';

export async function startNodeHost() {
  const store = memoryStore();
  const invited = new Map();
  let twoFApi;
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = chunks.length > 0 ? { body: Buffer.concat(chunks) } : {};
    const { method, headers } = request;
    const asked = new Request(`http://host${request.url}`, { method, headers, ...body });
    const answer = (await twoFApi.handle(asked)) ?? new Response('no such resource', { status: 404 });
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  twoFApi = await createTwoFApi({
    store,
    audience: url,
    signingKey: await generateSigningKey(),
    mayEnroll: ({ clientId, token }) => invited.get(token) === clientId,
    limits: false,
  });
  return {
    url,
    async invite(clientId) {
      const token = randomUUID();
      invited.set(token, clientId);
      return token;
    },
    async client(clientId) {
      const client = await store.find(clientId);
      return { commitment_version: client.commitmentVersion, status: client.status };
    },
    operator: (action, clientId) => store.change(clientId, action),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
