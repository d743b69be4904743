// The demonstration page: a client of the server that it came from, which shows all that it sends.
'use strict';

const { TwoFApiClient, TwoFApi } = globalThis;
const $ = (id) => document.getElementById(id);
const button = { replay: $('replay'), login: $('login'), rotate: $('rotate'), forget: $('forget') };
const typed = $('typed');

/** The last proof that was sent, as whoever listens has it. */
let recorded;
let busy = false;
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

/** Does what `fetch` does, and shows what went out and what came back. */
async function shown(input, init) {
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
    parts.push(element('h3', { textContent: 'sent' }));
    parts.push(element('pre', { textContent: authorization + (sent ? pretty(sent) : '') }));
  }
  parts.push(element('h3', { textContent: 'answered' }));
  parts.push(element('pre', { textContent: pretty(answer) }));
  const summary = element('summary', {}, element('code', { textContent: `${request.method} ${pathname}` }), status);
  $('no-wire').hidden = true;
  $('wire').prepend(element('li', {}, element('details', {}, summary, ...parts)));
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
  for (const name of ['login', 'rotate', 'forget']) button[name].disabled = !has;
  button.replay.disabled = !recorded;
  const lost = enrolled && !has;
  typed.disabled = !lost;
  $('recover').querySelector('button').disabled = !lost;
  $('enrol').querySelector('button').disabled = enrolled;
  $('client-id').disabled = enrolled;
  const session = client.session;
  list($('here'), {
    secret: has ? '64 bytes, sealed under a key that no script can read' : 'none',
    token: session ? `until ${new Date(session.expiresAt).toLocaleTimeString()}` : 'none',
    engine: await TwoFApi.engineName(),
  });
  if (enrolled) {
    const { client_id, commitment, commitment_version, status } = await ask('/demo/record');
    list($('host'), {
      'client id': client_id,
      status,
      ...(commitment ? { commitment, version: commitment_version } : {}),
    });
  }
}

function showPhrase(phrase) {
  $('words').replaceChildren(...phrase.split(' ').map((word) => element('li', { textContent: word })));
  $('phrase').hidden = false;
}

/** Runs a step: one at a time, its outcome said below it. */
async function step(name, work) {
  if (busy) return;
  busy = true;
  const outcome = $(`${name}-outcome`);
  outcome.className = 'outcome';
  outcome.textContent = 'Working …';
  try {
    outcome.textContent = await work();
    outcome.classList.add('good');
  } catch (error) {
    outcome.textContent = `${error.message} (${error.code ?? 'error'})`;
    outcome.classList.add('bad');
  }
  try {
    await refresh();
  } catch (error) {
    outcome.textContent += ` The host did not answer: ${error.message}`;
  }
  busy = false;
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
    return `Rotated: the host has version ${commitmentVersion} of your commitment, and the phrase above is new.`;
  });
});

button.forget.addEventListener('click', () => {
  void step('recover', async () => {
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

refresh().catch((error) => {
  $('enrol-outcome').textContent = `${error.message} (${error.code ?? 'error'})`;
  $('enrol-outcome').classList.add('bad');
});
