// node-redis with 2FApi, on servers that take a proof by AUTH (Redis 7.2, Valkey 8).

import { ask, open } from './handshake.mjs';

export { byCommand } from './handshake.mjs';

/**
 * What the option `credentialsProvider` takes. The challenge comes over a connection of its own to the
 * server at `address` ({ host, port, tls }). `prove` is given a nonce in hex and answers the proof in hex;
 * `credentialId` says whose it is, where that is not the client's first credential. A connection that the
 * server closes, as it does when the session ends, is made anew by node-redis, and proves itself again.
 */
export function proving(clientId, prove, address, credentialId) {
  return {
    type: 'async-credentials-provider',
    credentials: async () => {
      const stream = await open(address);
      try {
        const [challengeId, nonce] = await ask(stream, '2FAPI.CHALLENGE', clientId);
        const named = credentialId === undefined ? '' : `:${credentialId}`;
        return { username: clientId, password: `${challengeId}:${await prove(nonce)}${named}` };
      } finally {
        stream.destroy();
      }
    },
  };
}

/** In a cluster: the node that a client is at home at, asked of any node. */
export async function home(clientId, address) {
  const stream = await open(address);
  try {
    await ask(stream, '2FAPI.CHALLENGE', clientId);
    return address;
  } catch (error) {
    const moved = /^MOVED \d+ (.*):(\d+)$/.exec(error.message);
    if (!moved) throw error;
    return { ...address, host: moved[1] || address.host, port: Number(moved[2]) };
  } finally {
    stream.destroy();
  }
}
