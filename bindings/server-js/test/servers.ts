// Real servers for the tests: Redis with and without the module, PostgreSQL with and without the
// extension. Each is a child process in a directory of its own, and ends with the test.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Client, Pool } from 'pg';
import { createClient } from 'redis';

/** What has to be set for a test; `make test-node` sets it. */
export function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set; \`make test-node\` sets it`);
  return value;
}

export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function until(what: string, ready: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      return await ready();
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`${what} does not answer`, { cause: error });
      await sleep(50);
    }
  }
}

/** A server and how to be rid of it. */
export interface Running {
  readonly port: number;
  stop(): Promise<void>;
}

async function ended(child: ChildProcess, signal: NodeJS.Signals, dir: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }
  rmSync(dir, { recursive: true, force: true });
}

export async function startRedis(...options: string[]): Promise<Running> {
  const dir = mkdtempSync(join(tmpdir(), '2fapi-redis-'));
  const port = await freePort();
  const words = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', ...options];
  const child = spawn('redis-server', words, { stdio: 'ignore' });
  await until('redis-server', async () => {
    const client = createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: false } });
    client.on('error', () => {});
    await client.connect();
    await client.close();
  });
  return { port, stop: () => ended(child, 'SIGKILL', dir) };
}

/** Redis with the module that `make test-redis` builds. */
export const startRedisModule = (...options: string[]): Promise<Running> =>
  startRedis('--loadmodule', setting('TWOFAPI_REDIS_MODULE'), ...options);

/** PostgreSQL from the folder of its programs. It refuses to run as root. */
export async function startPostgres(bin: string, configuration: string): Promise<Running> {
  const dir = mkdtempSync(join(tmpdir(), '2fapi-pg-'));
  const port = await freePort();
  const asRoot = process.getuid?.() === 0;
  const owner = asRoot ? idsOf('postgres') : undefined;
  if (owner !== undefined) chownSync(dir, owner.uid, owner.gid);
  const data = join(dir, 'data');
  const run = { cwd: dir, ...owner };
  const made = spawnSync(join(bin, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C'], run);
  if (made.status !== 0) throw new Error(`initdb: ${String(made.stderr)}`);
  const lines = `listen_addresses = '127.0.0.1'\nport = ${port}\nunix_socket_directories = ''\nfsync = off\n${configuration}\n`;
  writeFileSync(join(data, 'postgresql.auto.conf'), lines);
  const child = spawn(join(bin, 'postgres'), ['-D', data], { stdio: 'ignore', ...run });
  await until('postgres', async () => {
    const client = new Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' });
    await client.connect();
    await client.end();
  });
  return { port, stop: () => ended(child, 'SIGINT', dir) };
}

function idsOf(user: string): { uid: number; gid: number } {
  const id = (flag: string): number => Number(String(spawnSync('id', [flag, user]).stdout).trim());
  return { uid: id('-u'), gid: id('-g') };
}

export function poolOf(server: Running): Pool {
  const pool = new Pool({ host: '127.0.0.1', port: server.port, user: 'postgres', database: 'postgres', max: 20 });
  // Connections that are on their way out when the server ends.
  pool.on('error', () => {});
  return pool;
}

