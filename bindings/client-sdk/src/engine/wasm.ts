/** The engine that `crypto-core` is compiled to. */
import init, * as glue from '../../generated/twofapi.js';
import type { Engine } from './engine.js';

/** Starts it from a response, which is compiled while it arrives, or from its bytes. */
export async function startWasm(module: Promise<Response | BufferSource>): Promise<Engine> {
  await init({ module_or_path: module });
  return {
    name: 'wasm',
    generate: glue.generate,
    recover: glue.recover,
    commitment: glue.commitment,
    proveEnrollment: glue.prove_enrollment,
    proveAuthentication: glue.prove_authentication,
    proveRotation: glue.prove_rotation,
    verifyEnrollment: glue.verify_enrollment,
    verifyAuthentication: glue.verify_authentication,
    verifyRotation: glue.verify_rotation,
    checkClientId: glue.check_client_id,
  };
}
