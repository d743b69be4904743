// The demonstration page: a client of the server that it came from, which shows all that it sends.
'use strict';

const { TwoFApiClient, TwoFApi } = globalThis;
const $ = (id) => document.getElementById(id);
const button = Object.fromEntries(['replay', 'login', 'rotate', 'offer', 'forget'].map((id) => [id, $(id)]));
const typed = $('typed');

/** The last proof that was sent, as whoever listens has it. */
let recorded;
/** The step that is under way. */
let current;
let clientId;
let enrolled = false;

const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

const pretty = (text) => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

/** Does what `fetch` does, and shows below the step what went out and what came back. */
async function shown(input, init) {
  // What goes on by itself, between the steps, is shown nowhere.
  const wire = current ? $(`${current}-wire`) : element('div', {}, element('ol'));
  const request = new Request(input, init);
  const { pathname } = new URL(request.url);
  const sent = await request.clone().text();
  const bearer = request.headers.get('Authorization');
  const response = await fetch(request);
  const answer = await response.clone().text();
  if (pathname.endsWith('/verify')) recorded = sent;
  const status = element('span', {
    className: response.ok ? 'status' : 'status bad',
    textContent: `${response.status} ${response.ok ? 'accepted' : 'refused'}`,
  });
  const parts = [];
  if (bearer || sent) {
    const authorization = bearer ? `Authorization: ${bearer}\n` : '';
    parts.push(element('h4', { textContent: 'sent' }));
    parts.push(element('pre', { textContent: authorization + (sent ? pretty(sent) : '') }));
  }
  parts.push(element('h4', { textContent: 'answered' }));
  parts.push(element('pre', { textContent: pretty(answer) }));
  const summary = element('summary', {}, element('code', { textContent: `${request.method} ${pathname}` }), status);
  wire.hidden = false;
  wire.querySelector('ol').append(element('li', {}, element('details', {}, summary, ...parts)));
  return response;
}

const client = new TwoFApiClient({ baseUrl: location.origin, fetch: shown });

/** The routes of this page alone, which are no part of the protocol. */
async function ask(path) {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ client_id: clientId }),
  });
  const answer = await response.json();
  if (response.ok) return answer;
  throw Object.assign(new Error(answer.detail), { code: answer.code });
}

function list(into, values) {
  into.replaceChildren(
    ...Object.entries(values).flatMap(([name, value]) => [
      element('dt', { textContent: name }),
      element('dd', { textContent: value }),
    ]),
  );
}

async function refresh() {
  const has = enrolled && (await client.hasCredential({ clientId }));
  for (const name of ['login', 'rotate', 'offer', 'forget']) button[name].disabled = !has;
  button.replay.disabled = !recorded;
  const lost = enrolled && !has;
  typed.disabled = !lost;
  $('recover').querySelector('button').disabled = !lost;
  $('enrol').querySelector('button').disabled = enrolled;
  $('client-id').disabled = enrolled;
  for (const control of $('join').elements) control.disabled = enrolled;
  const session = client.session;
  list($('here'), {
    secret: has ? '64 bytes, sealed under a key that no script can take away' : 'none',
    token: session ? `until ${new Date(session.expiresAt).toLocaleTimeString()}` : 'none',
    engine: await TwoFApi.engineName(),
  });
  if (enrolled) {
    const { client_id, commitment, commitment_version, status, others = [] } = await ask('/demo/record');
    list($('host'), {
      'client id': client_id,
      status,
      ...(commitment ? { commitment, version: commitment_version } : {}),
      ...Object.fromEntries(others.map((other) => [`also ${other.name}`, other.commitment])),
    });
  }
}

/** Below the outcome of the step that made it. */
function showPhrase(phrase) {
  $('words').replaceChildren(...phrase.split(' ').map((word) => element('li', { textContent: word })));
  $(`${current}-outcome`).after($('phrase'));
  $('phrase').hidden = false;
}

/** The name of the last visit, which is no secret; a browser that refuses storage has none. */
const remembered = {
  get: () => {
    try {
      return localStorage.getItem('2fapi demo name');
    } catch {
      return null;
    }
  },
  set: (name) => {
    try {
      localStorage.setItem('2fapi demo name', name);
    } catch {
      // The visit works without.
    }
  },
};

/** Runs a step: one at a time, its outcome said below it. */
async function step(name, work) {
  if (current) return;
  current = name;
  const outcome = $(`${name}-outcome`);
  const wire = $(`${name}-wire`);
  wire.hidden = true;
  wire.querySelector('ol').replaceChildren();
  outcome.className = 'outcome';
  outcome.textContent = 'Working …';
  try {
    outcome.textContent = await work();
    outcome.classList.add('good');
    outcome.closest('section').classList.add('done');
  } catch (error) {
    outcome.textContent = `${error.message} (${error.code ?? 'error'})`;
    outcome.classList.add('bad');
  }
  try {
    await refresh();
  } catch (error) {
    outcome.textContent += ` The host did not answer: ${error.message}`;
  }
  current = undefined;
  // A control that was disabled cannot keep the focus: who works by keyboard goes on from the outcome.
  if (document.activeElement === document.body || document.activeElement?.disabled) outcome.focus();
}

$('enrol').addEventListener('submit', (event) => {
  event.preventDefault();
  void step('enrol', async () => {
    clientId = $('client-id').value.trim();
    // From an earlier visit, when the server had another store.
    if (await client.hasCredential({ clientId })) await client.forget({ clientId });
    const { token } = await ask('/demo/invite');
    const phrase = await TwoFApi.generatePhrase();
    await client.enroll({ clientId, token, phrase });
    enrolled = true;
    remembered.set(clientId);
    showPhrase(phrase);
    return `Enrolled. The host knows ${clientId} by a commitment now.`;
  });
});

button.login.addEventListener('click', () => {
  void step('login', async () => {
    await client.login();
    const response = await client.fetch('/auth/zkp/whoami');
    const { client_id: who } = await response.json();
    return `The host is convinced: you are ${who}.`;
  });
});

button.replay.addEventListener('click', () => {
  void step('replay', async () => {
    const response = await shown('/auth/zkp/verify', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: recorded,
    });
    if (response.ok) throw new Error('The host took a proof twice: that must not happen.');
    return 'Refused: each challenge is good for one attempt.';
  });
});

button.rotate.addEventListener('click', () => {
  void step('rotate', async () => {
    const phrase = await TwoFApi.generatePhrase();
    const { commitmentVersion } = await client.rotate({ phrase });
    showPhrase(phrase);
    return `Rotated: the host has version ${commitmentVersion} of your commitment, and the phrase is a new one.`;
  });
});

/** What is on offer for a second device, and what looks after it. */
let offer;

function endOffer() {
  clearTimeout(offer?.timer);
  offer = undefined;
  $('offered').hidden = true;
}

async function showOffer() {
  const { code, expiresAt } = await client.offerLink();
  const svg = await TwoFApi.linkCodeSvg(code);
  // An image: nothing in it is part of the page.
  $('qr').src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  $('code').value = code;
  $('good-until').textContent = `Good until ${new Date(expiresAt).toLocaleTimeString()}, and renewed before.`;
  $('offered').hidden = false;
  offer = { expiresAt };
  look();
}

/** Sees whether a device has joined, and renews the code before it ends. */
function look() {
  const mine = offer;
  mine.timer = setTimeout(async () => {
    if (current) return look();
    try {
      const { state, name } = await client.pendingLink();
      if (offer !== mine) return;
      if (state === 'joined') {
        $('link-outcome').className = 'outcome';
        $('link-outcome').textContent = `A device that calls itself “${name}” has joined. Type the number that it shows.`;
        return;
      }
      if (state === 'clashed') {
        endOffer();
        $('link-outcome').className = 'outcome bad';
        $('link-outcome').textContent = 'Two devices have joined, and neither is linked. Show another code.';
        return;
      }
      if (mine.expiresAt - Date.now() < 30_000) await showOffer();
      else look();
    } catch {
      // The next step says what is wrong.
      if (offer === mine) look();
    }
  }, 1500);
}

async function showCredentials() {
  const credentials = await client.credentials();
  $('h-credentials').hidden = false;
  $('credentials').replaceChildren(
    ...credentials.map(({ commitment, name, isThis }) => {
      const item = element('li', {}, element('span', { textContent: isThis ? `${name} (this one)` : name }));
      if (credentials.length > 1 && !isThis) {
        const unlink = element('button', { type: 'button', textContent: 'Unlink' });
        unlink.setAttribute('aria-label', `Unlink ${name}`);
        unlink.addEventListener('click', () => {
          void step('link', async () => {
            await client.unlink({ commitment });
            await showCredentials();
            return `Unlinked: ${name} is out, and its tokens have ended.`;
          });
        });
        item.append(unlink);
      }
      return item;
    }),
  );
}

button.offer.addEventListener('click', () => {
  void step('link', async () => {
    endOffer();
    await showOffer();
    return 'Waiting for the other device …';
  });
});

$('confirm').addEventListener('submit', (event) => {
  event.preventDefault();
  void step('link', async () => {
    const { name } = await client.confirmLink({ number: $('typed-number').value });
    $('typed-number').value = '';
    endOffer();
    await showCredentials();
    return `Linked: ${name} is you as well.`;
  });
});

$('join').addEventListener('submit', (event) => {
  event.preventDefault();
  void step('join', async () => {
    const joined = await client.joinLink({ code: $('typed-code').value, name: $('device').value.trim() });
    clientId = joined.clientId;
    $('number').textContent = joined.number.replace(/^.../, '$& ');
    $('joined').hidden = false;
    return `This device asks to be linked to ${clientId}.`;
  });
});

$('linked').addEventListener('click', () => {
  void step('join', async () => {
    await client.login();
    enrolled = true;
    remembered.set(clientId);
    $('client-id').value = clientId;
    $('joined').hidden = true;
    $('typed-code').value = '';
    await showCredentials();
    return `This device is ${clientId} now, by a secret of its own.`;
  });
});

button.forget.addEventListener('click', () => {
  void step('recover', async () => {
    endOffer();
    await client.forget();
    return 'Forgotten. Without the phrase nobody can log in as you again, not even you.';
  });
});

$('recover').addEventListener('submit', (event) => {
  event.preventDefault();
  void step('recover', async () => {
    await client.recover({ clientId, phrase: typed.value });
    typed.value = '';
    return 'Recovered, and the host took a proof by it.';
  });
});

/** Goes on where the last visit ended, if this host still knows of it. */
async function begin() {
  const name = remembered.get();
  if (name && (await client.hasCredential({ clientId: name }))) {
    clientId = name;
    enrolled = (await ask('/demo/record')).status === 'active';
  }
  $('client-id').value = enrolled ? name : `alice-${1000 + (crypto.getRandomValues(new Uint16Array(1))[0] % 9000)}`;
  await refresh();
  if (enrolled) $('enrol-outcome').textContent = `Welcome back: this browser still has the secret of ${name}.`;
}

begin().catch((error) => {
  $('enrol-outcome').textContent = `${error.message} (${error.code ?? 'error'})`;
  $('enrol-outcome').classList.add('bad');
});
