// An attempt: which steps it takes in which order, and what it asks of a store. Each object of it is used once and
// throws an error with the code `used` afterwards; none can be made up, and who drops one has denied the attempt.

import type { ClientStatus } from '@2fapi/protocol-spec';

import { calling, callingAsync, refusedOf, TwoFApiError } from './errors.js';
import { moment, textOrNothing, whole } from './inputs.js';
import { native } from './load.js';
import { inTurn } from './pool.js';
import { storedBytes } from './record.js';

type Inside<Name extends 'Spend' | 'SpentSet' | 'Attempt'> = InstanceType<(typeof native)[Name]>;

// What only this package may do with the objects: make them, and see inside.
/** @internal */
export let askedOf: (inside: Inside<'Attempt'>, clientId: string) => Asked;
/** @internal */
export let wantedOf: (inside: Inside<'Attempt'>, clientId: string) => Wanted;
let commitOf: (inside: Inside<'Attempt'>, step: Step) => Commit;
let spendOf: (spend: Spend) => Inside<'Spend'>;
let newSpend: (inside: Inside<'Spend'>) => Spend;

type Verified = Awaited<ReturnType<Inside<'Attempt'>['verify']>>;

const none = new Uint8Array(0);

/** The attempt with its verdict, which stays inside; `denied` when the store has nothing to do. */
async function settled(attempt: Inside<'Attempt'>, clientId: string, verify: () => Promise<Verified>): Promise<Commit> {
  const verified = refusedOf(await inTurn(() => callingAsync(verify)));
  const { expects, version, generation, credentialId, expiresAt, joined, spend, record } = verified;
  return commitOf(attempt, {
    clientId,
    expects: expects as Step['expects'],
    version,
    generation,
    credentialId,
    expiresAt,
    joined,
    spend: spend && newSpend(spend),
    record,
  });
}

/** What the host says of a credential that comes. */
export interface AboutCredential {
  /** When it comes, in Unix seconds; 0, nobody knows, unless set. */
  readonly now?: number;
  /** What it is called. */
  readonly name?: string;
}

/** An enrolment or a reset that somebody asks for. */
export class Asked {
  readonly #attempt: Inside<'Attempt'>;
  readonly #clientId: string;

  private constructor(attempt: Inside<'Attempt'>, clientId: string) {
    this.#attempt = attempt;
    this.#clientId = clientId;
  }

  static {
    askedOf = (attempt, clientId) => new Asked(attempt, clientId);
  }

  /**
   * The host permits it: by an invitation, which the step uses up, or because it trusts its caller. Looks at the
   * proof, on the thread pool.
   *
   * @throws TwoFApiError `denied` when it is not good
   */
  async permitted(about: AboutCredential = {}): Promise<Commit> {
    const words = [moment(about.now ?? 0), textOrNothing(about.name, 'name')] as const;
    return settled(this.#attempt, this.#clientId, () => this.#attempt.permitted(...words));
  }

  /** The same of a reset: the credential takes the place of all that this record has, of whatever status but revoked. */
  async permittedToReset(record: Uint8Array | undefined, about: AboutCredential = {}): Promise<Commit> {
    const words = [storedOrNone(record), moment(about.now ?? 0), textOrNothing(about.name, 'name')] as const;
    return settled(this.#attempt, this.#clientId, () => this.#attempt.permittedToReset(...words));
  }
}

const storedOrNone = (kept: Uint8Array | undefined): Uint8Array => (kept === undefined ? none : storedBytes(kept));

/** An attempt whose client is to be looked up. */
export class Wanted {
  readonly #attempt: Inside<'Attempt'>;
  /** Whose record is looked up. */
  readonly clientId: string;

  private constructor(attempt: Inside<'Attempt'>, clientId: string) {
    this.#attempt = attempt;
    this.clientId = clientId;
  }

  static {
    wantedOf = (attempt, clientId) => new Wanted(attempt, clientId);
  }

  /** Whether the client's pending link is looked up as well. */
  get wantsPendingLink(): boolean {
    return calling(() => this.#attempt.wantsPendingLink);
  }

  /**
   * Looks at the proof, on the thread pool, whatever was found: the record, of whatever status, or undefined, and the
   * pending link where it is wanted. Both may be cached, or come from a replica: the step decides.
   *
   * @param source the address that the attempt comes from, as the host knows it: a client with allowed sources is denied
   * from elsewhere, and where nobody knows
   * @returns what the store has to do. Nothing is accepted yet.
   * @throws TwoFApiError `denied` when it has nothing to do
   */
  async verify(record: Uint8Array | undefined, pendingLink?: Uint8Array, source?: string): Promise<Commit> {
    const words = [storedOrNone(record), storedOrNone(pendingLink), textOrNothing(source, 'source')] as const;
    return settled(this.#attempt, this.clientId, () => this.#attempt.verify(...words));
  }
}

/** A challenge that is spent by being accepted. */
export class Spend {
  readonly #inside: Inside<'Spend'>;

  private constructor(inside: Inside<'Spend'>) {
    this.#inside = inside;
  }

  /** Under what it goes into the set of spent ones, 16 bytes. */
  get key(): Uint8Array {
    return this.#inside.key;
  }

  /** When it may leave the set, never earlier, in Unix seconds. */
  get expiresAt(): number {
    return this.#inside.expiresAt;
  }

  /** The epoch that it was issued in, 16 bytes. */
  get epoch(): Uint8Array {
    return this.#inside.epoch;
  }

  static {
    newSpend = (inside) => new Spend(inside);
    spendOf = (spend) => {
      if (typeof spend === 'object' && (spend as unknown) !== null && #inside in spend) return spend.#inside;
      throw new TwoFApiError('invalid_encoding', 'spend must be that of a step');
    };
  }
}

/**
 * What a store has to do in one atomic and durable action, or not at all. In this order: see that the record is as
 * it is expected, and what is pending is what has joined; see that the challenge is alive by the store's clock, of the
 * current epoch and not spent; spend it; make the change.
 */
export interface Step {
  readonly clientId: string;
  /**
   * `absent`: there must be no record, of whatever status. `unchanged`: it must be active, of that version and
   * generation, have that credential, and the clock of the store be before `expiresAt`. `unrevoked`: it must be of
   * that version and generation, and of the status that it had. A store that compares a record's bytes sees to all
   * of it but the expiry.
   */
  readonly expects: 'absent' | 'unchanged' | 'unrevoked';
  readonly version: number | undefined;
  readonly generation: number | undefined;
  readonly credentialId: string | undefined;
  /** From when on the client, or this credential, is let in no longer, in Unix seconds. */
  readonly expiresAt: number | undefined;
  /** What the client must have pending, byte for byte; it is taken away. */
  readonly joined: Uint8Array | undefined;
  /** The challenge that is spent; enrolment and reset have none. */
  readonly spend: Spend | undefined;
  /** The record that takes the place of what was there; undefined: it stays. */
  readonly record: Uint8Array | undefined;
}

/**
 * What a store did with a step. `done`: all of it. All others: nothing, since `changed` the client is not as it was,
 * has expired, or is gone; `spent` the challenge was accepted before; `expired` it is not alive by the store's
 * clock; `stale_epoch` the set has begun another epoch; there is no place for another; `exists` the client id has a
 * record; `not_invited` what permitted the enrolment is gone.
 */
export type Committed =
  | 'done'
  | 'changed'
  | 'spent'
  | 'expired'
  | 'stale_epoch'
  | 'exists'
  | 'not_invited'
  | { readonly retryAfterSeconds: number };

/** A client that was accepted: what sessions and tokens name. */
export interface Accepted {
  readonly clientId: string;
  readonly status: ClientStatus;
  /** Of the record from now on. */
  readonly version: number;
  readonly generation: number;
  /** The credential that was proven, or that has just taken its place. */
  readonly credentialId: string;
  /** The version that this credential came with. */
  readonly since: number;
}

/** The seconds until a place falls free, if that is what the store says. */
function secondsOf(committed: Committed): number | undefined {
  if (typeof committed !== 'object' || (committed as unknown) === null) return undefined;
  const seconds = committed.retryAfterSeconds;
  return Number.isInteger(seconds) && seconds >= 0 && seconds <= 0xffff_ffff ? seconds : undefined;
}

/** A step that the store has to take, and that is told here. */
export class Commit {
  readonly #attempt: Inside<'Attempt'>;
  readonly step: Step;

  private constructor(attempt: Inside<'Attempt'>, step: Step) {
    this.#attempt = attempt;
    this.step = step;
  }

  static {
    commitOf = (attempt, step) => new Commit(attempt, step);
  }

  /**
   * Tells what the store did.
   *
   * @throws TwoFApiError for every answer but `done`
   */
  done(committed: Committed): Accepted {
    const seconds = secondsOf(committed);
    const words: readonly [string, number] = seconds === undefined ? [String(committed), 0] : ['full', seconds];
    try {
      const { version, generation, status, credentialId, since } = calling(() => this.#attempt.done(...words));
      return { clientId: this.step.clientId, status: status as ClientStatus, version, generation, credentialId, since };
    } catch (error) {
      if (seconds === undefined || !(error instanceof TwoFApiError) || error.code !== 'throttled') throw error;
      throw new TwoFApiError(error.code, error.message, { retryAfterSeconds: seconds });
    }
  }
}

/** The challenges that were accepted, in fixed memory of this process, with their epoch: the core's own set. */
export class SpentSet {
  readonly #set: Inside<'SpentSet'>;

  /** @param capacity accepted ones per lifetime of a challenge, 2 to 10,000,000, of 72 bytes each */
  constructor(capacity: number) {
    this.#set = calling(() => new native.SpentSet(whole(capacity, 'capacity', 2, 10_000_000)));
  }

  /** The epoch, and the time to go by when the clock says `now`. A clock that was set back begins a new epoch. */
  at(now: number): { readonly epoch: Uint8Array; readonly now: number } {
    return calling(() => this.#set.at(moment(now)));
  }

  /** Spends a challenge: `done` once. With no place for another, or for this client, the seconds until one falls free. */
  accept(spend: Spend, now: number): Exclude<Committed, 'changed' | 'exists' | 'not_invited'> {
    const words = [spendOf(spend), moment(now)] as const;
    const answer = calling(() => this.#set.accept(...words));
    return typeof answer === 'number' ? { retryAfterSeconds: answer } : answer;
  }
}
