/** An operation of a client in its turn. */
import type { Attempt } from './ceremony.js';

export interface Waiting {
  /** Ends the waiting. What the server was asked already may have happened. */
  signal?: AbortSignal | undefined;
}

export interface Turn extends Attempt {
  /** How often the client had been logged out when this was asked for. */
  logouts: number;
}
