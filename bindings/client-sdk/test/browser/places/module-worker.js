// A module worker that does the ceremony.
import * as sdk from '/sdk/esm/index.js';

import { ceremony } from './ceremony.js';

self.onmessage = async ({ data }) => {
  self.postMessage(await ceremony(sdk, data).catch(({ name, code, message }) => ({ name, code, message })));
};
