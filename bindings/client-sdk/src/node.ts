/** The module for Node, with its WebAssembly inside: no tracer or bundler can leave it behind. */
import { wasmComesFrom } from './engine/choose.js';

wasmComesFrom(async () => (await import('./engine/inlined.js')).bytes);

export * from './exports.js';
