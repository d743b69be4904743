// The HTTP resources of 2FApi for services in JavaScript, on memory, Redis or PostgreSQL. The adapters
// are in `@2fapi/server/express`, `@2fapi/server/fastify` and `@2fapi/server/hono`.

export { createTwoFApi, type EnrolmentRequest, type TwoFApi, type TwoFApiOptions } from './two-f-api.js';
export { generateSigningKey, type Identity, type SigningKey } from './tokens.js';
export type { Authentication, Host, KnownClient, LifecycleChange, Rotation, Verdict } from './host.js';
export { hostOver, type Records, type RecordsOptions, type Spend } from './records.js';
export { memoryStore, type MemoryOptions } from './stores/memory.js';
export type { RedisClient } from './stores/redis-client.js';
export { redisStore, type RedisOptions } from './stores/redis-keys.js';
export { redisModuleStore } from './stores/redis-module.js';
export type { PgPool } from './stores/pg-pool.js';
export { postgresSchema, postgresStore, type PostgresOptions } from './stores/postgres-table.js';
export { pgExtensionStore } from './stores/pg-extension.js';
