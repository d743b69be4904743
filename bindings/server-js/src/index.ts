// The HTTP resources of 2FApi for services in JavaScript, on memory, Redis or PostgreSQL. The adapters
// are in `@2fapi/server/express`, `@2fapi/server/fastify` and `@2fapi/server/hono`.

export {
  createTwoFApi,
  type Asked,
  type AuditEvent,
  type EnrollmentRequest,
  type RequestContext,
  type TwoFApi,
  type TwoFApiOptions,
} from './two-f-api.js';
export type { Limits } from './limits.js';
export { generateSigningKey, type ScheduledKey, type SigningKey } from './signing-keys.js';
export type { Identity } from './tokens.js';
export type {
  Authentication,
  ByCredential,
  Challenged,
  EnrollmentOutcome,
  JoinLink,
  KnownClient,
  LifecycleChange,
  Link,
  Links,
  Offer,
  Redeem,
  ResetOutcome,
  Rotation,
  Store,
  Unlink,
  Verdict,
} from './store.js';
export type { Attributes, Authority, ClientCredential, Named, PendingLink, Spend } from './crypto.js';
export {
  storeOver,
  type Acceptance,
  type Accepted,
  type Epoch,
  type Inserted,
  type Kept,
  type Records,
  type RecordsOptions,
  type Replaced,
} from './records.js';
export { memoryStore, type MemoryOptions } from './stores/memory.js';
export type { RedisClient } from './stores/redis-client.js';
export { redisStore, type RedisOptions, type RedisStep } from './stores/redis-keys.js';
export { redisModuleStore } from './stores/redis-module.js';
export type { PgConnection, PgPool, PgStep } from './stores/pg-pool.js';
export { postgresSchema, postgresStore, type PostgresOptions } from './stores/postgres-table.js';
export { pgExtensionStore } from './stores/pg-extension.js';
