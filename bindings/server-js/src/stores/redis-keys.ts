// Clients as plain keys of any Redis: proofs are verified in this process.

import { randomBytes } from 'node:crypto';

import type { ClientRecord, ClientStatus } from '@2fapi/protocol-spec';

import { PERIOD_SECONDS, unixSeconds } from '../challenge-keys.js';
import { once } from '../once.js';
import { storeOver, type RecordsOptions } from '../records.js';
import { onlyKnown } from '../settings.js';
import type { Store } from '../store.js';
import { sender, text, type RedisClient } from './redis-client.js';

/** Settings of {@link redisStore}. */
export interface RedisOptions extends RecordsOptions {
  /** What the names of all keys begin with; `zk:` unless set. */
  readonly prefix?: string;
  /** Says that it is known that this Redis evicts no keys of ours; otherwise it is asked, by `INFO memory`. */
  readonly allowEviction?: boolean;
}

/** How `redeem` takes part in the step that enrols. */
export interface RedisStep {
  /**
   * The key must be there, and is deleted when the client is added, in one script: an invitation, named after the
   * client id and the hash of its token. In a cluster it must be where the client is: have `{client id}` in its name.
   */
  take(key: string): true;
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

/** The client, what is to be taken; the record. */
const INSERT = `if redis.call('EXISTS', KEYS[1]) == 1 then return 'exists' end
for at = 2, #KEYS do if redis.call('EXISTS', KEYS[at]) == 0 then return 'refused' end end
for at = 2, #KEYS do redis.call('DEL', KEYS[at]) end
redis.call('SET', KEYS[1], ARGV[1])
return 'inserted'`;

/**
 * Clients as keys of a Redis without our module. The Redis must not evict keys
 * (`maxmemory-policy noeviction`) and must be durable (`appendonly yes`), and whoever can write to it
 * decides who is enrolled. A used challenge is a key until it expires, also when its proof was
 * refused: put a rate limit before the service.
 */
export function redisStore(client: RedisClient, options: RedisOptions = {}): Store<RedisStep> {
  const { prefix = 'zk:', allowEviction = false, ...common } = options;
  onlyKnown(common, 'setting of redisStore', ['challengeTtlSeconds', 'prefix', 'allowEviction']);
  if (typeof prefix !== 'string') throw new TypeError('prefix must be a string');
  const send = sender(client);
  const nameOf = (clientId: string): string => `${prefix}client:{${clientId}}`;
  const spentName = (spentKey: Uint8Array): string =>
    `${prefix}spent:${Buffer.from(spentKey).toString('hex')}`;

  /** A used challenge that is evicted is good again. */
  const keepsAll = once(async (): Promise<void> => {
    if (allowEviction) return;
    const lines = text(await send('INFO', 'memory'));
    const setting = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(lines)?.[1] ?? '';
    const policy = setting('maxmemory_policy');
    if (policy === 'noeviction' || setting('maxmemory') === '0') return;
    throw new Error(
      `this Redis evicts keys when its memory is full (maxmemory-policy ${policy || 'unknown'}), and used challenges ` +
        'with them: set maxmemory-policy noeviction, or pass allowEviction: true if you know that it never comes to it',
    );
  });

  return storeOver<RedisStep>(
    {
      redeems: true,
      challengeKey: async (period) => {
        await keepsAll();
        const name = `${prefix}challenge-key:${period}`;
        const kept = await send('GET', name);
        if (kept !== null) return Buffer.from(text(kept), 'hex');
        // Whoever comes first draws it; all the others take that one.
        const seconds = Math.max(60, (period + 1) * PERIOD_SECONDS - unixSeconds() + 60);
        await send('SET', name, randomBytes(32).toString('hex'), 'NX', 'EX', String(seconds));
        return Buffer.from(text(await send('GET', name)), 'hex');
      },
      find: async (clientId) => {
        const line = await send('GET', nameOf(clientId));
        return line === null ? undefined : decoded(text(line));
      },
      insert: async (clientId, record, redeem) => {
        const names = [nameOf(clientId)];
        if (redeem !== undefined) {
          const take = (key: string): true => {
            names.push(key);
            return true;
          };
          if ((await redeem({ take })) !== true) return 'refused';
        }
        const answer = text(await send('EVAL', INSERT, String(names.length), ...names, encoded(record)));
        return answer as 'inserted' | 'exists' | 'refused';
      },
      replace: async (clientId, was, is) =>
        Number(await send('EVAL', REPLACE, '1', nameOf(clientId), encoded(was), encoded(is))) === 1,
      spend: async (spentKey, expiresAt, now) => {
        // Redis's clock may be behind ours by as much as nobody keeps clocks apart.
        const seconds = String(expiresAt - now + 60);
        const taken = await send('SET', spentName(spentKey), '1', 'NX', 'EX', seconds);
        return taken === null ? 'spent' : 'fresh';
      },
    },
    common,
  );
}
