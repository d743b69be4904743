// What both helpers for Node say to a server before a library speaks, and proofs by the command `2fapi`.

import { execFile } from 'node:child_process';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';

/** The server refused, with the first word of its answer as the code. */
export class Refused extends Error {
  constructor(line) {
    super(line);
    this.name = 'Refused';
    this.code = line.split(' ', 1)[0];
  }
}

/** A connection, over TLS if `tls` has options for it. */
export function open({ host = 'localhost', port = 6379, path, tls, timeout = 10_000 }) {
  const options = path ? { path } : { host, port };
  return new Promise((resolve, reject) => {
    const stream = tls ? connectTls({ ...options, ...tls }) : connectTcp(options);
    const failed = (error) => {
      stream.destroy();
      reject(error);
    };
    stream.setTimeout(timeout, () => failed(new Error('the server does not answer')));
    stream.once('error', failed);
    stream.once(tls ? 'secureConnect' : 'connect', () => {
      stream.off('error', failed);
      resolve(stream);
    });
  });
}

/** One command and its answer: a string, or a list of strings. */
export function ask(stream, ...words) {
  const frames = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return new Promise((resolve, reject) => {
    let seen = '';
    const end = (settle, value) => {
      stream.off('data', more).off('error', failed).off('close', closed).off('timeout', late);
      settle(value);
    };
    const failed = (error) => end(reject, error);
    const closed = () => failed(new Error('the server closed the connection'));
    const late = () => {
      stream.destroy();
      failed(new Error('the server does not answer'));
    };
    const more = (bytes) => {
      seen += bytes.toString('latin1');
      if (seen.length > 65_536) return late();
      const answer = read(seen);
      if (answer instanceof Refused) end(reject, answer);
      else if (answer !== undefined) end(resolve, answer);
    };
    stream.on('data', more).once('error', failed).once('close', closed).once('timeout', late);
    stream.write(`*${words.length}\r\n${frames.join('')}`);
  });
}

/** A whole answer of those that are expected here; undefined while more of it is to come. */
function read(seen) {
  const lines = seen.split('\r\n');
  const last = lines.pop();
  if (lines.length === 0 || last !== '') return undefined;
  const [first] = lines;
  if (first.startsWith('-')) return new Refused(first.slice(1));
  if (first.startsWith('+')) return first.slice(1);
  if (!first.startsWith('*')) throw new Error('an answer of another kind than expected');
  const strings = lines.slice(1).filter((_, place) => place % 2 === 1);
  return strings.length === Number(first.slice(1)) ? strings : undefined;
}

/** Proofs by the command `2fapi`, which keeps the credential. */
export function byCommand(clientId, ...options) {
  const run = promisify(execFile);
  return async (nonce) => (await run('2fapi', ['prove', clientId, '--nonce', nonce, ...options])).stdout.trim();
}
