// Commands to Redis through whichever client library the service has.

/** A client of the packages `redis` or `ioredis`, or anything that sends a command by its words. */
export type RedisClient =
  | { sendCommand(words: string[]): Promise<unknown> }
  | { call(command: string, ...words: string[]): Promise<unknown> };

/** Sends a command. */
export type Send = (...words: [string, ...string[]]) => Promise<unknown>;

export function sender(client: RedisClient): Send {
  // ioredis has a `sendCommand` as well, which takes something else.
  if ('call' in client && typeof client.call === 'function') {
    return (command, ...words) => client.call(command, ...words);
  }
  if ('sendCommand' in client && typeof client.sendCommand === 'function') {
    return (...words) => client.sendCommand(words);
  }
  throw new TypeError('a Redis client must have `sendCommand` (package redis) or `call` (package ioredis)');
}

/** What a client library says of an error that Redis answered. */
export function errorLine(error: unknown): string {
  return error instanceof Error ? error.message : '';
}

/** An answer that must be a string, whichever type the library made of it. */
export function text(answer: unknown): string {
  if (typeof answer === 'string') return answer;
  if (answer instanceof Uint8Array) return Buffer.from(answer).toString('latin1');
  throw new Error('Redis answered something that is no string');
}

/** An answer that must be a map, by its names: a list of names and values where the protocol has no maps. */
export function fields(answer: unknown): Map<string, unknown> {
  if (answer instanceof Map) return new Map([...answer].map(([name, value]) => [text(name), value]));
  if (!Array.isArray(answer)) return new Map(Object.entries(answer as object));
  const pairs = Array.from({ length: answer.length / 2 }, (_, n): [string, unknown] => [text(answer[2 * n]), answer[2 * n + 1]]);
  return new Map(pairs);
}
