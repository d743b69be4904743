// Limits by source, which is an address: never by client, so that nobody can lock a client out.

import { isIPv6 } from 'node:net';

import { onlyKnown, wholeNumber } from './settings.js';

/** How many requests to the resources one source may make. */
export interface Limits {
  /** Per second, on average; 20 unless set. */
  readonly perSecond?: number;
  /** At once, after a pause; 100 unless set. */
  readonly burst?: number;
}

/** What each source has asked of this process lately. */
export interface Limiter {
  /** Counts a request; the seconds to wait when it is one too many. Without a source nothing is counted. */
  admit(source: string | undefined): number | undefined;
}

/** Sources that are remembered. One is forgotten when it may make its whole burst again, or is the oldest of too many. */
const REMEMBERED_MAX = 100_000;

/** @throws TypeError when the limits cannot be right. */
export function limiterOf(limits: Limits | false = {}, now: () => number = () => performance.now() / 1000): Limiter {
  if (limits === false) return { admit: () => undefined };
  onlyKnown(limits, 'limit', ['perSecond', 'burst']);
  const interval = 1 / wholeNumber(limits.perSecond ?? 20, 'limits.perSecond', 1, 1_000_000);
  const tolerance = interval * (wholeNumber(limits.burst ?? 100, 'limits.burst', 1, 1_000_000) - 1);
  // The generic cell rate algorithm (ITU-T I.371): when each source's next request would be due.
  const due = new Map<string, number>();
  let sweepAt = 1024;

  function forget(time: number): void {
    for (const [source, at] of due) if (at <= time) due.delete(source);
    // Room for many at once, so that a sweep is rare however many sources there are.
    const kept = REMEMBERED_MAX / 2;
    if (due.size > kept) {
      for (const source of due.keys()) {
        if (due.size <= kept) break;
        due.delete(source);
      }
    }
    sweepAt = Math.max(1024, due.size * 2);
  }

  return {
    admit(source) {
      if (source === undefined) return undefined;
      const network = networkOf(source);
      const time = now();
      const at = Math.max(time, due.get(network) ?? time);
      const wait = at - time - tolerance;
      // What floating point makes of a wait of nothing.
      if (wait > 1e-6) return wait;
      if (due.size >= sweepAt && !due.has(network)) forget(time);
      due.set(network, at + interval);
      return undefined;
    },
  };
}

/** One IPv4 address, or one IPv6 /64: what one customer of an access provider has. */
export function networkOf(source: string): string {
  const address = source.replace(/%.*$/, '');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return source.slice(0, 128);
  // As the URL standard writes it: in lower case, without needless zeros, and no IPv4 part.
  const written = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [before = '', after] = written.split('::');
  const groups = before === '' ? [] : before.split(':');
  if (after !== undefined) {
    const behind = after === '' ? 0 : after.split(':').length;
    while (groups.length + behind < 8) groups.push('0');
  }
  return `${groups.concat(['0', '0', '0', '0']).slice(0, 4).join(':')}::/64`;
}
