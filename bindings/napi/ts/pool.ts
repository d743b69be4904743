// Verifications on libuv's thread pool, a few at a time: a core is left to the event loop, and a thread
// of the pool to files and name resolution.

import { availableParallelism } from 'node:os';

const threads = Number(process.env['UV_THREADPOOL_SIZE']) || 4;
const AT_ONCE = Math.max(1, Math.min(availableParallelism() - 1, threads - 1));

const waiting: (() => void)[] = [];
let first = 0;
let running = 0;

function next(): void {
  running -= 1;
  const start = waiting[first];
  if (start === undefined) return;
  first += 1;
  // Forgets those that have started, not one by one.
  if (first > 1024 && first * 2 > waiting.length) {
    waiting.splice(0, first);
    first = 0;
  }
  start();
}

/** Starts some work when its turn has come. It must not look at what its caller may change meanwhile. */
export async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  running += 1;
  try {
    return await work();
  } finally {
    next();
  }
}
