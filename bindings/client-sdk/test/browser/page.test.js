// The page of `2fapi serve --demo`: every step by mouse and by keyboard, what assistive technology gets to
// know of it, how it looks, and that no secret leaves it.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { TwoFApi } from '@2fapi/client-sdk';

import { root } from '../shared/files.js';
import { startServer } from '../shared/server.js';
import { launch, listenTo } from './chromium.js';
import { startSite } from './site.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const screenshots = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'screenshots');
mkdirSync(screenshots, { recursive: true });

const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

let browser;
let server;
before(async () => {
  [browser, server] = [await launch(), await startServer({ demo: true })];
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function onPage(work, { viewport = DESKTOP, url = server.url, ...more } = {}) {
  const context = await browser.newContext({ viewport, ...more });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const heard = listenTo(page);
    await page.goto(url);
    await page.waitForFunction(() => document.getElementById('client-id').value !== '');
    return await work(page, heard, context);
  } finally {
    await context.close();
  }
}

const outcome = async (page, step, kind = 'good') => {
  const said = page.locator(`#${step}-outcome.${kind}`);
  await said.waitFor();
  return said.textContent();
};

const enrol = async (page) => {
  await page.getByRole('button', { name: 'Enrol', exact: true }).click();
  return outcome(page, 'enrol');
};

const phraseOn = async (page) => (await page.locator('#words li').allTextContents()).join(' ');
const valueOf = (page, list, name) => page.locator(`#${list} dt`, { hasText: name }).locator('+ dd').textContent();
const credentialOf = async (phrase, audience) => TwoFApi.generateCredential({ phrase, audience });

/** All six steps, by mouse. Gives both phrases. */
async function everything(page, picture = async () => {}) {
  await picture('1-begin');
  assert.match(await enrol(page), /The host knows alice-\d{4} by a commitment now/);
  const phrases = [await phraseOn(page)];
  await picture('2-enrolled');
  await page.getByRole('button', { name: 'Log in' }).click();
  assert.match(await outcome(page, 'login'), /you are alice-\d{4}/);
  await page.getByRole('button', { name: 'Replay the proof' }).click();
  assert.match(await outcome(page, 'replay'), /Refused: each challenge is good for one attempt/);
  await page.getByRole('button', { name: 'Rotate' }).click();
  assert.match(await outcome(page, 'rotate'), /version 2/);
  phrases.push(await phraseOn(page));
  await page.getByRole('button', { name: 'Forget the secret' }).click();
  assert.match(await outcome(page, 'recover'), /Forgotten/);
  for (const phrase of phrases) {
    await page.getByRole('textbox', { name: 'Recovery phrase' }).fill(phrase);
    await page.getByRole('button', { name: 'Recover' }).click();
    // The old phrase is refused, the new one is good.
    await outcome(page, 'recover', phrase === phrases[0] ? 'bad' : 'good');
  }
  await page.locator('#login-wire summary').nth(1).click();
  await picture('3-all-steps');
  return phrases;
}

/** Links a second browser, in which another person of the same name sits, by mouse. Gives that one's page. */
async function linkAnother(page, { url = server.url, picture = async () => {}, ...look } = {}) {
  const context = await browser.newContext(look);
  const other = await context.newPage();
  other.setDefaultTimeout(15_000);
  const heard = listenTo(other);
  await other.goto(url);
  await page.getByRole('button', { name: 'Show a code' }).click();
  await page.locator('#link-outcome', { hasText: 'Waiting for the other device' }).waitFor();
  await page.waitForFunction(() => document.getElementById('qr').naturalWidth > 0);
  const code = await page.getByRole('textbox', { name: 'The code as text' }).inputValue();
  await picture(page, '4-offered');
  await other.getByRole('textbox', { name: 'The code of the other device' }).fill(code);
  await other.getByRole('textbox', { name: 'What this device is to be called' }).fill('tablet');
  await other.getByRole('button', { name: 'Ask' }).click();
  assert.match(await outcome(other, 'join'), /asks to be linked/);
  const number = await other.locator('#number').textContent();
  assert.match(number, /^\d{3} \d{3}$/);
  await picture(other, '5-joined');
  await other.getByRole('button', { name: /log in$/ }).click();
  assert.match(await outcome(other, 'join', 'bad'), /\(denied\)/);
  await page.locator('#link-outcome', { hasText: '“tablet” has joined' }).waitFor();
  const wrong = String((Number(number.replace(' ', '')) + 1) % 1_000_000).padStart(6, '0');
  const field = page.getByRole('textbox', { name: 'The number that the other device shows' });
  await field.fill(wrong);
  await page.getByRole('button', { name: 'Link it' }).click();
  assert.match(await outcome(page, 'link', 'bad'), /\(wrong_number\)/);
  await field.fill(number);
  await page.getByRole('button', { name: 'Link it' }).click();
  assert.match(await outcome(page, 'link'), /Linked: tablet/);
  await other.getByRole('button', { name: /log in$/ }).click();
  assert.match(await outcome(other, 'join'), /by a secret of its own/);
  await picture(page, '6-linked');
  await picture(other, '7-second-device');
  return { other, heard, close: () => context.close() };
}

for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
  for (const colorScheme of ['light', 'dark']) {
    test(`every step on a ${size} in ${colorScheme} colours, and axe finds nothing wrong`, () =>
      onPage(
        async (page, heard) => {
          const complaints = [];
          const picture = async (name, on = page) => {
            await on.screenshot({ path: join(screenshots, `${size}-${colorScheme}-${name}.png`), fullPage: true });
            const { violations, incomplete } = await on.evaluate(`${axe}; axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })`);
            for (const { id, nodes } of [...violations, ...incomplete.filter(({ id }) => id === 'color-contrast')]) {
              complaints.push(`${name}: ${id}: ${nodes.map(({ html }) => html.slice(0, 80)).join(' | ')}`);
            }
            const wider = await on.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
            assert.equal(wider, 0, `${name} scrolls sideways`);
          };
          await everything(page, picture);
          const look = { viewport, colorScheme, ...(size === 'phone' ? { hasTouch: true, isMobile: true, deviceScaleFactor: 2 } : {}) };
          const second = await linkAnother(page, { picture: (on, name) => picture(name, on), ...look });
          await page.getByRole('button', { name: 'Unlink tablet' }).click();
          assert.match(await outcome(page, 'link'), /tablet is out/);
          await second.other.getByRole('button', { name: 'Log in', exact: true }).click();
          assert.match(await outcome(second.other, 'login', 'bad'), /\(denied\)/);
          assert.deepEqual(second.heard.errors, []);
          assert.deepEqual(second.heard.console.filter((text) => !/status of 401/.test(text)), []);
          await second.close();
          assert.deepEqual(complaints, []);
          // The browser says of two answers that they were refusals; there is nothing else to say.
          assert.deepEqual(heard.errors, []);
          assert.deepEqual(heard.console.filter((text) => !/status of 401/.test(text)), []);
          assert.ok(heard.requests.every((url) => url.startsWith(`${server.url}/`)), heard.requests.join('\n'));
        },
        { viewport, colorScheme, ...(size === 'phone' ? { hasTouch: true, isMobile: true, deviceScaleFactor: 2 } : {}) },
      ));
  }
}

test('what the host stores is the commitment of the phrase, and nothing secret is anywhere else', async () => {
  const site = await startSite({ demo: true });
  try {
    await onPage(
      async (page, heard, context) => {
        const phrases = await everything(page);
        const credentials = await Promise.all(phrases.map((phrase) => credentialOf(phrase, site.url)));
        assert.equal(await valueOf(page, 'host', 'commitment'), credentials[1].commitment);
        const sent = site.seen.map(({ path, headers, body }) => ({ path, headers, body }));
        assert.ok(sent.some(({ path, body }) => path === '/auth/zkp/enroll' && body.includes(credentials[0].commitment)));
        assert.ok(sent.some(({ path, body }) => path === '/auth/zkp/rotate' && body.includes(credentials[1].commitment)));
        // The phrase stands on the page, to be written down, and in the field until it was used.
        assert.equal(await page.locator('#typed').inputValue(), '');
        await page.locator('#phrase').evaluate((block) => block.remove());
        const stored = await page.evaluate(async () => {
          const opened = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
          const values = [];
          for (const { name } of await indexedDB.databases()) {
            const database = await opened(indexedDB.open(name));
            for (const store of database.objectStoreNames) values.push(...(await opened(database.transaction(store).objectStore(store).getAll())));
          }
          const hex = (value) => (ArrayBuffer.isView(value) ? Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('') : String(value));
          return {
            indexedDB: values.map(hex),
            local: JSON.stringify({ ...localStorage }),
            session: JSON.stringify({ ...sessionStorage }),
            html: document.documentElement.outerHTML,
            cookie: document.cookie,
            url: location.href,
          };
        });
        assert.ok(stored.indexedDB.length >= 2);
        const places = JSON.stringify([stored, heard, sent, site.server.log(), await context.cookies()]);
        for (const { secret, blinding } of credentials) {
          assert.ok(!places.includes(secret) && !places.includes(blinding));
        }
        for (const phrase of phrases) assert.ok(!places.includes(phrase.split(' ').slice(0, 3).join(' ')));
        assert.match(stored.local, /^\{"2fapi demo name":"alice-\d{4}"\}$/);
      },
      { url: site.url },
    );
  } finally {
    await site.stop();
  }
});

/** Goes on with Tab until this has the focus, which must be seen. */
async function tabTo(page, locator, name) {
  for (let presses = 0; presses < 40; presses++) {
    if (await locator.evaluate((element) => element === document.activeElement)) {
      const outline = await locator.evaluate((element) => getComputedStyle(element).outlineStyle);
      assert.equal(outline, 'solid', `the focus on ${name} cannot be seen`);
      return;
    }
    await page.keyboard.press('Tab');
  }
  assert.fail(`${name} cannot be reached by keyboard`);
}

test('every step by keyboard alone, the focus always in sight and never lost', () =>
  onPage(async (page) => {
    const step = async (name, key, into, kind) => {
      await tabTo(page, page.getByRole('button', { name, exact: true }), name);
      await page.keyboard.press(key);
      await outcome(page, into, kind);
      await page.waitForFunction(() => document.activeElement !== document.body && !document.activeElement.disabled);
    };
    await page.keyboard.press('Tab');
    const skip = page.getByRole('link', { name: 'Skip to the steps' });
    assert.ok(await skip.evaluate((link) => link === document.activeElement));
    await page.keyboard.press('Enter');
    await tabTo(page, page.getByRole('textbox', { name: 'Your name here' }), 'the name');
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.type('keyboard-user');
    await page.keyboard.press('Enter');
    assert.match(await outcome(page, 'enrol'), /keyboard-user/);
    // From the outcome the next stop is what was sent, and Enter opens it.
    await tabTo(page, page.locator('#enrol-wire summary'), 'the exchange');
    await page.keyboard.press('Enter');
    assert.match(await page.locator('#enrol-wire pre').first().textContent(), /"commitment": "[0-9a-f]{64}"/);
    const phrase = await phraseOn(page);
    await step('Log in', 'Space', 'login');
    await step('Replay the proof', 'Enter', 'replay');
    await step('Forget the secret', 'Enter', 'recover');
    await tabTo(page, page.getByRole('textbox', { name: 'Recovery phrase' }), 'the phrase');
    await page.keyboard.type(phrase);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('#recover-outcome', { hasText: 'Recovered' }).waitFor();
    await step('Rotate', 'Space', 'rotate');
  }));

test('a second device is linked by keyboard alone', () =>
  onPage(async (page) => {
    await enrol(page);
    const other = await (await browser.newContext()).newPage();
    try {
      other.setDefaultTimeout(15_000);
      await other.goto(server.url);
      const press = async (on, name, key = 'Enter') => {
        await tabTo(on, on.getByRole('button', { name, exact: true }), name);
        await on.keyboard.press(key);
      };
      await press(page, 'Show a code');
      await page.locator('#link-outcome', { hasText: 'Waiting' }).waitFor();
      const code = page.getByRole('textbox', { name: 'The code as text' });
      await tabTo(page, code, 'the code');
      await tabTo(other, other.getByRole('textbox', { name: 'The code of the other device' }), 'the field for it');
      await other.keyboard.insertText(await code.inputValue());
      await press(other, 'Ask', 'Space');
      await outcome(other, 'join');
      await tabTo(page, page.getByRole('textbox', { name: 'The number that the other device shows' }), 'the number');
      await page.keyboard.type(await other.locator('#number').textContent());
      await page.keyboard.press('Enter');
      assert.match(await outcome(page, 'link'), /^Linked/);
      await press(other, 'I typed it there: log in');
      assert.match(await outcome(other, 'join'), /by a secret of its own/);
      await other.waitForFunction(() => document.activeElement !== document.body && !document.activeElement.disabled);
    } finally {
      await other.context().close();
    }
  }));

test('a screen reader is told of every outcome, of names and of the parts of the page', () =>
  onPage(async (page) => {
    assert.match(
      await page.locator('body').ariaSnapshot(),
      /banner[\s\S]*heading "Prove that you hold a secret\. Never send it\." \[level=1\][\s\S]*main[\s\S]*region "1? ?Enrol"[\s\S]*heading "1? ?Enrol" \[level=2\][\s\S]*contentinfo/,
    );
    for (const step of ['enrol', 'login', 'replay', 'rotate', 'link', 'join', 'recover']) {
      // A live region has to be there before it says something.
      assert.equal(await page.locator(`#${step}-outcome`).getAttribute('role'), 'status');
    }
    await enrol(page);
    assert.match(await page.getByRole('status').first().textContent(), /^Enrolled/);
    assert.equal(await page.getByRole('list', { name: 'Recovery phrase' }).getByRole('listitem').count(), 24);
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
  }));

test('fingers find the buttons, and nothing scrolls sideways on the narrowest phone', () =>
  onPage(
    async (page) => {
      await enrol(page);
      for (const button of await page.getByRole('button').all()) {
        const { width, height } = await button.boundingBox();
        assert.ok(width >= 44 && height >= 44, `${await button.textContent()}: ${width} × ${height}`);
      }
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
    },
    { viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true },
  ));

test('a visit goes on after the page was loaded anew, and begins anew without the secret', () =>
  onPage(async (page) => {
    await enrol(page);
    const name = await page.locator('#client-id').inputValue();
    await page.reload();
    await page.locator('#enrol-outcome', { hasText: `still has the secret of ${name}` }).waitFor();
    await page.getByRole('button', { name: 'Log in' }).click();
    assert.match(await outcome(page, 'login'), new RegExp(name));
    await page.getByRole('button', { name: 'Forget the secret' }).click();
    await outcome(page, 'recover');
    await page.reload();
    await page.waitForFunction(() => document.getElementById('client-id').value !== '');
    assert.match(await enrol(page), /by a commitment now/);
  }));

test('a host that does not answer is said to, and the secret stays', async () => {
  const gone = await startServer({ demo: true });
  try {
    await onPage(
      async (page, heard, context) => {
        await enrol(page);
        await context.setOffline(true);
        await page.getByRole('button', { name: 'Log in' }).click();
        assert.match(await outcome(page, 'login', 'bad'), /could not be reached.*\(network\)/);
        await context.setOffline(false);
        await page.getByRole('button', { name: 'Log in' }).click();
        await outcome(page, 'login');
      },
      { url: gone.url },
    );
  } finally {
    await gone.stop();
  }
});

test('the page is served with a strict policy, and only it may invite', async () => {
  const page = await fetch(server.url);
  const policy = page.headers.get('content-security-policy');
  assert.match(policy, /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; /);
  assert.ok(!/unsafe-inline|'unsafe-eval'|https?:|\*/.test(policy), policy);
  assert.equal(page.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(page.headers.get('referrer-policy'), 'no-referrer');
  const invite = (origin) =>
    fetch(`${server.url}/demo/invite`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(origin ? { origin } : {}) },
      body: '{"client_id":"mallory"}',
    });
  assert.equal((await invite(server.url)).status, 200);
  for (const origin of [undefined, 'null', 'https://elsewhere.example', `${server.url}.elsewhere.example`]) {
    assert.equal((await invite(origin)).status, 401, origin);
  }
  const plain = await startServer();
  try {
    for (const path of ['/', '/demo/page.js', '/demo/invite']) {
      assert.equal((await fetch(plain.url + path, { method: path.endsWith('invite') ? 'POST' : 'GET' })).status, 404, path);
    }
  } finally {
    await plain.stop();
  }
});
