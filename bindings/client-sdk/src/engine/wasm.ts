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
    recoverAt: glue.recover_at,
    commitment: glue.commitment,
    credentialId: glue.credential_id,
    linkNumber: glue.number_of_link,
    proveEnrollment: glue.prove_enrollment,
    proveAuthentication: glue.prove_authentication,
    proveRotation: glue.prove_rotation,
    proveLinking: glue.prove_linking,
    proveUnlinking: glue.prove_unlinking,
    proveJoining: glue.prove_joining,
    verifyEnrollment: glue.verify_enrollment,
    verifyAuthentication: glue.verify_authentication,
    verifyRotation: glue.verify_rotation,
    verifyLinking: glue.verify_linking,
    verifyUnlinking: glue.verify_unlinking,
    verifyJoining: glue.verify_joining,
    checkClientId: glue.check_client_id,
  };
}
