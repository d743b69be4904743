// A server between client and server that changes answers, loses them, or says things of its own.
import { createServer } from 'node:http';

/**
 * Starts it. `change(exchange)` sees `{ path, body, answer: { status, headers, body } }` of each request
 * that was passed on, and gives the answer to send, or undefined to break the connection. Challenges name
 * the audience of the liar unless `change` says otherwise.
 */
export async function startLiar(upstream, change = (exchange) => exchange.answer) {
  const seen = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const headers = { 'content-type': request.headers['content-type'] ?? 'text/plain' };
    if (request.headers.authorization) headers.authorization = request.headers.authorization;
    const init = { method: request.method, headers, ...(body ? { body } : {}) };
    const passed = await fetch(upstream + request.url, init);
    const answer = {
      status: passed.status,
      headers: Object.fromEntries(passed.headers),
      body: await passed.text(),
    };
    delete answer.headers['content-length'];
    const exchange = { path: request.url, method: request.method, body, answer };
    seen.push(exchange);
    const changed = await change(exchange);
    if (!changed) {
      response.destroy();
      return;
    }
    response.writeHead(changed.status, {
      ...changed.headers,
      'access-control-allow-origin': '*',
      'access-control-allow-headers': 'authorization, content-type',
    });
    response.end(changed.body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  return {
    url,
    seen,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  };
}

/** An answer with one member of its JSON changed. */
export const withMember = (answer, name, change) => {
  const body = JSON.parse(answer.body);
  body[name] = typeof change === 'function' ? change(body[name]) : change;
  return { ...answer, body: JSON.stringify(body) };
};
