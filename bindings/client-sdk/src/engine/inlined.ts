/** The WebAssembly module as a part of the JavaScript: for places where no file lies beside it. */
import module from '../../generated/twofapi_bg.wasm.bin';

import type { Bytes } from '../bytes.js';

export const bytes = module as Bytes;
