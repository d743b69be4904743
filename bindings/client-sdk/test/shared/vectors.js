// Runs the files of spec/vectors on an engine, in Node and in browsers alike. Gives what disagrees.

const fromHex = (text) => {
  if (!/^([0-9a-f]{2})*$/i.test(text)) throw Object.assign(new Error('not hex'), { code: 'invalid_encoding' });
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => parseInt(digits, 16));
};
const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const text = (bytes) => String.fromCharCode(...bytes);

/** What an engine may answer to a case that is refused for a reason. */
const ANSWERS = {
  client_id: ['invalid_client_id'],
  nonce_length: ['invalid_length'],
  // Of another purpose, or too long.
  binding: ['invalid_encoding', 'invalid_length'],
  length: ['invalid_length'],
  point_encoding: ['invalid_encoding'],
  identity: ['invalid_encoding'],
  scalar_encoding: ['invalid_encoding'],
  zero_response: ['invalid_encoding'],
  equation: ['denied'],
  any: ['denied', 'invalid_encoding'],
};

/**
 * What the purpose of a case takes from its nonce and channel binding. Calls take these apart, so that a
 * statement of another purpose cannot even be said.
 */
function purposeOf(purpose, nonce, binding) {
  const unsaid = (code) => Object.assign(new Error('no call says this'), { code });
  switch (purpose) {
    case 'enrolment':
      if (nonce.length !== 0) throw unsaid('invalid_length');
      if (text(binding) !== 'enrollment') throw unsaid('invalid_encoding');
      return { kind: purpose };
    case 'authentication':
      return { kind: purpose, binding };
    case 'rotation':
      if (nonce.length === 0) throw unsaid('invalid_length');
      if (!text(binding).startsWith('rotation:') || binding.length < 41) throw unsaid('invalid_encoding');
      return { kind: purpose, commitment: binding.slice(9, 41), binding: binding.slice(41) };
    case 'linking':
    case 'unlinking':
    case 'joining': {
      if (nonce.length === 0) throw unsaid('invalid_length');
      const [byte, commitments] = { linking: [1, 32], unlinking: [3, 32], joining: [5, 0] }[purpose];
      const at = 10 + commitments;
      if (!text(binding).startsWith('rotation:') || binding[9] !== byte || binding.length < at) throw unsaid('invalid_encoding');
      return { kind: purpose, commitment: binding.slice(10, at), binding: binding.slice(at) };
    }
    default:
      throw new Error(`unknown purpose ${purpose}`);
  }
}

function verify(engine, { client_id, purpose: named, nonce, channel_binding, commitment, proof }) {
  const [n, b, C, p] = [nonce, channel_binding, commitment, proof].map(fromHex);
  const purpose = purposeOf(named, n, b);
  switch (purpose.kind) {
    case 'enrolment':
      return engine.verifyEnrollment(C, client_id, p);
    case 'authentication':
      return engine.verifyAuthentication(C, client_id, n, purpose.binding, p);
    case 'linking':
      return engine.verifyLinking(C, client_id, n, purpose.commitment, purpose.binding, p);
    case 'unlinking':
      return engine.verifyUnlinking(C, client_id, n, purpose.commitment, purpose.binding, p);
    case 'joining':
      return engine.verifyJoining(C, client_id, n, purpose.binding, p);
    default:
      return engine.verifyRotation(C, client_id, n, purpose.commitment, purpose.binding, p);
  }
}

function prove(engine, credential, { client_id, purpose: named, nonce, channel_binding }) {
  const [n, b] = [nonce, channel_binding].map(fromHex);
  const purpose = purposeOf(named, n, b);
  switch (purpose.kind) {
    case 'enrolment':
      return engine.proveEnrollment(credential, client_id);
    case 'authentication':
      return engine.proveAuthentication(credential, client_id, n, purpose.binding);
    case 'linking':
      return engine.proveLinking(credential, client_id, n, purpose.commitment, purpose.binding);
    case 'unlinking':
      return engine.proveUnlinking(credential, client_id, n, purpose.commitment, purpose.binding);
    case 'joining':
      return engine.proveJoining(credential, client_id, n, purpose.binding);
    default:
      return engine.proveRotation(credential, client_id, n, purpose.commitment, purpose.binding);
  }
}

const credentialOf = ({ secret, blinding }) => fromHex(secret + blinding);

/** Accepted, denied, or the code of an error; any other error is a fault of ours. */
function answer(work) {
  try {
    return work() === false ? 'denied' : 'accepted';
  } catch (error) {
    if (typeof error.code !== 'string') throw error;
    return error.code;
  }
}

function sigma(engine, file, disagree) {
  for (const one of file.accepted) {
    if (answer(() => verify(engine, one)) !== 'accepted') {
      disagree(one.name, 'is refused');
      continue;
    }
    if (!one.secret) continue;
    const credential = credentialOf(one);
    if (toHex(engine.commitment(credential)) !== one.commitment) disagree(one.name, 'other commitment');
    const fresh = toHex(prove(engine, credential, one));
    if (!verify(engine, { ...one, proof: fresh })) disagree(one.name, 'a fresh proof is refused');
  }
  for (const one of file.rejected) {
    const found = answer(() => verify(engine, one));
    if (!ANSWERS[one.reason]?.includes(found)) disagree(one.name, `is ${found}, not refused for ${one.reason}`);
  }
  return file.accepted.length + file.rejected.length;
}

function clientIds(engine, file, disagree) {
  for (const id of file.valid) {
    if (answer(() => engine.checkClientId(id)) !== 'accepted') disagree(id, 'is refused');
  }
  for (const id of file.invalid) {
    if (answer(() => engine.checkClientId(id)) !== 'invalid_client_id') disagree(id, 'is accepted');
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

/** Proofs as above, and what follows from a commitment, a challenge id and a code. */
function linking(engine, readLinkCode, file, disagree) {
  for (const { name, commitment, credential_id } of file.credential_ids) {
    if (toHex(engine.credentialId(fromHex(commitment))) !== credential_id) disagree(name, 'other credential id');
  }
  for (const { name, challenge_id, commitment, number } of file.link_numbers) {
    const found = String(engine.linkNumber(challenge_id, fromHex(commitment))).padStart(6, '0');
    if (found !== number) disagree(name, `is ${found}`);
  }
  for (const { name, code, ...says } of file.link_codes) {
    const { challengeId, clientId, nonce, audience } = readLinkCode(code);
    const read = { challenge_id: challengeId, client_id: clientId, nonce: toHex(nonce), audience };
    for (const [member, value] of Object.entries(read)) if (says[member] !== value) disagree(name, `other ${member}`);
  }
  for (const { name, code } of file.no_link_codes) {
    if (answer(() => readLinkCode(code) && true) !== 'invalid_link_code') disagree(name, 'is read');
  }
  const texts = file.link_numbers.length + file.link_codes.length + file.no_link_codes.length;
  return sigma(engine, file, disagree) + file.credential_ids.length + texts;
}

/** What a phrase makes at a host, and what a client that recovers comes to. */
function blinding(engine, file, disagree) {
  const derived = (entropy, audience, generation) =>
    generation === undefined ? engine.recover(fromHex(entropy)) : engine.recoverAt(fromHex(entropy), audience, generation);
  for (const { name, entropy, audience, generation, secret, blinding: r, commitment } of file.valid) {
    const credential = derived(entropy, audience, generation);
    if (toHex(credential) !== secret + r) disagree(name, 'other credential');
    if (toHex(engine.commitment(credential)) !== commitment) disagree(name, 'other commitment');
  }
  for (const { name, entropy, audience, generation } of file.invalid) {
    const found = answer(() => derived(entropy, audience, generation) && true);
    if (!['invalid_length', 'invalid_encoding'].includes(found)) disagree(name, `is ${found}`);
  }
  const tried = (entropy, audience) =>
    [undefined, ...Array(32).keys()].map((n) => toHex(engine.commitment(derived(entropy, audience, n))));
  for (const { name, entropy, audience, commitments } of file.recoveries) {
    if (tried(entropy, audience).join() !== commitments.join()) disagree(name, 'tries others, or in another order');
  }
  for (const { name, entropy, audience, commitment } of file.not_recovered) {
    if (tried(entropy, audience).includes(commitment)) disagree(name, 'is come to');
  }
  return file.valid.length + file.invalid.length + file.recoveries.length + file.not_recovered.length;
}

/** The binding that a client computes from an audience goes into its proof. */
async function bindings(engine, TwoFApi, file, disagree) {
  const credential = engine.generate();
  const [secret, blinding] = [credential.slice(0, 32), credential.slice(32)].map(toHex);
  const nonce = '00'.repeat(16);
  const prove = (audience) => TwoFApi.generateProof(secret, blinding, nonce, { clientId: 'alice', audience });
  // Exporters are for clients that end TLS themselves, which no browser does.
  const valid = file.bindings.filter(({ audience, exporter }) => audience !== undefined && exporter === undefined);
  for (const { name, audience, binding } of valid) {
    const proof = fromHex(await prove(audience));
    const C = engine.commitment(credential);
    if (!engine.verifyAuthentication(C, 'alice', fromHex(nonce), fromHex(binding), proof)) disagree(name, 'is another');
  }
  const invalid = file.invalid.filter(({ exporter }) => exporter === undefined);
  for (const { name, audience } of invalid) {
    const code = await prove(audience).then(
      () => 'accepted',
      (error) => error.code,
    );
    if (code !== 'invalid_argument') disagree(name, `is ${code}`);
  }
  return valid.length + invalid.length;
}

/**
 * Runs one file. Files of challenges are for hosts, which compute nonces; a client does not.
 */
export async function run({ engine, entropyOf, readLinkCode, TwoFApi }, file) {
  const disagreements = [];
  const disagree = (name, what) => disagreements.push(`${name} ${what}`);
  const cases =
    file.suite === '2FApi-v1.0-Sigma'
      ? sigma(engine, file, disagree)
      : file.suite === '2FApi-v1.0-ClientId'
        ? clientIds(engine, file, disagree)
        : file.suite === '2FApi-v1.0-RecoveryPhrase'
          ? await recovery(engine, entropyOf, file, disagree)
          : file.suite === '2FApi-v1.0-Binding'
            ? await bindings(engine, TwoFApi, file, disagree)
            : file.suite === '2FApi-v1.0-Linking'
              ? linking(engine, readLinkCode, file, disagree)
              : file.suite === '2FApi-v1.0-AudienceBlinding'
                ? blinding(engine, file, disagree)
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
    return toHex(prove(engine, credentialOf(example), { ...example, purpose: 'authentication' }));
  } finally {
    Object.defineProperty(crypto, 'getRandomValues', { configurable: true, writable: true, value: draw });
  }
}
