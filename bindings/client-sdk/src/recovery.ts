/** Finding out which of the credentials of a phrase a server knows. */
import type { Bytes } from './bytes.js';
import { type Ceremony, type Session, isDenial } from './ceremony.js';
import { TwoFApiError } from './errors.js';
import { GENERATIONS_TRIED, type OpenedPhrase } from './phrase.js';
import type { Turn } from './turn.js';
import { pause } from './waiting.js';

/** A server that counts requests is given the time that it asks for, as long as a person would wait. */
const WAIT_MAX_SECONDS = 30;

/** The first that the server takes; denied when it takes none. */
export async function recovered(
  turn: Turn,
  ceremony: Ceremony,
  opened: OpenedPhrase,
): Promise<{ credential: Bytes; session: Session; names: boolean }> {
  // By its id a credential is found wherever it stands in the record; servers of before know no ids.
  let names = true;
  async function session(credential: Bytes): Promise<Session> {
    for (;;) {
      try {
        return await ceremony.authenticate(turn, credential, names);
      } catch (error) {
        if (!(error instanceof TwoFApiError)) throw error;
        const { code, retryAfterSeconds: seconds = 1 } = error;
        if (code === 'malformed_request' && names) names = false;
        else if (code === 'throttled' && seconds <= WAIT_MAX_SECONDS) await pause(seconds * 1000, turn.signal);
        else throw error;
      }
    }
  }
  let denial: unknown;
  try {
    for (let tried = -1; tried < GENERATIONS_TRIED; tried++) {
      const credential = tried < 0 ? opened.plain() : opened.at(tried);
      try {
        return { credential, session: await session(credential), names };
      } catch (error) {
        credential.fill(0);
        if (!isDenial(error)) throw error;
        denial = error;
      }
    }
  } finally {
    opened.wipe();
  }
  throw denial;
}
