// The ceremonies of the core for hosts: what an attempt is, which steps it takes in which order, and what it
// asks of a store. Each object of an attempt is used once and throws an error with the code `used` afterwards;
// none can be made up, and who drops one has denied the attempt.

import {
  CHALLENGE_SKEW_MAX_SECONDS,
  CHALLENGE_TTL_DEFAULT_SECONDS,
  CHALLENGE_TTL_MAX_SECONDS,
  type ClientRecord,
  type ClientStatus,
  type IssuedChallenge,
} from '@2fapi/protocol-spec';

import { calling, callingAsync, TwoFApiError } from './errors.js';
import { bytes, clientId, object, text, whole } from './inputs.js';
import { native } from './load.js';
import { inTurn } from './pool.js';

type Native = typeof native;
type Inside<Name extends 'Keys' | 'Terms' | 'Spend' | 'SpentSet' | 'Attempt'> = InstanceType<Native[Name]>;

const VERSION_MAX = 0xffff_ffff;

const moment = (now: unknown): number => whole(now, 'now', 0, Number.MAX_SAFE_INTEGER);

// What only this file may do with the objects: make them, and see inside.
let keysOf: (keys: Keys) => Inside<'Keys'>;
let spendOf: (spend: Spend) => Inside<'Spend'>;
let askedOf: (inside: Inside<'Attempt'>) => Asked;
let wantedOf: (inside: Inside<'Attempt'>) => Wanted;
let checkOf: (inside: Inside<'Attempt'>) => Check;
let checkedOf: (inside: Inside<'Attempt'>) => Checked;
let commitOf: (inside: Inside<'Attempt'>) => Commit;
let newSpend: (inside: Inside<'Spend'>) => Spend;

/** The challenge keys of one epoch. Derive them again when the epoch is another. */
export class Keys {
  readonly #inside: Inside<'Keys'>;

  /** @param from a root, 32 random bytes that the host keeps to itself, and the epoch of its spent set, 16 bytes */
  constructor(from: { readonly root: Uint8Array; readonly epoch: Uint8Array }) {
    const { root, epoch } = object(from, 'the argument');
    const words = [bytes(root, 'root'), bytes(epoch, 'epoch')] as const;
    this.#inside = calling(() => new native.Keys(...words));
  }

  static {
    keysOf = (keys) => {
      if (typeof keys === 'object' && (keys as unknown) !== null && #inside in keys) return keys.#inside;
      throw new TwoFApiError('invalid_encoding', 'keys must be Keys');
    };
  }
}

/** What a store gives. Damage in it is not the fault of who proves, and is no error that such a one is told. */
function stored(record: ClientRecord): [Uint8Array, number, string] {
  try {
    const { commitment, commitmentVersion, status } = object(record, 'the record');
    return [
      bytes(commitment, 'commitment'),
      whole(commitmentVersion, 'commitmentVersion', 1, VERSION_MAX),
      text(status, 'status'),
    ];
  } catch (error) {
    if (!(error instanceof TwoFApiError)) throw error;
    throw new TwoFApiError('unavailable', `what is stored of a client is damaged: ${error.message}`);
  }
}

/** Which challenge of which client. */
export interface ChallengeOf {
  readonly clientId: string;
  readonly challengeId: string;
}

/** What a client sends to authenticate. */
export interface AuthenticationRequest extends ChallengeOf {
  /** 96 bytes. */
  readonly proof: Uint8Array;
}

/** What a client sends to replace its commitment. */
export interface RotationRequest extends ChallengeOf {
  /** The rotation, by the enrolled credential, 96 bytes. */
  readonly proofOld: Uint8Array;
  /** 32 bytes. */
  readonly commitmentNew: Uint8Array;
  /** Possession, by the new credential, 96 bytes. */
  readonly proofNew: Uint8Array;
}

/** What a client sends to enrol. */
export interface EnrollmentRequest {
  readonly clientId: string;
  /** 32 bytes. */
  readonly commitment: Uint8Array;
  /** 96 bytes. */
  readonly proof: Uint8Array;
}

/** Settings of {@link Terms}. */
export interface TermsOptions {
  /** What proofs must be bound to, as `audienceBinding` gives it. */
  readonly channelBinding: Uint8Array;
  /** How long challenges live. */
  readonly ttlSeconds?: number;
  /** For hosts that share a store, by whose clock they go: how wrong their reading of it may be. */
  readonly skewSeconds?: number;
}

/** What a host decides once for all its attempts, and where every attempt begins. */
export class Terms {
  readonly #terms: Inside<'Terms'>;

  constructor(options: TermsOptions) {
    const { channelBinding, ttlSeconds, skewSeconds } = object(options, 'the argument');
    const binding = bytes(channelBinding, 'channelBinding');
    const ttl = whole(ttlSeconds, 'ttlSeconds', 1, CHALLENGE_TTL_MAX_SECONDS, CHALLENGE_TTL_DEFAULT_SECONDS);
    const skew = whole(skewSeconds, 'skewSeconds', 0, CHALLENGE_SKEW_MAX_SECONDS, 0);
    this.#terms = calling(() => new native.Terms(binding, ttl, skew));
  }

  /** A challenge for whoever asks, enrolled or not. Nothing is stored. */
  challenge(keys: Keys, now: number, id: string): IssuedChallenge {
    const words = [keysOf(keys), clientId(id), moment(now)] as const;
    return calling(() => this.#terms.challenge(...words));
  }

  /**
   * Begins an attempt to authenticate.
   *
   * @throws TwoFApiError saying what is malformed; then `denied` for a challenge that is not alive
   */
  authenticate(keys: Keys, now: number, request: AuthenticationRequest): Wanted {
    const { clientId: id, challengeId, proof } = object(request, 'the request');
    const words = [keysOf(keys), moment(now), clientId(id), text(challengeId, 'challengeId'), bytes(proof, 'proof')] as const;
    return wantedOf(calling(() => this.#terms.authenticate(...words)));
  }

  /** Begins an attempt to replace a commitment; throws as {@link Terms.authenticate} does. */
  rotate(keys: Keys, now: number, request: RotationRequest): Wanted {
    const { clientId: id, challengeId, proofOld, commitmentNew, proofNew } = object(request, 'the request');
    const named = [keysOf(keys), moment(now), clientId(id), text(challengeId, 'challengeId')] as const;
    const sent = [bytes(proofOld, 'proofOld'), bytes(commitmentNew, 'commitmentNew'), bytes(proofNew, 'proofNew')] as const;
    return wantedOf(calling(() => this.#terms.rotate(...named, ...sent)));
  }

  /** Begins an enrolment: decodes it. Next the host says whether it is permitted, or drops it. */
  enroll(request: EnrollmentRequest): Asked {
    const { clientId: id, commitment, proof } = object(request, 'the request');
    const words = [clientId(id), bytes(commitment, 'commitment'), bytes(proof, 'proof')] as const;
    return askedOf(calling(() => this.#terms.enroll(...words)));
  }
}

/** An enrolment that somebody asks for. */
export class Asked {
  readonly #attempt: Inside<'Attempt'>;

  private constructor(attempt: Inside<'Attempt'>) {
    this.#attempt = attempt;
  }

  static {
    askedOf = (attempt) => new Asked(attempt);
  }

  /** The host permits it: by an invitation, which the step uses up, or because it trusts its caller. */
  permitted(): Check {
    calling(() => this.#attempt.permitted());
    return checkOf(this.#attempt);
  }
}

/** An attempt whose client is to be looked up. */
export class Wanted {
  readonly #attempt: Inside<'Attempt'>;

  private constructor(attempt: Inside<'Attempt'>) {
    this.#attempt = attempt;
  }

  static {
    wantedOf = (attempt) => new Wanted(attempt);
  }

  /** Whose record is looked up. */
  get clientId(): string {
    return calling(() => this.#attempt.wantedClientId);
  }

  /**
   * What was found, of whatever status, or undefined: the proof is looked at all the same. The record may be cached,
   * or come from a replica: the step decides.
   */
  found(record: ClientRecord | undefined): Check {
    const words = record && stored(record);
    calling(() => (words === undefined ? this.#attempt.missing() : this.#attempt.found(...words)));
    return checkOf(this.#attempt);
  }
}

/** An attempt whose proof is to be looked at. */
export class Check {
  readonly #attempt: Inside<'Attempt'>;

  private constructor(attempt: Inside<'Attempt'>) {
    this.#attempt = attempt;
  }

  static {
    checkOf = (attempt) => new Check(attempt);
  }

  /** Looks at the proof, on the thread pool. */
  async verify(): Promise<Checked> {
    await inTurn(() => callingAsync(() => this.#attempt.verify()));
    return checkedOf(this.#attempt);
  }
}

/** An attempt with its verdict, which stays inside. */
export class Checked {
  readonly #attempt: Inside<'Attempt'>;

  private constructor(attempt: Inside<'Attempt'>) {
    this.#attempt = attempt;
  }

  static {
    checkedOf = (attempt) => new Checked(attempt);
  }

  /**
   * What the store has to do. Nothing is accepted yet.
   *
   * @throws TwoFApiError `denied` when it has nothing to do
   */
  settle(): Commit {
    calling(() => this.#attempt.settle());
    return commitOf(this.#attempt);
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
 * it is expected; see that the challenge is alive by the store's clock, of the current epoch and not spent; spend
 * it; make the change.
 */
export interface Step {
  readonly clientId: string;
  /** The record must be active and of this version; undefined: there must be none, of whatever status. */
  readonly expectedVersion: number | undefined;
  /** The challenge that is spent; an enrolment has none. */
  readonly spend: Spend | undefined;
  /** The record that takes the place of what was there; undefined: it stays. */
  readonly record: ClientRecord | undefined;
}

/**
 * What a store did with a step. `done`: all of it. All others: nothing, since `changed` the client is not active or
 * of another version, or gone; `spent` the challenge was accepted before; `expired` it is not alive by the store's
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

/** A client that was accepted. */
export interface Accepted {
  readonly clientId: string;
  /** Of the commitment from now on. */
  readonly commitmentVersion: number;
}

/** The seconds until a place falls free, if that is what the store says. */
function secondsOf(committed: Committed): number | undefined {
  if (typeof committed !== 'object' || (committed as unknown) === null) return undefined;
  const seconds = committed.retryAfterSeconds;
  return Number.isInteger(seconds) && seconds >= 0 && seconds <= VERSION_MAX ? seconds : undefined;
}

/** A step that the store has to take, and that is told here. */
export class Commit {
  readonly #attempt: Inside<'Attempt'>;
  readonly step: Step;

  private constructor(attempt: Inside<'Attempt'>) {
    this.#attempt = attempt;
    const { clientId: id, expectedVersion, spend, record } = attempt;
    this.step = {
      clientId: id,
      expectedVersion: expectedVersion ?? undefined,
      spend: spend === null ? undefined : newSpend(spend),
      record: record === null ? undefined : { ...record, status: record.status as ClientStatus },
    };
  }

  static {
    commitOf = (attempt) => new Commit(attempt);
  }

  /**
   * Tells what the store did.
   *
   * @throws TwoFApiError for every answer but `done`
   */
  done(committed: Committed): Accepted {
    const { clientId: id } = this.step;
    const seconds = secondsOf(committed);
    if (seconds === undefined) return { clientId: id, commitmentVersion: calling(() => this.#attempt.done(String(committed), 0)) };
    try {
      return { clientId: id, commitmentVersion: calling(() => this.#attempt.done('full', seconds)) };
    } catch (error) {
      if (!(error instanceof TwoFApiError) || error.code !== 'throttled') throw error;
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

/** The status of a client after a change; `not_active` when its record does not allow it. */
export function nextStatus(record: ClientRecord, change: 'suspend' | 'resume' | 'revoke'): ClientStatus {
  const given = stored(record);
  return calling(() => native.nextStatus(...given, text(change, 'change'))) as ClientStatus;
}
