// Linking from a second device: what a client has pending, who joins, and the number that two people compare.

import { calling, callingAsync, refusedOf, TwoFApiError } from './errors.js';
import { bytes, moment, text } from './inputs.js';
import { native } from './load.js';
import { inTurn } from './pool.js';
import { storedBytes } from './record.js';

type Inside = InstanceType<(typeof native)['Joiner']>;

// What only this package may do: make one.
/** @internal */
export let joinerOf: (inside: Inside, clientId: string) => Joiner;
let joinOf: (inside: Inside, parts: Pick<Join, 'before' | 'after' | 'until'>) => Join;

const none = new Uint8Array(0);

/** A second device that asks to be added. */
export class Joiner {
  readonly #joiner: Inside;
  /** Whose pending link is looked up. */
  readonly clientId: string;

  private constructor(joiner: Inside, clientId: string) {
    this.#joiner = joiner;
    this.clientId = clientId;
  }

  static {
    joinerOf = (joiner, clientId) => new Joiner(joiner, clientId);
  }

  /**
   * Looks at the joining proof, on the thread pool, whatever was found.
   *
   * @throws TwoFApiError `denied` when it is not good, or the client has no such offer
   */
  async verify(pending: Uint8Array | undefined): Promise<Join> {
    const kept = pending === undefined ? none : storedBytes(pending);
    const { before, after, until } = refusedOf(await inTurn(() => callingAsync(() => this.#joiner.verify(kept))));
    if (before === undefined || after === undefined || until === undefined) {
      throw new TwoFApiError('unavailable', 'the addon is of another version than this package');
    }
    return joinOf(this.#joiner, { before, after, until });
  }
}

/** What the store has to do in one atomic action, or not at all: see that `before` is there, and put `after` in its place. */
export class Join {
  readonly #joiner: Inside;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** When it is gone, in Unix seconds. */
  readonly until: number;

  private constructor(joiner: Inside, { before, after, until }: Pick<Join, 'before' | 'after' | 'until'>) {
    this.#joiner = joiner;
    this.before = before;
    this.after = after;
    this.until = until;
  }

  static {
    joinOf = (joiner, parts) => new Join(joiner, parts);
  }

  /**
   * Tells whether the store did it.
   *
   * @throws TwoFApiError `denied` when something else was there, or another device has joined as well
   */
  done(replaced: boolean): void {
    calling(() => this.#joiner.done(replaced === true));
  }
}

/** How far a link from a second device is. */
export interface PendingLink {
  readonly state: 'open' | 'joined' | 'clashed';
  /** The challenge that was offered. */
  readonly challengeId: string;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** That of the device that joined, 32 bytes. */
  readonly commitment?: Uint8Array;
  /** Its joining proof, 96 bytes, for the first device to look at. */
  readonly proof?: Uint8Array;
  /** What it is to be called. */
  readonly name?: string;
}

/** What a store keeps of a link from a second device; undefined when its time is over. */
export function readPendingLink(pending: Uint8Array, now: number): PendingLink | undefined {
  const words = [storedBytes(pending), moment(now)] as const;
  return calling(() => native.readPendingLink(...words)) ?? undefined;
}

/** The number that the second device shows and the user of the first one types: six digits. */
export function linkNumber(challengeId: string, commitment: Uint8Array): string {
  const words = [text(challengeId, 'challengeId'), bytes(commitment, 'commitment')] as const;
  return String(calling(() => native.linkNumber(...words))).padStart(6, '0');
}
