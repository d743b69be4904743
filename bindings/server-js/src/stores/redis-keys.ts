// Clients as plain keys of any Redis: proofs are verified in this process.

import { randomBytes } from 'node:crypto';

import type { ClientRecord, ClientStatus } from '@2fapi/protocol-spec';

import type { Host } from '../host.js';
import { hostOver, once, type RecordsOptions } from '../records.js';
import { sender, text, type RedisClient } from './redis-client.js';

/** Settings of {@link redisStore}. */
export interface RedisOptions extends RecordsOptions {
  /** What the names of all keys begin with; `zk:` unless set. */
  readonly prefix?: string;
}

/** One string holds a record, so that comparing and replacing it is one step. */
const encoded = (record: ClientRecord): string =>
  `1 ${record.status} ${record.commitmentVersion} ${Buffer.from(record.commitment).toString('hex')}`;

function decoded(line: string): ClientRecord {
  const [layout, status, version, commitment] = line.split(' ');
  const known: readonly string[] = ['active', 'suspended', 'revoked'] satisfies ClientStatus[];
  if (layout !== '1' || status === undefined || !known.includes(status) || commitment?.length !== 64) {
    throw new Error('a client in Redis is damaged; restore it from a backup');
  }
  return {
    status: status as ClientStatus,
    commitmentVersion: Number(version),
    commitment: Buffer.from(commitment, 'hex'),
  };
}

const REPLACE = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 end return 0`;

/**
 * Clients as keys of a Redis without our module. The Redis must not evict keys
 * (`maxmemory-policy noeviction`) and must be durable (`appendonly yes`), and whoever can write to it
 * decides who is enrolled. A used challenge is a key until it expires, also when its proof was
 * refused: put a rate limit before the service.
 */
export function redisStore(client: RedisClient, options: RedisOptions = {}): Host {
  const send = sender(client);
  const prefix = options.prefix ?? 'zk:';
  const nameOf = (clientId: string): string => `${prefix}client:{${clientId}}`;
  const spentName = (spentKey: Uint8Array): string =>
    `${prefix}spent:${Buffer.from(spentKey).toString('hex')}`;

  async function sharedKey(): Promise<Uint8Array> {
    const name = `${prefix}challenge-key`;
    // Whoever comes first draws it; all the others take that one.
    await send('SET', name, randomBytes(32).toString('hex'), 'NX');
    return Buffer.from(text(await send('GET', name)), 'hex');
  }

  return hostOver(
    {
      challengeKey: once(sharedKey),
      find: async (clientId) => {
        const line = await send('GET', nameOf(clientId));
        return line === null ? undefined : decoded(text(line));
      },
      insert: async (clientId, record) =>
        (await send('SET', nameOf(clientId), encoded(record), 'NX')) !== null,
      replace: async (clientId, was, is) =>
        Number(await send('EVAL', REPLACE, '1', nameOf(clientId), encoded(was), encoded(is))) === 1,
      spend: async (spentKey, expiresAt, now) => {
        // Redis's clock may be behind ours by as much as nobody keeps clocks apart.
        const seconds = String(expiresAt - now + 60);
        const taken = await send('SET', spentName(spentKey), '1', 'NX', 'EX', seconds);
        return taken === null ? 'spent' : 'fresh';
      },
    },
    options,
  );
}
