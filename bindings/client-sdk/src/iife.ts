/** The one file: everything within, as `TwoFApi` and `TwoFApiClient` of the global object. */
import deflated from '../generated/twofapi_bg.wasm.deflate';

import type { Bytes } from './bytes.js';
import { wasmComesFrom } from './engine/choose.js';
import * as everything from './exports.js';

wasmComesFrom(() => {
  const inflated = new Blob([deflated as Bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Response(inflated).arrayBuffer();
});

const { TwoFApi, TwoFApiClient } = everything;
Object.assign(globalThis, {
  TwoFApi: Object.freeze({ ...everything, ...TwoFApi }),
  TwoFApiClient,
});
