// The quick start as it is written, and the plain calls around it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';

import { CLIENT_CODES, SERVER_CODES, TwoFApi, TwoFApiError, engineOf } from '@2fapi/client-sdk';

import { root, sdk } from '../shared/files.js';

const nonce = '133166f9e02f2a5e6187a605fe27fb39';
const bytes = (hex) => Uint8Array.from(Buffer.from(hex, 'hex'));

test('the quick start proves what it says', async () => {
  const { commitment, secret, blinding } = await TwoFApi.generateCredential();
  const context = { clientId: 'alice', channelBinding: 'aud:https://api.example.com' };
  const proof = await TwoFApi.generateProof(secret, blinding, nonce, context);
  const engine = await engineOf('noble');
  const binding = new TextEncoder().encode(context.channelBinding);
  assert.ok(engine.verifyAuthentication(bytes(commitment), 'alice', bytes(nonce), binding, bytes(proof)));

  TwoFApi.configure({ clientId: 'alice', audience: 'https://api.example.com' });
  const same = await TwoFApi.generateProof(secret, blinding, nonce);
  assert.ok(engine.verifyAuthentication(bytes(commitment), 'alice', bytes(nonce), binding, bytes(same)));
  const other = await TwoFApi.generateProof(secret, blinding, nonce, { audience: 'https://other.example' });
  assert.ok(!engine.verifyAuthentication(bytes(commitment), 'alice', bytes(nonce), binding, bytes(other)));
  TwoFApi.configure({ clientId: undefined, audience: undefined });
});

test('a proof without a client id or a binding is refused, saying what is missing', async () => {
  const { secret, blinding } = await TwoFApi.generateCredential();
  for (const [context, says] of [
    [{ channelBinding: '' }, /clientId is missing/],
    [{ clientId: 'alice' }, /audience or channelBinding is missing/],
    [{ clientId: 'alice', audience: 'with blanks' }, /visible ASCII/],
  ]) {
    await assert.rejects(TwoFApi.generateProof(secret, blinding, nonce, context), (error) => {
      assert.ok(error instanceof TwoFApiError);
      assert.equal(error.code, 'invalid_argument');
      return says.test(error.message);
    });
  }
});

test('what is malformed is named and never quoted', async () => {
  const { secret, blinding } = await TwoFApi.generateCredential();
  const context = { clientId: 'alice', channelBinding: '' };
  const bad = [
    [[`${secret}00`, blinding, nonce], 'invalid_length'],
    [[secret.replace(/.$/, 'g'), blinding, nonce], 'invalid_encoding'],
    [[undefined, blinding, nonce], 'invalid_encoding'],
    [['f'.repeat(64), blinding, nonce], 'invalid_encoding'],
    [[secret, blinding, nonce.slice(2)], 'invalid_length'],
  ];
  for (const [args, code] of bad) {
    await assert.rejects(TwoFApi.generateProof(...args, context), (error) => {
      assert.equal(error.code, code);
      const told = `${error.message} ${error.stack} ${JSON.stringify(error)}`;
      return !told.includes(secret.slice(0, 20)) && !told.includes(blinding.slice(0, 20));
    });
  }
});

test('a phrase gives its credential, in any case and with any blanks', async () => {
  const phrase = await TwoFApi.generatePhrase();
  assert.equal(phrase.split(' ').length, 24);
  const one = await TwoFApi.generateCredential({ phrase });
  const typed = `  ${phrase.toUpperCase().replaceAll(' ', '\n\t ')} `;
  assert.deepEqual(await TwoFApi.generateCredential({ phrase: typed }), one);
  const another = await TwoFApi.generateCredential({ phrase: await TwoFApi.generatePhrase() });
  assert.notEqual(another.commitment, one.commitment);
});

test('a phrase with a mistake is refused without quoting a word', async () => {
  const words = (await TwoFApi.generatePhrase()).split(' ');
  const swapped = [words[1], words[0], ...words.slice(2)].join(' ');
  for (const phrase of ['', words.slice(1).join(' '), [...words.slice(1), 'zzzzz'].join(' '), swapped, undefined + '']) {
    if (phrase === words.join(' ')) continue;
    const failure = await TwoFApi.generateCredential({ phrase }).catch((error) => error);
    // One swap in 256 passes the checksum by chance.
    if (phrase === swapped && !(failure instanceof Error)) continue;
    assert.equal(failure.code, 'invalid_phrase');
    // The same text whatever was typed; some of its words are in the list of words themselves.
    assert.match(
      failure.message,
      /^(?:a recovery phrase has 24 words, got \d+|that is no recovery phrase: a word is not of the list, is wrong, or stands in another place)$/,
    );
  }
});

test('the one-file build runs as a classic script, with its WebAssembly inside', async () => {
  const context = vm.createContext({
    crypto, TextEncoder, TextDecoder, WebAssembly, Uint8Array, DataView, Response, Blob, DecompressionStream, URL, AbortController, setTimeout, clearTimeout,
  });
  vm.runInContext(readFileSync(`${sdk}/dist/2fapi.min.js`, 'utf8'), context);
  const { secret, blinding } = await vm.runInContext('TwoFApi.generateCredential()', context);
  const proof = await context.TwoFApi.generateProof(secret, blinding, nonce, { clientId: 'alice', channelBinding: '' });
  assert.match(proof, /^[0-9a-f]{192}$/);
  assert.equal(await context.TwoFApi.engineName(), 'wasm');
  assert.equal(typeof context.TwoFApiClient, 'function');
});

test('the codes are those that the specification gives to HTTP, and README.md explains those of the client', () => {
  const [section] = readFileSync(`${root}/spec/protocol.md`, 'utf8').split('\n## 13. Errors')[1].split('\n## ');
  const table = [...section.matchAll(/^\| `(\w+)` \|.*\| ([^|]+) \|$/gm)].filter(([, , http]) => http !== 'never').map(([, code]) => code);
  const besides = [...section.matchAll(/`(\w+)` \(\d{3}/g)].map(([, code]) => code);
  assert.deepEqual([...table, ...besides].sort(), [...SERVER_CODES].sort());
  const readme = readFileSync(`${sdk}/README.md`, 'utf8');
  for (const code of CLIENT_CODES) assert.ok(readme.includes(`\`${code}\``), code);
});
