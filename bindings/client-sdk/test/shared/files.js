// Where the vectors, the worked example and the built packages are.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const sdk = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const root = resolve(sdk, '../..');
const vectors = join(root, 'spec', 'vectors');

/** What a client does; the other files are for hosts, which issue challenges and tokens. */
const CLIENTS = ['Sigma', 'ClientId', 'RecoveryPhrase', 'Binding', 'Linking', 'AudienceBlinding'].map((of) => `2FApi-v1.0-${of}`);

/** Bindings to a key of DPoP, which this client does not make. */
const WITHOUT = 'binding-dpop-v1.json';

/** Every vector file that concerns a client, by name. */
export const vectorFiles = () =>
  readdirSync(vectors)
    .filter((name) => name.endsWith('.json') && name !== WITHOUT)
    .map((name) => [name, JSON.parse(readFileSync(join(vectors, name), 'utf8'))])
    .filter(([, { suite }]) => CLIENTS.includes(suite));

/** The first block of section 15 of the specification as name and value. */
export function workedExample() {
  const text = readFileSync(join(root, 'spec', 'protocol.md'), 'utf8');
  const [, block] = text.split('## 15. A worked example')[1].split('```text\n');
  const values = {};
  let last = '';
  for (const line of block.split('```')[0].trimEnd().split('\n')) {
    last = line.slice(0, 17).trim() || last;
    values[last] = (values[last] ?? '') + line.slice(17).trim();
  }
  return values;
}
