/** Which engine: WebAssembly, and plain JavaScript where that is refused or asked for. */
import { TwoFApiError, invalidArgument } from '../errors.js';
import { checkedEngine } from './checked.js';
import type { Engine } from './engine.js';

/** `auto` takes WebAssembly, and `noble` where the place refuses it. */
export type EngineChoice = 'auto' | 'wasm' | 'noble';

/** Where the module comes from. */
export type WasmSource = () => Promise<Response | BufferSource>;

let sources: readonly WasmSource[] = [];
let wasm: Promise<Engine> | undefined;
let noble: Promise<Engine> | undefined;
let warned = false;

/** Each build says where its module is; each place is tried until one has it. */
export function wasmComesFrom(...from: readonly WasmSource[]): void {
  sources = from;
  wasm = undefined;
}

/** Whether this place allows WebAssembly at all: the smallest module there is can be compiled. */
function isAllowed(): boolean {
  try {
    return !!new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  } catch {
    return false;
  }
}

const unavailable = (problem: string, cause?: unknown): TwoFApiError =>
  new TwoFApiError('engine_unavailable', problem, { cause });

async function started(): Promise<Engine> {
  if (!isAllowed()) {
    throw unavailable(
      'WebAssembly is refused here. A content security policy has to name ' +
        "'wasm-unsafe-eval' in script-src; without it, configure the engine 'noble'",
    );
  }
  let last: unknown;
  for (const source of sources) {
    try {
      // The module and what starts it are on their way at once.
      const module = source();
      module.catch(() => undefined);
      const { startWasm } = await import('./wasm.js');
      return checkedEngine(await startWasm(module));
    } catch (error) {
      last = error;
    }
  }
  throw unavailable(
    'the WebAssembly module could not be loaded or started: it has to be served, or bundled, with the ' +
      'rest of the package',
    last,
  );
}

function theWasm(): Promise<Engine> {
  // After a failure, which may be of the network, the next call tries again.
  wasm ??= started().catch((error: unknown) => {
    wasm = undefined;
    throw error;
  });
  return wasm;
}

function theNoble(): Promise<Engine> {
  noble ??= import('./noble.js').then(
    ({ nobleEngine }) => checkedEngine(nobleEngine),
    (cause: unknown) => {
      noble = undefined;
      throw unavailable('the engine could not be loaded', cause);
    },
  );
  return noble;
}

export async function engineOf(choice: EngineChoice): Promise<Engine> {
  switch (choice) {
    case 'wasm':
      return theWasm();
    case 'noble':
      return theNoble();
    case 'auto':
      break;
    default:
      throw invalidArgument("engine must be 'auto', 'wasm' or 'noble'");
  }
  try {
    return await theWasm();
  } catch (error) {
    // Where WebAssembly is refused, that was the choice of whoever runs the place. What is missing or broken
    // was nobody's choice, and nobody would hear of it.
    if (isAllowed() && !warned) {
      warned = true;
      console.warn(`2FApi: ${(error as TwoFApiError).message}. The slower engine 'noble' takes its place.`);
    }
    return theNoble();
  }
}
