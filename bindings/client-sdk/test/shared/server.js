// A real `2fapi serve` for tests, on a free port, ended with the test run.
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

import { root, sdk } from './files.js';

const run = promisify(execFile);

export const binary = (() => {
  const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
  const found = process.env.TWOFAPI_BIN ?? join(target, 'debug', '2fapi');
  if (!existsSync(found)) throw new Error(`${found} is missing: run cargo build --bin 2fapi`);
  return found;
})();

const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('TWOFAPI_')),
);

/** Starts a server; `demo` serves the page, and then invites by itself. */
export async function startServer({ demo = false, extra = [], listen = '127.0.0.1:0' } = {}) {
  const directory = mkdtempSync(join(tmpdir(), '2fapi-sdk-'));
  const store = join(directory, 'store.redb');
  const kind = demo ? ['--demo', '--demo-sdk', join(sdk, 'dist', '2fapi.min.js')] : ['--store', store];
  const child = spawn(binary, ['serve', '--listen', listen, '--rate-limit', '0', ...kind, ...extra], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (data) => (log += data));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const first = await Promise.race([
    new Promise((resolve) => createInterface({ input: child.stdout }).once('line', resolve)),
    ended.then(() => ''),
  ]);
  const url = first.replace('listening on ', '');
  if (!url.startsWith('http')) throw new Error(`the server did not start: ${log}`);
  return {
    url,
    log: () => log,
    async invite(clientId) {
      const { stdout } = await run(binary, ['invite', clientId, '--store', store], { env: environment });
      return stdout.trim();
    },
    async client(clientId) {
      const { stdout } = await run(binary, ['--json', 'clients', 'show', clientId, '--store', store], { env: environment });
      return JSON.parse(stdout);
    },
    /** `suspend`, `resume` or `revoke`. */
    operator: (action, clientId) =>
      run(binary, ['clients', action, clientId, '--store', store], { env: environment }),
    async stop() {
      child.kill('SIGTERM');
      const killer = setTimeout(kill, 12_000);
      await ended;
      clearTimeout(killer);
      process.removeListener('exit', kill);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
