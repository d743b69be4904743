// Clients in the memory of this process: for tests, demonstrations and services of one process that
// enrol their clients anew at each start.

import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { isMainThread } from 'node:worker_threads';

import type { ClientRecord } from '@2fapi/protocol-spec';

import { SpentSet } from '../crypto.js';
import type { Host } from '../host.js';
import { hostOver, type RecordsOptions } from '../records.js';

/** Settings of {@link memoryStore}. */
export interface MemoryOptions extends RecordsOptions {
  /** How many accepted logins are remembered per lifetime of a challenge; 100,000 unless set, of 48 bytes each. */
  readonly spentCapacity?: number;
  /** Says that it is known that each process has clients and challenges of its own. */
  readonly allowManyProcesses?: boolean;
}

/**
 * Clients in memory.
 *
 * @throws Error where this process is visibly one of several: each would accept a proof once, and know
 *   other clients.
 */
export function memoryStore(options: MemoryOptions = {}): Host {
  const sign = options.allowManyProcesses === true ? undefined : signOfManyProcesses();
  if (sign !== undefined) {
    throw new Error(
      `memoryStore keeps clients and used challenges in one process, and this is one of several (${sign}): ` +
        'use redisStore or postgresStore, or pass allowManyProcesses: true if that is what you want',
    );
  }
  const challengeKey = randomBytes(32);
  const clients = new Map<string, ClientRecord>();
  const spent = new SpentSet(options.spentCapacity ?? 100_000);
  const copied = (record: ClientRecord): ClientRecord => ({
    ...record,
    commitment: Uint8Array.from(record.commitment),
  });
  return hostOver(
    {
      challengeKey: async () => challengeKey,
      find: async (clientId) => clients.get(clientId),
      insert: async (clientId, record) => {
        if (clients.has(clientId)) return false;
        clients.set(clientId, copied(record));
        return true;
      },
      replace: async (clientId, was, is) => {
        if (clients.get(clientId) !== was) return false;
        clients.set(clientId, copied(is));
        return true;
      },
      spend: async (spentKey, expiresAt, now) => {
        const spend = spent.spend(spentKey, expiresAt, now);
        return typeof spend === 'number' ? { retryAfterSeconds: spend } : spend;
      },
      refused: async (spentKey) => spent.refused(spentKey),
      full: async (now) => spent.full(now) ?? undefined,
    },
    options,
  );
}

function signOfManyProcesses(): string | undefined {
  if (cluster.isWorker) return 'a worker of node:cluster';
  if (!isMainThread) return 'a worker thread';
  const { env } = process;
  if (env['pm_id'] !== undefined || env['NODE_APP_INSTANCE'] !== undefined) return 'run by pm2';
  if (Number(env['WEB_CONCURRENCY']) > 1) return `WEB_CONCURRENCY is ${env['WEB_CONCURRENCY']}`;
  return undefined;
}
