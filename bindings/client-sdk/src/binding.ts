/** The audience of a server and the authentication binding: computed here, never taken from a server. */
import { type Bytes, concat, utf8 } from './bytes.js';
import { AUDIENCE_BINDING_PREFIX, AUDIENCE_MAX_LENGTH } from './constants.js';
import { TwoFApiError, invalidArgument } from './errors.js';

const PREFIX = utf8(AUDIENCE_BINDING_PREFIX);

/** `"aud:" ‖ audience`, as `spec/protocol.md`, section 4 says. */
export function bindingFor(audience: string): Bytes {
  if (typeof audience !== 'string' || !/^[\x21-\x7e]+$/.test(audience) || audience.length > AUDIENCE_MAX_LENGTH) {
    throw invalidArgument(
      'audience must be 1 to 512 visible ASCII characters without blanks, such as https://api.example.com',
    );
  }
  return concat(PREFIX, utf8(audience));
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);

/** An address that a token may go to. */
function webAddress(what: string, text: unknown, allowInsecureHttp: boolean): URL {
  let url: URL;
  try {
    url = new URL(text as string);
  } catch {
    throw invalidArgument(`${what} must be an absolute address, such as https://api.example.com`);
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw invalidArgument(`${what} must begin with https:// or http://`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw invalidArgument(`${what} must have neither user nor password nor query nor fragment`);
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && !allowInsecureHttp) {
    throw new TwoFApiError(
      'insecure_transport',
      `${url.origin} is plain HTTP and not this machine: tokens could be read on the way. ` +
        'Use https, or say allowInsecureHttp if you mean it',
    );
  }
  return url;
}

/** The address of a server as it is used: without query and fragment, ending in a slash. */
export function serverAddress(text: string | URL, allowInsecureHttp: boolean): URL {
  const url = webAddress('baseUrl', text, allowInsecureHttp);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

/** Origins as `URL` writes them: a trailing slash or a default port is no other origin. */
export function tokenOrigins(origins: unknown, allowInsecureHttp: boolean): string[] {
  if (!Array.isArray(origins)) throw invalidArgument('tokenOrigins must be a list of origins');
  return origins.map((text: unknown) => {
    const url = webAddress('each of tokenOrigins', text, allowInsecureHttp);
    if (url.pathname === '/') return url.origin;
    throw invalidArgument('each of tokenOrigins must be an origin, without a path');
  });
}
