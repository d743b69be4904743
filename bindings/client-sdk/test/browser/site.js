// A site as one deploys it: pages and scripts beside a `2fapi serve`, which a proxy puts below the same
// origin. The proxy can lie.
import { createServer } from 'node:http';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { extname, join, normalize, sep } from 'node:path';

import { sdk } from '../shared/files.js';
import { startServer } from '../shared/server.js';

const TYPES = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** As strict as it can be with WebAssembly. */
export const STRICT = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'; base-uri 'none'";
/** The same without WebAssembly. */
export const NO_WASM = STRICT.replace(" 'wasm-unsafe-eval'", '');

const PAGES = {
  '/empty': '<!doctype html><meta charset="utf-8"><title>empty</title>',
  '/classic': '<!doctype html><meta charset="utf-8"><title>classic</title><script src="/sdk/2fapi.min.js"></script>',
};

/**
 * Starts site and server. `site.policy` is the Content-Security-Policy of every answer, `site.change` is
 * as for the liar of test/shared, `site.files` maps the beginnings of paths to directories. With `demo`,
 * the site is the page of `2fapi serve --demo`, passed on as it is, every request written down.
 */
export async function startSite({ demo = false } = {}) {
  const site = {
    policy: STRICT,
    change: undefined,
    seen: [],
    files: { '/sdk/': join(sdk, 'dist'), '/shared/': join(sdk, 'test', 'shared'), '/places/': join(sdk, 'test', 'browser', 'places') },
  };
  let upstream;

  async function pass(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const headers = { 'content-type': request.headers['content-type'] ?? 'text/plain' };
    for (const name of ['authorization', 'origin']) {
      if (request.headers[name]) headers[name] = request.headers[name];
    }
    const passed = await fetch(upstream.url + request.url, { method: request.method, headers, ...(body ? { body } : {}) });
    const answer = {
      status: passed.status,
      headers: {
        'content-type': passed.headers.get('content-type') ?? 'text/plain',
        'content-security-policy': demo ? passed.headers.get('content-security-policy') ?? '' : site.policy,
      },
      body: await passed.text(),
    };
    const exchange = { path: request.url, headers: request.headers, body, answer };
    site.seen.push(exchange);
    const changed = site.change ? await site.change(exchange) : answer;
    if (!changed) return response.destroy();
    response.writeHead(changed.status, changed.headers);
    return response.end(changed.body);
  }

  function file(path, response) {
    const send = (status, type, contents) => {
      response.writeHead(status, { 'content-type': type, 'content-security-policy': site.policy, 'cache-control': 'no-store' });
      response.end(contents);
    };
    if (PAGES[path]) return send(200, TYPES['.html'], PAGES[path]);
    for (const [prefix, directory] of Object.entries(site.files)) {
      const found = path.startsWith(prefix) && normalize(join(directory, path.slice(prefix.length)));
      if (found && found.startsWith(directory + sep) && existsSync(found) && statSync(found).isFile()) {
        return send(200, TYPES[extname(found)] ?? 'text/plain', readFileSync(found));
      }
    }
    return send(404, 'text/plain', 'not found');
  }

  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://site');
    if (!demo && !pathname.startsWith('/auth/')) return void file(pathname, response);
    pass(request, response).catch(() => response.destroy());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  site.url = `http://127.0.0.1:${server.address().port}`;
  upstream = await startServer({ demo, extra: ['--audience', site.url] });
  site.server = upstream;
  site.stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await upstream.stop();
  };
  /** As at the start, for the next test. */
  site.reset = () => {
    site.policy = STRICT;
    site.change = undefined;
    site.seen.length = 0;
  };
  return site;
}
