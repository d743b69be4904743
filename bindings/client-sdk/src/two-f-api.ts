/** The plain calls: make a credential, make a proof. Everything is in hex. */
import { bindingFor } from './binding.js';
import { type Bytes, concat, copyOf, fromHex, toHex, utf8 } from './bytes.js';
import { type EngineChoice, engineOf } from './engine/choose.js';
import type { Engine } from './engine/engine.js';
import { invalidArgument } from './errors.js';
import { linkCodeSvg } from './link-code.js';
import { credentialFor, generatePhrase, openPhrase } from './phrase.js';

/** A credential in hex, 32 bytes each. `secret` and `blinding` are the client; keep them. */
export interface Credential {
  commitment: string;
  secret: string;
  blinding: string;
}

/** What a proof is about, beside the nonce. */
export interface ProofContext {
  clientId?: string;
  /** The host's audience, from which the channel binding follows: over HTTP its origin. */
  audience?: string;
  /**
   * The authentication binding itself: bytes, or a text in UTF-8. Empty for a host without an audience. It
   * stands in the place of `audience`.
   */
  channelBinding?: Uint8Array | string;
}

export interface Configuration extends ProofContext {
  engine?: EngineChoice;
}

let configured: Configuration = {};

const merged = (context: ProofContext): Configuration => {
  const whole: Configuration = { ...configured, ...context };
  // What a call says of the binding stands in the place of all that was configured of it.
  if (context.audience !== undefined && context.channelBinding === undefined) {
    delete whole.channelBinding;
  }
  return whole;
};

function clientIdOf({ clientId }: ProofContext): string {
  if (typeof clientId === 'string') return clientId;
  throw invalidArgument(
    'clientId is missing: give it with the call, or once with TwoFApi.configure({ clientId })',
  );
}

function bindingOf({ audience, channelBinding }: ProofContext): Bytes {
  if (channelBinding !== undefined) {
    // What is no bytes must not count as none: a proof without a binding is good at many hosts.
    const binding = typeof channelBinding === 'string' ? utf8(channelBinding) : copyOf(channelBinding, 0);
    if (binding) return binding;
    throw invalidArgument('channelBinding must be bytes, or a text');
  }
  if (audience !== undefined) return bindingFor(audience);
  throw invalidArgument(
    'audience or channelBinding is missing: give the origin of the host that you mean to talk to as ' +
      "audience, or channelBinding '' for a host that has none",
  );
}

/** What a credential is made from. */
export interface FromPhrase {
  phrase?: string | undefined;
  /** The host that it is for. */
  audience?: string | undefined;
  /** 0 at enrolment, one more with each rotation under the same phrase. */
  generation?: number;
}

async function credentialOf(made: Engine, { phrase, audience, generation = 0 }: FromPhrase): Promise<Bytes> {
  if (phrase === undefined || audience === undefined) return credentialFor(made, phrase);
  const opened = await openPhrase(made, phrase, audience);
  try {
    return opened.at(generation);
  } finally {
    opened.wipe();
  }
}

const engine = () => engineOf(configured.engine ?? 'auto');

/** Works with a credential that was given in hex, and wipes what it was read into. */
async function withCredential(
  secret: string,
  blinding: string,
  work: (credential: Bytes, engine: Engine) => Uint8Array,
): Promise<string> {
  const credential = concat(fromHex('secret', secret, 32), fromHex('blinding', blinding, 32));
  try {
    return toHex(work(credential, await engine()));
  } finally {
    credential.fill(0);
  }
}

export const TwoFApi = {
  /** Sets what later calls need not repeat. */
  configure(configuration: Configuration): void {
    configured = { ...configured, ...configuration };
  },

  /** The engine in use: `wasm`, or `noble` where WebAssembly is refused. */
  async engineName(): Promise<'wasm' | 'noble'> {
    return (await engine()).name;
  },

  /**
   * A fresh credential; with a phrase, the one that belongs to it: at an audience, if one is said here, and otherwise
   * at every host alike.
   */
  async generateCredential({ phrase, audience, generation = 0 }: FromPhrase = {}): Promise<Credential> {
    const made = await engine();
    const credential = await credentialOf(made, { phrase, audience, generation });
    const shown = {
      commitment: toHex(made.commitment(credential)),
      secret: toHex(credential.subarray(0, 32)),
      blinding: toHex(credential.subarray(32)),
    };
    credential.fill(0);
    return shown;
  },

  /** 24 words that hold a credential. */
  generatePhrase,

  /** The code of an offer as an image for a camera, in SVG. */
  linkCodeSvg,

  /** A proof of authentication over a challenge's nonce: 96 bytes. */
  async generateProof(
    secret: string,
    blinding: string,
    nonce: string,
    context: ProofContext = {},
  ): Promise<string> {
    const whole = merged(context);
    return withCredential(secret, blinding, (credential, { proveAuthentication }) =>
      proveAuthentication(
        credential,
        clientIdOf(whole),
        fromHex('nonce', nonce),
        bindingOf(whole),
      ),
    );
  },

  /** A proof of possession, to enrol with: 96 bytes. */
  async generateEnrollmentProof(
    secret: string,
    blinding: string,
    context: ProofContext = {},
  ): Promise<string> {
    const clientId = clientIdOf(merged(context));
    return withCredential(secret, blinding, (credential, { proveEnrollment }) =>
      proveEnrollment(credential, clientId),
    );
  },

  /** A proof by the old credential that the new commitment shall follow it: 96 bytes. */
  async generateRotationProof(
    secret: string,
    blinding: string,
    nonce: string,
    newCommitment: string,
    context: ProofContext = {},
  ): Promise<string> {
    const whole = merged(context);
    return withCredential(secret, blinding, (credential, { proveRotation }) =>
      proveRotation(
        credential,
        clientIdOf(whole),
        fromHex('nonce', nonce),
        fromHex('commitment', newCommitment),
        bindingOf(whole),
      ),
    );
  },
};
