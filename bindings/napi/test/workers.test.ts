// An environment may end while proofs are still being looked at for it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const room = JSON.stringify(join(__dirname, '..'));

/** Leaves verifications and proofs on the thread pool. */
const busy = `
  const addon = require(${room});
  const [clientId, nonce] = ['a', new Uint8Array(16)];
  const credential = addon.generateCredential();
  const proof = addon.proveAuthentication({ clientId, credential, challenge: { nonce } });
  const set = new addon.SpentSet(1000);
  let done = 0;
  for (let n = 0; n < 2000; n += 1) {
    addon.verifyAuthenticationAsync({ clientId, commitment: credential.commitment, nonce, proof }).then(() => done++);
    addon.proveAuthenticationAsync({ clientId, credential, challenge: { nonce } }).then(() => done++);
  }
`;

function ends(program: string, said: RegExp): void {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8', timeout: 60_000 });
  assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: '' });
  assert.match(stdout, said);
}

test('workers that are terminated with work on the pool take nothing else with them', () => {
  const worker = `${busy} require('node:worker_threads').parentPort.postMessage('busy');`;
  ends(
    `
    const { Worker } = require('node:worker_threads');
    (async () => {
      for (let n = 0; n < 12; n += 1) {
        const worker = new Worker(${JSON.stringify(worker)}, { eval: true });
        await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
        await new Promise((resolve) => setTimeout(resolve, n));
        await worker.terminate();
      }
      const addon = require(${room});
      console.log(addon.isIdentityPoint(new Uint8Array(32)));
    })();`,
    /^true\n$/,
  );
});

test('a process that exits with work on the pool exits cleanly', () => {
  ends(`${busy} setTimeout(() => { console.log(done < 4000 ? 'busy' : 'done'); process.exit(0); }, 5);`, /^busy\n$/);
});
