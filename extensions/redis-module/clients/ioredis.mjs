// ioredis with 2FApi: every connection proves itself before ioredis sends anything on it.

import { AbstractConnector } from 'ioredis';

import { ask, open } from './handshake.mjs';

export { byCommand } from './handshake.mjs';

/**
 * What the option `Connector` takes, of Redis and in `redisOptions` of Cluster. `prove` is given a nonce in
 * hex and answers the proof in hex; `credentialId` says whose it is, where that is not the client's first
 * credential. A connection that the server closes, as it does when the session ends, is made anew by ioredis,
 * and proves itself again.
 */
export function proving(clientId, prove, credentialId) {
  return class ProvingConnector extends AbstractConnector {
    constructor(options) {
      super(options.disconnectTimeout);
      this.options = options;
    }

    async connect() {
      this.connecting = true;
      const { host, port, path, tls, connectTimeout } = this.options;
      const stream = await open({ host, port, path, tls, timeout: connectTimeout });
      try {
        await proveItself(stream, clientId, prove, credentialId);
      } catch (error) {
        stream.destroy();
        throw error;
      }
      if (!this.connecting) {
        stream.destroy();
        throw new Error('Connection is closed.');
      }
      stream.setTimeout(0).removeAllListeners('timeout');
      this.stream = stream;
      return stream;
    }
  };
}

async function proveItself(stream, clientId, prove, credentialId) {
  let challenge;
  try {
    challenge = await ask(stream, '2FAPI.CHALLENGE', clientId);
  } catch (error) {
    // A node of a cluster where other clients are at home: it is asked for the way, no more.
    if (error.code === 'MOVED') return;
    throw error;
  }
  const [challengeId, nonce] = challenge;
  const named = credentialId === undefined ? [] : ['CREDENTIAL', credentialId];
  await ask(stream, '2FAPI.VERIFY', clientId, challengeId, await prove(nonce), ...named);
}
