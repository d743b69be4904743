/** Waiting that ends: when the time is up, or when the caller says so. */
import { TwoFApiError, invalidArgument } from './errors.js';

/** The longest time that a timer of the platform can be set to. */
const TIME_MAX_MS = 2 ** 31 - 1;

/** A time to wait that a timer can be set to: anything else would end at once. */
export function timeoutOf(timeoutMs: unknown): number {
  if (typeof timeoutMs === 'number' && timeoutMs >= 1 && timeoutMs <= TIME_MAX_MS) return timeoutMs;
  throw invalidArgument(`timeoutMs must be a number of milliseconds from 1 to ${TIME_MAX_MS}`);
}

export const aborted = (cause: unknown): TwoFApiError =>
  new TwoFApiError('aborted', 'the caller ended it', { cause });

/** Rejects when the time is up; what was begun goes on by itself. */
export async function timeLimit<T>(
  timeoutMs: number,
  work: Promise<T>,
  tooLate: () => TwoFApiError,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooLate()), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Rejects as soon as the signal says so; what was begun goes on by itself. */
export async function unlessAborted<T>(
  signal: AbortSignal | undefined,
  work: Promise<T>,
): Promise<T> {
  if (!signal) return work;
  if (signal.aborted || typeof signal.addEventListener !== 'function') {
    // Nobody is left to hear of it.
    work.catch(() => undefined);
    if (signal.aborted) throw aborted(signal.reason);
    throw invalidArgument('signal must be an AbortSignal');
  }
  let stop: (() => void) | undefined;
  const ended = new Promise<never>((_, reject) => {
    stop = () => reject(aborted(signal.reason));
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, ended]);
  } finally {
    if (stop) signal.removeEventListener('abort', stop);
  }
}

/** Waits, unless the caller ends it. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await unlessAborted(signal, new Promise<void>((resolve) => (timer = setTimeout(resolve, milliseconds))));
  } finally {
    clearTimeout(timer);
  }
}
