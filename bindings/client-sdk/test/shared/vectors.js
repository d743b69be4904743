// Runs the files of spec/vectors on an engine, in Node and in browsers alike. Gives what disagrees.

const fromHex = (text) => {
  if (!/^([0-9a-f]{2})*$/i.test(text)) throw Object.assign(new Error('not hex'), { code: 'invalid_encoding' });
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => parseInt(digits, 16));
};
const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const text = (bytes) => String.fromCharCode(...bytes);

/** The purpose that nonce and channel binding of a case say, as the specification's own runner reads it. */
function purposeOf(nonce, binding) {
  if (nonce.length === 0 && text(binding) === 'enrollment') return { kind: 'enrolment' };
  if (!text(binding).startsWith('rotation:')) return { kind: 'authentication', binding };
  return { kind: 'rotation', commitment: binding.slice(9, 41), binding: binding.slice(41) };
}

function verify(engine, { client_id, nonce, channel_binding, commitment, proof }) {
  const [n, b, C, p] = [nonce, channel_binding, commitment, proof].map(fromHex);
  const purpose = purposeOf(n, b);
  switch (purpose.kind) {
    case 'enrolment':
      return engine.verifyEnrollment(C, client_id, p);
    case 'authentication':
      return engine.verifyAuthentication(C, client_id, n, purpose.binding, p);
    default:
      return engine.verifyRotation(C, client_id, n, purpose.commitment, purpose.binding, p);
  }
}

function prove(engine, credential, { client_id, nonce, channel_binding }) {
  const [n, b] = [nonce, channel_binding].map(fromHex);
  const purpose = purposeOf(n, b);
  switch (purpose.kind) {
    case 'enrolment':
      return engine.proveEnrollment(credential, client_id);
    case 'authentication':
      return engine.proveAuthentication(credential, client_id, n, purpose.binding);
    default:
      return engine.proveRotation(credential, client_id, n, purpose.commitment, purpose.binding);
  }
}

const credentialOf = ({ secret, blinding }) => fromHex(secret + blinding);

/** Refused is what is false, and what is an error with a code; any other error is a fault of ours. */
function refused(work) {
  try {
    return work() === false;
  } catch (error) {
    if (typeof error.code !== 'string') throw error;
    return true;
  }
}

function sigma(engine, file, disagree) {
  for (const one of file.accepted) {
    if (!verify(engine, one)) disagree(one.name, 'is refused');
    if (!one.secret) continue;
    const credential = credentialOf(one);
    if (toHex(engine.commitment(credential)) !== one.commitment) disagree(one.name, 'other commitment');
    const fresh = toHex(prove(engine, credential, one));
    if (!verify(engine, { ...one, proof: fresh })) disagree(one.name, 'a fresh proof is refused');
  }
  for (const one of file.rejected) {
    if (!refused(() => verify(engine, one))) disagree(one.name, 'is accepted');
  }
  return file.accepted.length + file.rejected.length;
}

function clientIds(engine, file, disagree) {
  for (const id of file.valid) {
    if (refused(() => engine.checkClientId(id) ?? true)) disagree(id, 'is refused');
  }
  for (const id of file.invalid) {
    if (!refused(() => engine.checkClientId(id) ?? true)) disagree(id, 'is accepted');
  }
  return file.valid.length + file.invalid.length;
}

async function recovery(engine, entropyOf, file, disagree) {
  for (const one of file.valid) {
    const entropy = await entropyOf(one.phrase);
    if (toHex(entropy) !== one.entropy) disagree(one.name, 'other entropy');
    const credential = engine.recover(entropy);
    if (toHex(credential) !== one.secret + one.blinding) disagree(one.name, 'other credential');
    if (toHex(engine.commitment(credential)) !== one.commitment) disagree(one.name, 'other commitment');
  }
  for (const one of file.invalid) {
    const code = await entropyOf(one.phrase).then(
      () => 'accepted',
      (error) => error.code,
    );
    if (code !== 'invalid_phrase') disagree(one.name, `is ${code}`);
  }
  return file.valid.length + file.invalid.length;
}

/**
 * Runs one file. Files of challenges are for hosts, which compute nonces; a client does not.
 */
export async function run({ engine, entropyOf }, file) {
  const disagreements = [];
  const disagree = (name, what) => disagreements.push(`${name} ${what}`);
  const cases =
    file.suite === '2FApi-v1.0-Sigma'
      ? sigma(engine, file, disagree)
      : file.suite === '2FApi-v1.0-ClientId'
        ? clientIds(engine, file, disagree)
        : file.suite === '2FApi-v1.0-RecoveryPhrase'
          ? await recovery(engine, entropyOf, file, disagree)
          : undefined;
  if (cases === undefined) throw new Error(`unknown suite ${file.suite}`);
  return { cases, disagreements };
}

/** The worked example of spec/protocol.md, section 15: with its randomness, its proof. */
export function workedProof(engine, example) {
  const draw = crypto.getRandomValues;
  const random = fromHex(example.random);
  Object.defineProperty(crypto, 'getRandomValues', {
    configurable: true,
    writable: true,
    value: (target) => {
      // @noble/curves draws other amounts, to blind its arithmetic.
      if (target.byteLength !== random.length) return draw.call(crypto, target);
      target.set(random);
      return target;
    },
  });
  try {
    return toHex(prove(engine, credentialOf(example), example));
  } finally {
    Object.defineProperty(crypto, 'getRandomValues', { configurable: true, writable: true, value: draw });
  }
}
