/** The ES module for Node: the WebAssembly module is read from beside it. */
import { readFile } from 'node:fs/promises';

import { wasmComesFrom } from './engine/choose.js';

wasmComesFrom(() => readFile(new URL('./twofapi_bg.wasm', import.meta.url)));

export * from './exports.js';
