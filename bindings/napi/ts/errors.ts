// The one kind of error that this package throws on purpose.

import { ERROR_CODES, type ErrorCode, type TwoFApiErrorShape } from '@2fapi/protocol-spec';

/** An error with a stable `code`; its message says what was wrong and what would be right. */
export class TwoFApiError extends Error implements TwoFApiErrorShape {
  override readonly name = 'TwoFApiError';
  readonly code: ErrorCode;
  declare readonly retryAfterSeconds?: number;

  constructor(code: ErrorCode, message: string, more: { retryAfterSeconds?: number } = {}) {
    super(message);
    this.code = code;
    if (more.retryAfterSeconds !== undefined) this.retryAfterSeconds = more.retryAfterSeconds;
  }
}

/** What the native part says of work that failed in a way that it has no code for. */
const FAILED = 'GenericFailure';

function fromNative(error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const known = code === FAILED ? 'unavailable' : ERROR_CODES.find((it) => it === code);
  return known === undefined ? error : new TwoFApiError(known, String(message));
}

/** Calls the native part, whose errors carry the core's codes. */
export function calling<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fromNative(error);
  }
}

/** The same for work on the thread pool. */
export async function callingAsync<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromNative(error);
  }
}

/** An answer of the thread pool, unless it is a refusal. */
export function refusedOf<T extends { code?: string; message?: string }>(answer: T): T {
  if (answer.code === undefined) return answer;
  throw fromNative({ code: answer.code, message: answer.message });
}
