// Clients in the memory of this process: for tests, demonstrations and services of one process that
// enrol their clients anew at each start.

import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { isMainThread } from 'node:worker_threads';

import { ROOT_LENGTH } from '@2fapi/protocol-spec';

import { unixSeconds } from '../clock.js';
import { SpentSet } from '../crypto.js';
import { storeOver, type Kept, type RecordsOptions } from '../records.js';
import { onlyKnown } from '../settings.js';
import type { Links, Redeem, Store } from '../store.js';

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
export function memoryStore(options: MemoryOptions = {}): Store<undefined> & Links<undefined> {
  const { spentCapacity, allowManyProcesses, ...common } = options;
  onlyKnown(common, 'setting of memoryStore', ['challengeTtlSeconds', 'spentCapacity', 'allowManyProcesses']);
  const sign = allowManyProcesses === true ? undefined : signOfManyProcesses();
  if (sign !== undefined) {
    throw new Error(
      `memoryStore keeps clients and used challenges in one process, and this is one of several (${sign}): ` +
        'use redisStore or postgresStore, or pass allowManyProcesses: true if that is what you want',
    );
  }
  const clients = new Map<string, Kept>();
  const links = new Map<string, Uint8Array>();
  const redeeming = new Map<string, Promise<unknown>>();
  const spent = new SpentSet(spentCapacity ?? 100_000);
  const root = randomBytes(ROOT_LENGTH);
  const put = (clientId: string, record: Uint8Array): void => {
    clients.set(clientId, { record: Uint8Array.from(record) });
  };
  const isPending = (clientId: string, is: Uint8Array): boolean => {
    const kept = links.get(clientId);
    return kept !== undefined && Buffer.from(kept).equals(is);
  };

  /** Nobody changes a client while something is redeemed for it. */
  async function undisturbed(clientId: string): Promise<void> {
    while (redeeming.has(clientId)) await redeeming.get(clientId);
  }

  async function isRedeemed(clientId: string, redeem: Redeem<undefined> | undefined): Promise<boolean> {
    if (redeem === undefined) return true;
    const asked = Promise.resolve(undefined).then(redeem);
    // Who waits for it hears of no error: that is for who asked.
    redeeming.set(clientId, asked.catch(() => false));
    try {
      return (await asked) === true;
    } finally {
      redeeming.delete(clientId);
    }
  }

  return storeOver(
    {
      redeems: true,
      epoch: async () => ({ ...spent.at(unixSeconds()), root }),
      find: async (clientId) => clients.get(clientId),
      insert: async (clientId, record, redeem) => {
        await undisturbed(clientId);
        if (clients.has(clientId)) return 'exists';
        if (!(await isRedeemed(clientId, redeem))) return 'refused';
        put(clientId, record);
        return 'inserted';
      },
      replace: async (clientId, was, is, redeem) => {
        await undisturbed(clientId);
        if (clients.get(clientId) !== was) return 'changed';
        if (!(await isRedeemed(clientId, redeem))) return 'refused';
        put(clientId, is);
        return 'replaced';
      },
      accept: async ({ clientId, was, expiresAt, joined, spend, record }) => {
        if (redeeming.size > 0) await undisturbed(clientId);
        const now = unixSeconds();
        if (clients.get(clientId) !== was || (expiresAt !== undefined && now >= expiresAt)) return 'changed';
        if (joined !== undefined && !isPending(clientId, joined)) return 'changed';
        const committed = spent.accept(spend, now);
        if (committed !== 'done') return committed;
        if (record !== undefined) put(clientId, record);
        if (joined !== undefined) links.delete(clientId);
        return committed;
      },
      pending: async (clientId) => links.get(clientId),
      offer: async (clientId, pending) => {
        links.set(clientId, pending);
      },
      join: async (clientId, before, after) => {
        if (!isPending(clientId, before)) return false;
        links.set(clientId, after);
        return true;
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
