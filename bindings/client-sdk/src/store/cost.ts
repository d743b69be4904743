/** What a key from a passphrase may cost. */
import { invalidArgument } from '../errors.js';

/** What a record that somebody changed may ask for: 1 GiB, and some seconds of work. */
const MEMORY_MAX_KIB = 1 << 20;
const WORK_MAX_KIB = 1 << 22;

export interface Cost {
  memoryKib: number;
  passes: number;
  lanes: number;
}

/** A cost that is worth something, and that ends. */
export function boundedCost({ memoryKib, passes, lanes }: Cost): Cost {
  const whole = [memoryKib, passes, lanes].every((n) => Number.isInteger(n) && n >= 1);
  const fits =
    whole &&
    lanes <= 16 &&
    memoryKib >= 8 * lanes &&
    memoryKib <= MEMORY_MAX_KIB &&
    memoryKib * passes <= WORK_MAX_KIB;
  if (fits) return { memoryKib, passes, lanes };
  throw invalidArgument(
    `Argon2id goes from 8 KiB a lane to ${MEMORY_MAX_KIB} KiB, from 1 pass to ${WORK_MAX_KIB} KiB in ` +
      'all passes, and from 1 to 16 lanes',
  );
}
