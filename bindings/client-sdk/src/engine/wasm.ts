/** The engine that `crypto-core` is compiled to. */
import init, * as glue from '../../generated/twofapi.js';
import type { Engine } from './engine.js';

/** Where the module comes from: a response to compile while it arrives, or its bytes. */
export type WasmSource = () => Promise<Response | BufferSource>;

export async function startWasm(source: WasmSource): Promise<Engine> {
  await init({ module_or_path: source() });
  return {
    name: 'wasm',
    generate: glue.generate,
    recover: glue.recover,
    commitment: glue.commitment,
    proveEnrolment: glue.prove_enrolment,
    proveAuthentication: glue.prove_authentication,
    proveRotation: glue.prove_rotation,
    verifyEnrolment: glue.verify_enrolment,
    verifyAuthentication: glue.verify_authentication,
    verifyRotation: glue.verify_rotation,
    checkClientId: glue.check_client_id,
  };
}
