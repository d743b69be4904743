// Several credentials of a client, from one device and from two: against a real server of each kind, with servers
// between that lie.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { TwoFApiClient, generatePhrase, linkCodeSvg, memoryStore, readLinkCode } from '@2fapi/client-sdk';

import { fails } from '../shared/assertions.js';
import { startLiar, withMember } from '../shared/liar.js';
import { startNodeHost } from '../shared/node-host.js';
import { startServer } from '../shared/server.js';

for (const [kind, start] of Object.entries({ '@2fapi/server': startNodeHost, '2fapi serve': startServer })) {
  describe(kind, () => {
    let server;
    let name = 0;
    before(async () => {
      server = await start();
    });
    after(() => server?.stop());

    const device = (clientId, options = {}) =>
      new TwoFApiClient({ baseUrl: server.url, clientId, store: memoryStore(), ...options });
    const enrolled = async (more = {}) => {
      const clientId = `link-${++name}`;
      const store = memoryStore();
      const client = device(clientId, { store });
      await client.enroll({ token: await server.invite(clientId), ...more });
      return { client, clientId, store };
    };
    /** A client with two devices. */
    const pair = async (options = {}) => {
      const { client, clientId, store } = await enrolled();
      const second = device(undefined, options);
      const { code } = await client.offerLink();
      const { number } = await second.joinLink({ code, name: 'tablet' });
      await client.confirmLink({ number });
      return { first: client, second, clientId, store };
    };

    for (const engine of ['wasm', 'noble']) {
      test(`a second device joins, its number is typed at the first one, and both log in: on ${engine}`, async () => {
        const { client, clientId } = await enrolled();
        const second = device(undefined, { engine });
        assert.deepEqual(await client.pendingLink(), { state: 'none' });
        const { code, expiresAt } = await client.offerLink();
        assert.ok(expiresAt > Date.now() && expiresAt <= Date.now() + 900_000);
        assert.equal(readLinkCode(code).clientId, clientId);
        assert.equal((await client.pendingLink()).state, 'open');
        await fails(client.confirmLink({ number: '000000' }), 'not_joined');
        const joined = await second.joinLink({ code, name: 'tablet' });
        assert.match(joined.number, /^\d{6}$/);
        assert.equal(joined.clientId, clientId);
        await fails(second.login(), 'denied');
        const pending = await client.pendingLink();
        assert.deepEqual([pending.state, pending.name], ['joined', 'tablet']);
        const wrong = String((Number(joined.number) + 1) % 1_000_000).padStart(6, '0');
        await fails(client.confirmLink({ number: wrong }), 'wrong_number');
        await fails(second.login(), 'denied');
        const linked = await client.confirmLink({ number: `${joined.number.slice(0, 3)} ${joined.number.slice(3)}` });
        assert.deepEqual([linked.name, linked.commitmentVersion], ['tablet', 2]);
        assert.equal((await second.login()).clientId, clientId);
        const listed = await second.credentials();
        assert.deepEqual(listed.map((one) => [one.name, one.isThis]), [['first', false], ['tablet', true]]);
        assert.equal(listed[1].credentialId, linked.credentialId);
        assert.ok(Math.abs(listed[1].created - Date.now()) < 60_000);
        await client.login();
        assert.deepEqual(await client.pendingLink(), { state: 'none' });
        await fails(client.confirmLink({ number: joined.number }), 'no_offer');
      });
    }

    test('a device that was unlinked is out, the others stay in, and the last credential is safe', async () => {
      const { first, second } = await pair();
      const [, { commitment }] = await first.credentials();
      await second.login();
      await first.unlink({ commitment });
      await fails(second.login(), 'denied');
      assert.equal((await second.fetch('/auth/zkp/whoami').catch(({ code }) => code)), 'denied');
      await first.login();
      const [mine] = await first.credentials();
      await fails(first.unlink({ commitment: mine.commitment }), 'denied');
      await fails(first.unlink({ commitment }), 'denied');
      assert.ok(await first.hasCredential());
    });

    test('a device that unlinks itself forgets its credential, and who was second goes on', async () => {
      const { first, second } = await pair();
      const mine = await first.commitment();
      assert.equal(await first.unlink({ commitment: mine }), 3);
      assert.equal(await first.hasCredential(), false);
      assert.equal(first.session, undefined);
      await second.login();
      await second.rotate();
      await second.login();
      assert.deepEqual((await second.credentials()).map(({ name: of }) => of), ['tablet']);
    });

    test('both devices rotate, and neither keeps the other out', async () => {
      const { first, second } = await pair();
      for (const client of [second, first, second]) {
        await client.rotate();
        await client.login();
      }
      await first.login();
    });

    test('a phrase is linked as another credential, and recovers', async () => {
      const { client, clientId } = await enrolled();
      const phrase = await generatePhrase();
      const { commitmentVersion } = await client.link({ name: 'paper', phrase });
      assert.equal(commitmentVersion, 2);
      const other = device(clientId);
      await other.recover({ phrase });
      const listed = await other.credentials();
      assert.deepEqual(listed.map((one) => [one.name, one.isThis]), [['first', false], ['paper', true]]);
      // The same again is what an answer that was lost looks like.
      assert.equal((await client.link({ name: 'paper', phrase })).commitmentVersion, 2);
    });

    test('a credential is linked into another store of this device', async () => {
      const { client, clientId } = await enrolled();
      const store = memoryStore();
      await client.link({ name: 'passkey', store });
      const other = device(clientId, { store });
      await other.login();
      await fails(client.link({ name: 'again', store }), 'credential_exists');
      await fails(client.link({ name: 'neither' }), 'invalid_argument');
      await fails(client.link({ name: ' x', store: memoryStore() }), 'invalid_argument');
    });

    test('a phrase is rotated under, and recovers each time; phrases of before recover as well', async () => {
      const phrase = await generatePhrase();
      const { client, clientId } = await enrolled({ phrase });
      for (let version = 2; version < 5; version++) {
        assert.equal((await client.rotate({ phrase })).commitmentVersion, version);
        const other = device(clientId);
        await other.recover({ phrase });
        await other.login();
      }
      await fails(device(clientId).recover({ phrase: await generatePhrase() }), 'denied');
    });

    test('a code for another host is refused, and nothing is sent', async () => {
      const { client, clientId } = await enrolled();
      const { code } = await client.offerLink();
      const asked = [];
      const elsewhere = new TwoFApiClient({
        baseUrl: 'https://other.example',
        store: memoryStore(),
        fetch: async (input) => {
          asked.push(String(input));
          throw new Error('nothing is to be sent');
        },
      });
      await fails(elsewhere.joinLink({ code, name: 'tablet' }), 'wrong_audience');
      assert.equal(await elsewhere.hasCredential({ clientId }), false);
      assert.deepEqual(asked, []);
      const second = device(undefined);
      for (const bad of ['', 'x', code.slice(1), `${code} x`, code.replace('link:1', 'link:2'), undefined, 7]) {
        await fails(second.joinLink({ code: bad, name: 'tablet' }), 'invalid_link_code');
      }
      for (const bad of ['', ' x', 'é', 'x'.repeat(65), undefined]) {
        await fails(second.joinLink({ code, name: bad }), 'invalid_argument');
      }
      await second.joinLink({ code: `\n ${code} `, name: 'tablet' });
    });

    test('two devices that join are neither linked, and both are told', async () => {
      const { client } = await enrolled();
      const { code } = await client.offerLink();
      const [second, third] = [device(undefined), device(undefined)];
      const { number } = await second.joinLink({ code, name: 'tablet' });
      await fails(third.joinLink({ code, name: 'stranger' }), 'denied');
      assert.equal((await client.pendingLink()).state, 'clashed');
      await fails(client.confirmLink({ number }), 'no_offer');
      // The same device joins another offer with the credential that it has kept.
      const again = await client.offerLink();
      const joined = await second.joinLink({ code: again.code, name: 'tablet' });
      await client.confirmLink({ number: joined.number });
      await second.login();
    });

    test('a server that shows another device than has joined links none', async () => {
      const { client, clientId, store } = await enrolled();
      const honest = device(clientId, { store });
      const { code: other } = await honest.offerLink();
      const strangers = device(undefined);
      await strangers.joinLink({ code: other, name: 'stranger' });
      let lie = ({ answer }) => answer;
      const liar = await startLiar(server.url, (exchange) => lie(exchange));
      try {
        const lied = new TwoFApiClient({ baseUrl: liar.url, audience: server.url, clientId, store });
        const { code } = await lied.offerLink();
        const second = device(undefined);
        const { number } = await second.joinLink({ code, name: 'tablet' });
        const onlyOffer = (change) => (exchange) =>
          exchange.path.endsWith('/link/offer') && exchange.method === 'GET' ? change(exchange.answer) : exchange.answer;
        const commitment = await strangers.commitment();
        for (const [change, code_] of [
          [(answer) => withMember(answer, 'commitment', commitment), 'bad_answer'],
          [(answer) => withMember(answer, 'proof', (proof) => proof.slice(0, -64) + proof.slice(0, 64)), undefined],
          [(answer) => withMember(answer, 'challenge_id', (id) => id.replace(/^ch-......../, 'ch-00000000')), 'no_offer'],
          [(answer) => withMember(answer, 'challenge_id', 'ch-000000000000000000000000.other'), 'bad_answer'],
          [(answer) => withMember(answer, 'state', 'linked'), 'bad_answer'],
          [(answer) => withMember(answer, 'name', 'a\u0007b'), 'bad_answer'],
          [(answer) => withMember(answer, 'state', 'open'), 'not_joined'],
        ]) {
          lie = onlyOffer(change);
          const failing = lied.confirmLink({ number });
          if (code_) await fails(failing, code_);
          else await assert.rejects(failing);
        }
        assert.equal((await server.client(clientId)).commitment_version, 1);
        assert.ok(liar.seen.every(({ path }) => path !== '/auth/zkp/link'));
        lie = ({ answer }) => answer;
        await lied.confirmLink({ number });
        await second.login();
        void client;
      } finally {
        await liar.stop();
      }
    });

    test('an answer that is lost loses no link, and the record that names its credential is read again', async () => {
      const { client, clientId, store } = await enrolled();
      let lost = '';
      const liar = await startLiar(server.url, ({ path, answer }) => (path === lost ? undefined : answer));
      try {
        const line = new TwoFApiClient({ baseUrl: liar.url, audience: server.url, clientId, store });
        const kept = memoryStore();
        const second = new TwoFApiClient({ baseUrl: liar.url, audience: server.url, store: kept });
        const { code } = await line.offerLink();
        lost = '/auth/zkp/link/join';
        await fails(second.joinLink({ code, name: 'tablet' }), 'network');
        lost = '';
        const { number } = await second.joinLink({ code, name: 'tablet' });
        lost = '/auth/zkp/link';
        await fails(line.confirmLink({ number }), 'network');
        lost = '';
        await second.login();
        const again = new TwoFApiClient({ baseUrl: server.url, clientId, store: kept });
        await again.login();
        await client.login();
        assert.equal((await client.credentials()).length, 2);
      } finally {
        await liar.stop();
      }
    });

    test('a client that has not linked names no credential, and one that has does', async () => {
      const { client, clientId, store } = await enrolled();
      const liar = await startLiar(server.url);
      try {
        const seen = async (of) => {
          liar.seen.length = 0;
          const line = new TwoFApiClient({ baseUrl: liar.url, audience: server.url, clientId, store: of });
          await line.login();
          return Object.keys(JSON.parse(liar.seen.find(({ path }) => path.endsWith('/verify')).body));
        };
        assert.deepEqual(await seen(store), ['challenge_id', 'proof']);
        await client.link({ name: 'paper', phrase: await generatePhrase() });
        assert.deepEqual(await seen(store), ['challenge_id', 'credential_id', 'proof']);
      } finally {
        await liar.stop();
      }
    });

    test('no secret, and no code, is in what is sent or said', async () => {
      const { client } = await enrolled();
      const { code } = await client.offerLink();
      const nonce = code.split(':')[3];
      const error = await device(undefined)
        .joinLink({ code: code.replace(server.url, 'https://other.example'), name: 'x' })
        .catch((reason) => reason);
      assert.ok(!String(error.stack).includes(nonce));
      const malformed = await device(undefined).joinLink({ code: `${code}\u0000`, name: 'x' }).catch((reason) => reason);
      assert.ok(!String(malformed.message).includes(nonce));
    });
  });
}

test('a server of before takes a recovery without the name of a credential', async () => {
  const server = await startNodeHost();
  // It knows no `credential_id`, and says so.
  const before = await startLiar(server.url, ({ path, body, answer }) =>
    path.endsWith('/verify') && body.includes('credential_id')
      ? {
          status: 400,
          headers: { 'content-type': 'application/problem+json' },
          body: JSON.stringify({ code: 'malformed_request', detail: 'a field is none of this resource', status: 400 }),
        }
      : answer,
  );
  try {
    const phrase = await generatePhrase();
    const options = { baseUrl: before.url, audience: server.url, clientId: 'alice' };
    const client = new TwoFApiClient({ ...options, store: memoryStore() });
    await client.enroll({ token: await server.invite('alice'), phrase });
    const other = new TwoFApiClient({ ...options, store: memoryStore() });
    await other.recover({ phrase });
    await other.login();
    assert.equal(before.seen.filter(({ body }) => body.includes('credential_id')).length, 1);
  } finally {
    await before.stop();
    await server.stop();
  }
});

test('the image of a code has neither script nor style, and says nothing but the code', async () => {
  const code = 'https://api.example.com'.replace(/^/, '2fapi-link:1:ch-6afd8738e6d9c4dff7246cd9.alice:133166f9e02f2a5e6187a605fe27fb39:');
  const svg = await linkCodeSvg(code);
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 \d+ \d+"><rect fill="white" width="\d+" height="\d+"\/><path fill="black" d="[Mhvz\d,-]+"\/><\/svg>$/);
  await fails(linkCodeSvg('<script>'), 'invalid_link_code');
});
