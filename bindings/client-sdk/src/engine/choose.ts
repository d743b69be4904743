/** Which engine: WebAssembly, and plain JavaScript where that is refused or asked for. */
import { TwoFApiError } from '../errors.js';
import type { Engine } from './engine.js';
import { type WasmSource, startWasm } from './wasm.js';

/** `auto` takes WebAssembly, and `noble` where the place refuses it. */
export type EngineChoice = 'auto' | 'wasm' | 'noble';

let source: WasmSource | undefined;
let wasm: Promise<Engine> | undefined;

/** Each build says where its module is. */
export function wasmComesFrom(from: WasmSource): void {
  source = from;
  wasm = undefined;
}

function theWasm(): Promise<Engine> {
  if (!source) return Promise.reject(new TwoFApiError('engine_unavailable', 'no module is known'));
  // After a failure, which may be of the network, the next call tries again.
  wasm ??= startWasm(source).catch((error: unknown) => {
    wasm = undefined;
    throw new TwoFApiError(
      'engine_unavailable',
      'WebAssembly could not be started here. A content security policy has to name ' +
        "'wasm-unsafe-eval' in script-src; without it, configure the engine 'noble'",
      { cause: error },
    );
  });
  return wasm;
}

export async function engineOf(choice: EngineChoice): Promise<Engine> {
  if (choice !== 'noble') {
    try {
      return await theWasm();
    } catch (error) {
      if (choice === 'wasm') throw error;
    }
  }
  const { nobleEngine } = await import('./noble.js').catch((cause: unknown) => {
    throw new TwoFApiError('engine_unavailable', 'the engine could not be loaded', { cause });
  });
  return nobleEngine;
}
