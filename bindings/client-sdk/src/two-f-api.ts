/** The plain calls: make a credential, make a proof. Everything is in hex. */
import { bindingFor } from './binding.js';
import { type Bytes, concat, fromHex, toHex, utf8 } from './bytes.js';
import { type EngineChoice, engineOf } from './engine/choose.js';
import { TwoFApiError, fromEngine } from './errors.js';
import { entropyOf, generatePhrase } from './phrase.js';

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
  throw new TwoFApiError(
    'invalid_argument',
    'clientId is missing: give it with the call, or once with TwoFApi.configure({ clientId })',
  );
}

function bindingOf({ audience, channelBinding }: ProofContext): Bytes {
  if (channelBinding !== undefined) {
    return typeof channelBinding === 'string' ? utf8(channelBinding) : concat(channelBinding);
  }
  if (audience !== undefined) return bindingFor(audience);
  throw new TwoFApiError(
    'invalid_argument',
    'audience or channelBinding is missing: give the origin of the host that you mean to talk to as ' +
      "audience, or channelBinding '' for a host that has none",
  );
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromEngine(error);
  }
}

const engine = () => engineOf(configured.engine ?? 'auto');

const opened = (secret: string, blinding: string): Bytes =>
  concat(fromHex('secret', secret, 32), fromHex('blinding', blinding, 32));

async function inHex(credential: Uint8Array): Promise<Credential> {
  const commitment = (await engine()).commitment(credential);
  const shown = {
    commitment: toHex(commitment),
    secret: toHex(credential.subarray(0, 32)),
    blinding: toHex(credential.subarray(32)),
  };
  credential.fill(0);
  return shown;
}

export const TwoFApi = {
  /** Sets what later calls need not repeat. */
  configure(configuration: Configuration): void {
    configured = { ...configured, ...configuration };
  },

  /** The engine in use: `wasm`, or `noble` where WebAssembly is refused. */
  engineName: (): Promise<'wasm' | 'noble'> => guarded(async () => (await engine()).name),

  /** A fresh credential; with a phrase, the one that belongs to it. */
  generateCredential: ({ phrase }: { phrase?: string } = {}): Promise<Credential> =>
    guarded(async () => {
      const made = await engine();
      if (phrase === undefined) return inHex(made.generate());
      const entropy = await entropyOf(phrase);
      return inHex(made.recover(entropy));
    }),

  /** 24 words that hold a credential. */
  generatePhrase: (): Promise<string> => guarded(generatePhrase),

  /** A proof of authentication over a challenge's nonce: 96 bytes. */
  generateProof: (
    secret: string,
    blinding: string,
    nonce: string,
    context: ProofContext = {},
  ): Promise<string> =>
    guarded(async () => {
      const whole = merged(context);
      const proof = (await engine()).proveAuthentication(
        opened(secret, blinding),
        clientIdOf(whole),
        fromHex('nonce', nonce),
        bindingOf(whole),
      );
      return toHex(proof);
    }),

  /** A proof of possession, to enrol with: 96 bytes. */
  generateEnrollmentProof: (
    secret: string,
    blinding: string,
    context: ProofContext = {},
  ): Promise<string> =>
    guarded(async () => {
      const clientId = clientIdOf(merged(context));
      return toHex((await engine()).proveEnrolment(opened(secret, blinding), clientId));
    }),

  /** A proof by the old credential that the new commitment shall follow it: 96 bytes. */
  generateRotationProof: (
    secret: string,
    blinding: string,
    nonce: string,
    newCommitment: string,
    context: ProofContext = {},
  ): Promise<string> =>
    guarded(async () => {
      const whole = merged(context);
      const proof = (await engine()).proveRotation(
        opened(secret, blinding),
        clientIdOf(whole),
        fromHex('nonce', nonce),
        fromHex('commitment', newCommitment),
        bindingOf(whole),
      );
      return toHex(proof);
    }),
};
