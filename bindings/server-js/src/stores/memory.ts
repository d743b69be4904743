// Clients in the memory of this process: for tests, demonstrations and services of one process that
// enrol their clients anew at each start.

import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { isMainThread } from 'node:worker_threads';

import { ROOT_LENGTH, type ClientRecord } from '@2fapi/protocol-spec';

import { unixSeconds } from '../clock.js';
import { SpentSet } from '../crypto.js';
import { storeOver, type RecordsOptions } from '../records.js';
import { onlyKnown } from '../settings.js';
import type { Store } from '../store.js';

/** Settings of {@link memoryStore}. */
export interface MemoryOptions extends RecordsOptions {
  /** How many accepted logins are remembered per lifetime of a challenge; 100,000 unless set, of 72 bytes each. */
  readonly spentCapacity?: number;
  /** Says that it is known that each process has clients and challenges of its own. */
  readonly allowManyProcesses?: boolean;
}

/**
 * Clients in memory. What `redeem` does is its own affair: the client is added when it has said true, and nobody
 * else can enrol that id meanwhile.
 *
 * @throws Error where this process is visibly one of several: each would accept a proof once, and know
 *   other clients.
 */
export function memoryStore(options: MemoryOptions = {}): Store<undefined> {
  const { spentCapacity, allowManyProcesses, ...common } = options;
  onlyKnown(common, 'setting of memoryStore', ['challengeTtlSeconds', 'spentCapacity', 'allowManyProcesses']);
  const sign = allowManyProcesses === true ? undefined : signOfManyProcesses();
  if (sign !== undefined) {
    throw new Error(
      `memoryStore keeps clients and used challenges in one process, and this is one of several (${sign}): ` +
        'use redisStore or postgresStore, or pass allowManyProcesses: true if that is what you want',
    );
  }
  const clients = new Map<string, ClientRecord>();
  const enrolling = new Map<string, Promise<unknown>>();
  const spent = new SpentSet(spentCapacity ?? 100_000);
  const root = randomBytes(ROOT_LENGTH);
  const copied = (record: ClientRecord): ClientRecord => ({
    ...record,
    commitment: Uint8Array.from(record.commitment),
  });
  return storeOver(
    {
      redeems: true,
      epoch: async () => ({ ...spent.at(unixSeconds()), root }),
      find: async (clientId) => clients.get(clientId),
      insert: async (clientId, record, redeem) => {
        while (enrolling.has(clientId)) await enrolling.get(clientId);
        if (clients.has(clientId)) return 'exists';
        if (redeem !== undefined) {
          const redeeming = Promise.resolve(undefined).then(redeem);
          // Who waits for it hears of no error: that is for who asked.
          enrolling.set(clientId, redeeming.catch(() => false));
          try {
            if ((await redeeming) !== true) return 'refused';
          } finally {
            enrolling.delete(clientId);
          }
        }
        clients.set(clientId, copied(record));
        return 'inserted';
      },
      replace: async (clientId, was, is) => {
        if (clients.get(clientId) !== was) return false;
        clients.set(clientId, copied(is));
        return true;
      },
      accept: async ({ clientId, was, spend, record }) => {
        if (was.status !== 'active' || clients.get(clientId) !== was) return 'changed';
        const committed = spent.accept(spend, unixSeconds());
        if (committed === 'done' && record !== undefined) clients.set(clientId, copied(record));
        return committed;
      },
    },
    common,
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
