// The examples, run as their readers run them.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { promisify } from 'node:util';

const node = (...words: string[]): string[] => ['--import', 'tsx', ...words];

test('the client of the examples enrols with the service of the examples and reads its route', async () => {
  const env = { ...process.env, ENROLMENT_TOKEN: 'an-invitation' };
  const service = spawn(process.execPath, node('examples/service.ts'), { env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [origin] = (await once(createInterface(service.stdout), 'line')) as [string];
    const client = promisify(execFile);
    const { stdout } = await client(process.execPath, node('examples/client.ts', origin, 'alice'), { env });
    assert.deepEqual(JSON.parse(stdout), { reports: 'of alice' });
    const uninvited = client(process.execPath, node('examples/client.ts', origin, 'eve'), {
      env: { ...env, ENROLMENT_TOKEN: 'a-guess' },
    });
    await assert.rejects(uninvited, /denied/);
  } finally {
    service.kill();
    await once(service, 'exit');
  }
});
