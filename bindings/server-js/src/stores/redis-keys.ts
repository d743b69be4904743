// Clients as plain keys of any Redis: proofs are verified in this process.

import { randomBytes } from 'node:crypto';

import {
  CHALLENGE_SKEW_MAX_SECONDS,
  CHALLENGE_TTL_MAX_SECONDS,
  EPOCH_LENGTH,
  ROOT_LENGTH,
} from '@2fapi/protocol-spec';

import * as crypto from '../crypto.js';
import { once } from '../once.js';
import { storeOver, type Accepted, type Inserted, type Kept, type RecordsOptions, type Replaced } from '../records.js';
import { onlyKnown } from '../settings.js';
import type { Links, Redeem, Store } from '../store.js';
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

/** A record, and the line that holds it: comparing and replacing it is one step. */
interface Line extends Kept {
  readonly line: string;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const encoded = (record: Uint8Array): string => `2 ${hex(record)}`;

/** A line of this layout, or one of before: status, version and the commitment. */
function decoded(line: string): Line {
  const [layout, ...words] = line.split(' ');
  if (layout === '2' && words[0] !== undefined) return { line, record: Buffer.from(words[0], 'hex') };
  const [status, version, commitment] = words;
  if (layout !== '1' || status === undefined || commitment === undefined) {
    throw new Error('a client in Redis is damaged; restore it from a backup');
  }
  const row = { status, commitmentVersion: Number(version), commitment: Buffer.from(commitment, 'hex') };
  return { line, record: crypto.recordOfRow(row) };
}

/** What is to be taken is there still: the beginning of the two scripts that use something up. */
const TAKEN = `for at = 2, #KEYS do if redis.call('EXISTS', KEYS[at]) == 0 then return 'refused' end end
for at = 2, #KEYS do redis.call('DEL', KEYS[at]) end
`;

/** The client, what is to be taken; the record that was there, the one to be. */
const REPLACE = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'changed' end
${TAKEN}redis.call('SET', KEYS[1], ARGV[2])
return 'replaced'`;

/** The client, what is to be taken; the record. */
const INSERT = `if redis.call('EXISTS', KEYS[1]) == 1 then return 'exists' end
${TAKEN}redis.call('SET', KEYS[1], ARGV[1])
return 'inserted'`;

/** What is pending; what has to be there, or nothing; what is to be, and until when. */
const PENDING = `if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('EXPIREAT', KEYS[1], ARGV[3])
return 1`;

/**
 * What a client's set of accepted challenges is at: a sorted set by expiry, in which the epoch and the newest second
 * that it acted on (the mark) lie beyond all expiries, so that whatever takes entries away takes the epoch as well. The
 * epoch is of one history of one master: after a restart or a failover, which may have lost writes, it is another's.
 */
const SET = `local info = redis.call('INFO', 'replication')
local history = string.match(info, 'master_replid:(%x+)')
if not history or not string.find(info, 'role:master', 1, true) then
  return redis.error_reply('this Redis is no master, or does not say its master_replid') end
local now = tonumber(redis.call('TIME')[1])
local kept = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '+inf', '+inf')) do
  local name, value = string.match(member, '^(%a+) (.*)$')
  kept[name] = value
end
local epoch, root, of = string.match(kept.epoch or '', '^(%x+) (%x+) (%x+)$')
local mark = tonumber(kept.mark or '0')
if of ~= history or now + 60 < mark then epoch = nil end
`;

/** The client, its set; an epoch and a root to begin with. Of who is not enrolled nothing is kept. */
const EPOCH = `${SET}if epoch then return { epoch, root, math.max(now, mark) } end
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('DEL', KEYS[2])
  redis.call('ZADD', KEYS[2], '+inf', 'epoch ' .. ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. history, '+inf', 'mark ' .. now)
end
return { ARGV[1], ARGV[2], now }`;

/**
 * The client, its set, what is pending of it; the record as it was found, the challenge, its expiry, its epoch; the record
 * to be, the expiry of who has proven, what has to be pending, if there are any. A client can be deleted and enrolled
 * anew, and is of the first version again: the record is compared as a whole.
 */
const ACCEPT = `${SET}if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'changed' end
if ARGV[6] ~= '' and math.max(now, mark) >= tonumber(ARGV[6]) then return 'changed' end
if ARGV[7] ~= '' and redis.call('GET', KEYS[3]) ~= ARGV[7] then return 'changed' end
if epoch ~= ARGV[4] then return 'stale_epoch' end
now = math.max(now, mark)
local expiry = tonumber(ARGV[3])
if expiry <= now or expiry > now + ${CHALLENGE_TTL_MAX_SECONDS + CHALLENGE_SKEW_MAX_SECONDS} then return 'expired' end
if redis.call('ZADD', KEYS[2], 'NX', expiry, ARGV[2]) == 0 then return 'spent' end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if now ~= mark then
  redis.call('ZREM', KEYS[2], 'mark ' .. kept.mark)
  redis.call('ZADD', KEYS[2], '+inf', 'mark ' .. now)
end
if ARGV[5] ~= '' then redis.call('SET', KEYS[1], ARGV[5]) end
if ARGV[7] ~= '' then redis.call('DEL', KEYS[3]) end
return 'done'`;

/**
 * Clients as keys of a Redis without our module. The Redis must not evict keys
 * (`maxmemory-policy noeviction`) and must be durable (`appendonly yes`), and whoever can write to it
 * decides who is enrolled, and whoever can read it can predict nonces. The challenges that a client was accepted
 * with are kept beside it until they expire; refused attempts leave nothing.
 */
export function redisStore(client: RedisClient, options: RedisOptions = {}): Store<RedisStep> & Links<RedisStep> {
  const { prefix = 'zk:', allowEviction = false, ...common } = options;
  onlyKnown(common, 'setting of redisStore', ['challengeTtlSeconds', 'prefix', 'allowEviction']);
  if (typeof prefix !== 'string') throw new TypeError('prefix must be a string');
  const send = sender(client);
  const nameOf = (clientId: string): string => `${prefix}client:{${clientId}}`;
  /** Where the client is, in a cluster as well, so that one script sees both. */
  const setOf = (clientId: string): string => `${prefix}spent:{${clientId}}`;
  const pendingOf = (clientId: string): string => `${prefix}pending:{${clientId}}`;

  /** The names of what is taken, which `redeem` says; undefined when it says no. */
  async function taken(redeem: Redeem<RedisStep> | undefined): Promise<string[] | undefined> {
    const names: string[] = [];
    if (redeem === undefined) return names;
    const take = (key: string): true => {
      names.push(key);
      return true;
    };
    return (await redeem({ take })) === true ? names : undefined;
  }

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

  return storeOver<RedisStep, Line>(
    {
      redeems: true,
      epoch: async (clientId) => {
        await keepsAll();
        const drawn = [randomBytes(EPOCH_LENGTH), randomBytes(ROOT_LENGTH)].map(hex);
        const answer = await send('EVAL', EPOCH, '2', nameOf(clientId), setOf(clientId), ...drawn);
        const [epoch, root, now] = answer as [unknown, unknown, unknown];
        return { epoch: Buffer.from(text(epoch), 'hex'), root: Buffer.from(text(root), 'hex'), now: Number(now) };
      },
      find: async (clientId) => {
        const line = await send('GET', nameOf(clientId));
        return line === null ? undefined : decoded(text(line));
      },
      insert: async (clientId, record, redeem) => {
        const names = await taken(redeem);
        if (names === undefined) return 'refused';
        const keys = [nameOf(clientId), ...names];
        return text(await send('EVAL', INSERT, String(keys.length), ...keys, encoded(record))) as Inserted;
      },
      replace: async (clientId, was, is, redeem) => {
        const names = await taken(redeem);
        if (names === undefined) return 'refused';
        const keys = [nameOf(clientId), ...names];
        return text(await send('EVAL', REPLACE, String(keys.length), ...keys, was.line, encoded(is))) as Replaced;
      },
      accept: async ({ clientId, was, expiresAt, joined, spend, record }) => {
        const keys = [nameOf(clientId), setOf(clientId), pendingOf(clientId)];
        const words = [was.line, hex(spend.key), String(spend.expiresAt), hex(spend.epoch)];
        words.push(record === undefined ? '' : encoded(record), expiresAt === undefined ? '' : String(expiresAt));
        words.push(joined === undefined ? '' : hex(joined));
        return text(await send('EVAL', ACCEPT, '3', ...keys, ...words)) as Accepted;
      },
      pending: async (clientId) => {
        const digits = await send('GET', pendingOf(clientId));
        return digits === null ? undefined : Buffer.from(text(digits), 'hex');
      },
      offer: async (clientId, pending, until) => {
        await send('EVAL', PENDING, '1', pendingOf(clientId), '', hex(pending), String(until));
      },
      join: async (clientId, before, after, until) =>
        Number(await send('EVAL', PENDING, '1', pendingOf(clientId), hex(before), hex(after), String(until))) === 1,
    },
    common,
  );
}
