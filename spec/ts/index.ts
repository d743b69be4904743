// The protocol for TypeScript: constants, types and error codes. Normative is `protocol.md`.

export * from './constants.js';
export * from './patterns.js';
export * from './errors.js';
export type * from './types.js';
export * from './http.js';
