/** What a client is made from, checked once. */
import { bindingFor, serverAddress, tokenOrigins } from './binding.js';
import type { Bytes } from './bytes.js';
import type { EngineChoice } from './engine/choose.js';
import { invalidArgument } from './errors.js';
import type { Fetch, Http } from './http.js';
import { sentInParts } from './request.js';
import { indexedDbStore } from './store/indexed-db.js';
import { type CheckedStore, checkedStore } from './store/outside.js';
import type { CredentialStore } from './store/store.js';
import { timeoutOf } from './waiting.js';

export interface ClientOptions {
  /** Where the server is. Its origin is the audience that this client proves to. */
  baseUrl: string | URL;
  /** Which client this is; `enroll`, `login` and `recover` may say it later. */
  clientId?: string;
  /** Where credentials are kept: in IndexedDB by default. There is no default without IndexedDB. */
  store?: CredentialStore;
  engine?: EngineChoice;
  /** The server's audience, where it is known by another origin than that of `baseUrl`. */
  audience?: string;
  /** Origins that `fetch` may take the token to, beside that of `baseUrl`. */
  tokenOrigins?: readonly string[];
  /** How long a request of the protocol may take, in milliseconds; 30 000 by default. */
  timeoutMs?: number;
  /** Speak plain HTTP with other than this machine. */
  allowInsecureHttp?: boolean;
  /** What sends requests; `fetch` by default. */
  fetch?: Fetch;
}

export interface Settings {
  http: Http;
  /** Sends a Request. */
  send: (request: Request) => Promise<Response>;
  audience: string;
  binding: Bytes;
  store: CheckedStore | undefined;
  engine: EngineChoice;
  origins: ReadonlySet<string>;
}

export function settingsOf(options: ClientOptions): Settings {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument('a client is made from { baseUrl, … }');
  }
  const { engine = 'auto', timeoutMs = 30_000, allowInsecureHttp = false } = options;
  const base = serverAddress(options.baseUrl, allowInsecureHttp);
  const own = options.fetch;
  if (own !== undefined && typeof own !== 'function') {
    throw invalidArgument('fetch must be a function');
  }
  if (!['auto', 'wasm', 'noble'].includes(engine)) {
    throw invalidArgument("engine must be 'auto', 'wasm' or 'noble'");
  }
  const audience = options.audience ?? base.origin;
  const store = options.store ?? (globalThis.indexedDB ? indexedDbStore() : undefined);
  return {
    http: {
      base,
      fetch: own ?? ((input, init) => globalThis.fetch(input, init)),
      timeoutMs: timeoutOf(timeoutMs),
    },
    // A library's own `fetch` may know no Request but its own.
    send: own ? (request) => sentInParts(request, own) : (request) => globalThis.fetch(request),
    audience,
    binding: bindingFor(audience),
    store: store && checkedStore(store),
    engine,
    origins: new Set([base.origin, ...tokenOrigins(options.tokenOrigins ?? [], allowInsecureHttp)]),
  };
}
