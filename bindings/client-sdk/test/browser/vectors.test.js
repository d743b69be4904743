// The contract of spec/vectors, in the browser, on both engines.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { vectorFiles } from '../shared/files.js';
import { launch } from './chromium.js';
import { startSite } from './site.js';

let browser;
let site;
before(async () => {
  [browser, site] = [await launch(), await startSite()];
});
after(async () => {
  await browser?.close();
  await site?.stop();
});

for (const name of ['wasm', 'noble']) {
  test(`every vector file agrees in the browser on ${name}`, async () => {
    const page = await browser.newPage();
    await page.goto(`${site.url}/empty`);
    for (const [file, contents] of vectorFiles()) {
      const { engine, cases, disagreements } = await page.evaluate(
        async ({ name, contents }) => {
          const { TwoFApi, engineOf, entropyOf, readLinkCode } = await import('/sdk/esm/index.js');
          const { run } = await import('/shared/vectors.js');
          const engine = await engineOf(name);
          return { engine: engine.name, ...(await run({ engine, entropyOf, readLinkCode, TwoFApi }, contents)) };
        },
        { name, contents },
      );
      assert.equal(engine, name);
      assert.deepEqual(disagreements, [], file);
      assert.ok(cases > 10, file);
    }
    await page.close();
  });
}
