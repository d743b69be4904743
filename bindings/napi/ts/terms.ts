// What a host decides once for all its attempts, and where each begins.

import {
  CHALLENGE_SKEW_MAX_SECONDS,
  CHALLENGE_TTL_DEFAULT_SECONDS,
  CHALLENGE_TTL_MAX_SECONDS,
  type IssuedChallenge,
} from '@2fapi/protocol-spec';

import { askedOf, wantedOf, type Asked, type Wanted } from './attempt.js';
import { calling, TwoFApiError } from './errors.js';
import { bytes, clientId, moment, object, text, textOrNothing, whole } from './inputs.js';
import { joinerOf, type Joiner } from './join.js';
import { native } from './load.js';

type Inside<Name extends 'Keys' | 'Terms'> = InstanceType<(typeof native)[Name]>;

// What only this file may do with keys: see inside.
let keysOf: (keys: Keys) => Inside<'Keys'>;

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

/** Which challenge of which client. */
export interface ChallengeOf {
  readonly clientId: string;
  readonly challengeId: string;
}

/** What is asked for by a credential that is enrolled. */
export interface ByCredential extends ChallengeOf {
  /** The credential that proves, 32 hex digits; the client's first one unless set. */
  readonly credentialId?: string | undefined;
}

/** What a client sends to authenticate. */
export interface AuthenticationRequest extends ByCredential {
  /** 96 bytes. */
  readonly proof: Uint8Array;
}

/** What a client sends to replace a commitment. */
export interface RotationRequest extends ByCredential {
  /** The rotation, by the enrolled credential, 96 bytes. */
  readonly proofOld: Uint8Array;
  /** 32 bytes. */
  readonly commitmentNew: Uint8Array;
  /** Possession, by the new credential, 96 bytes. */
  readonly proofNew: Uint8Array;
}

/** What a client sends to add a credential: with `proofNew` and `name` one at the same device, without both one that has joined. */
export interface LinkRequest extends ByCredential {
  /** The link, by the enrolled credential, 96 bytes. */
  readonly proof: Uint8Array;
  /** 32 bytes. */
  readonly commitmentNew: Uint8Array;
  /** Joining, by the new credential, 96 bytes. */
  readonly proofNew?: Uint8Array | undefined;
  /** 1 to 64 printable ASCII characters. */
  readonly name?: string | undefined;
}

/** What a client sends to take a credential away. */
export interface UnlinkRequest extends ByCredential {
  /** The unlinking, by a credential that is enrolled, 96 bytes. */
  readonly proof: Uint8Array;
  /** 32 bytes. */
  readonly commitmentOld: Uint8Array;
}

/** What a second device sends to be added. */
export interface JoinRequest extends ChallengeOf {
  /** 32 bytes. */
  readonly commitment: Uint8Array;
  /** Joining, 96 bytes. */
  readonly proof: Uint8Array;
  /** 1 to 64 printable ASCII characters. */
  readonly name: string;
}

/** What a client sends to enrol. */
export interface EnrollmentRequest {
  readonly clientId: string;
  /** 32 bytes. */
  readonly commitment: Uint8Array;
  /** 96 bytes. */
  readonly proof: Uint8Array;
}

/** What a store is to keep of a client that offers a challenge to a second device. */
export interface Offered {
  readonly pending: Uint8Array;
  /** When it is gone, in Unix seconds. */
  readonly until: number;
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

const named = (keys: Keys, now: number, { clientId: id, challengeId }: ChallengeOf) =>
  [keysOf(keys), moment(now), clientId(id), text(challengeId, 'challengeId')] as const;

const by = (keys: Keys, now: number, request: ByCredential) =>
  [...named(keys, now, request), textOrNothing(request.credentialId, 'credentialId')] as const;

const none = new Uint8Array(0);

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
    const words = [...by(keys, now, object(request, 'the request')), bytes(request.proof, 'proof')] as const;
    return wantedOf(calling(() => this.#terms.authenticate(...words)), request.clientId);
  }

  /** Begins an attempt to replace a commitment; throws as {@link Terms.authenticate} does. */
  rotate(keys: Keys, now: number, request: RotationRequest): Wanted {
    const { proofOld, commitmentNew, proofNew } = object(request, 'the request');
    const sent = [bytes(proofOld, 'proofOld'), bytes(commitmentNew, 'commitmentNew'), bytes(proofNew, 'proofNew')] as const;
    const words = [...by(keys, now, request), ...sent] as const;
    return wantedOf(calling(() => this.#terms.rotate(...words)), request.clientId);
  }

  /** Begins an attempt to add a credential; throws as {@link Terms.authenticate} does. */
  link(keys: Keys, now: number, request: LinkRequest): Wanted {
    const { proof, commitmentNew, proofNew, name } = object(request, 'the request');
    if ((proofNew === undefined) !== (name === undefined)) {
      throw new TwoFApiError('invalid_encoding', 'proofNew and name must be given both, or neither');
    }
    const sent = [bytes(proof, 'proof'), bytes(commitmentNew, 'commitmentNew')] as const;
    const joining = [proofNew === undefined ? none : bytes(proofNew, 'proofNew'), textOrNothing(name, 'name')] as const;
    const words = [...by(keys, now, request), ...sent, ...joining] as const;
    return wantedOf(calling(() => this.#terms.link(...words)), request.clientId);
  }

  /** Begins an attempt to take a credential away; throws as {@link Terms.authenticate} does. */
  unlink(keys: Keys, now: number, request: UnlinkRequest): Wanted {
    const { proof, commitmentOld } = object(request, 'the request');
    const words = [...by(keys, now, request), bytes(proof, 'proof'), bytes(commitmentOld, 'commitmentOld')] as const;
    return wantedOf(calling(() => this.#terms.unlink(...words)), request.clientId);
  }

  /**
   * What a client has pending that offers a challenge to a second device. Its token has shown already that it is `of`;
   * what it had pending before gives way.
   *
   * @throws TwoFApiError `denied` for a challenge that is not alive, or is another client's
   */
  offer(keys: Keys, now: number, of: string, challenge: ChallengeOf): Offered {
    const [inside, at, namedId, challengeId] = named(keys, now, object(challenge, 'the challenge'));
    const words = [inside, at, clientId(of), namedId, challengeId] as const;
    return calling(() => this.#terms.offer(...words));
  }

  /** Begins an attempt of a second device to join; throws as {@link Terms.authenticate} does. */
  join(keys: Keys, now: number, request: JoinRequest): Joiner {
    const { commitment, proof, name } = object(request, 'the request');
    const sent = [bytes(commitment, 'commitment'), bytes(proof, 'proof'), text(name, 'name')] as const;
    const words = [...named(keys, now, request), ...sent] as const;
    return joinerOf(calling(() => this.#terms.join(...words)), request.clientId);
  }

  /** Begins an enrolment or a reset: decodes it. Next the host says whether it is permitted, or drops it. */
  enroll(request: EnrollmentRequest): Asked {
    const { clientId: id, commitment, proof } = object(request, 'the request');
    const words = [clientId(id), bytes(commitment, 'commitment'), bytes(proof, 'proof')] as const;
    return askedOf(calling(() => this.#terms.enroll(...words)), words[0]);
  }
}
