/** The ES module for browsers, workers and bundlers: the WebAssembly module lies beside it. */
import { wasmComesFrom } from './engine/choose.js';

wasmComesFrom(
  () => fetch(new URL('./twofapi_bg.wasm', import.meta.url)),
  // For bundlers that leave the file beside behind.
  async () => (await import('./engine/inlined.js')).bytes,
);

export * from './exports.js';
