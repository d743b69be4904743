/** The audience of a server and the authentication binding: computed here, never taken from a server. */
import { type Bytes, concat, utf8 } from './bytes.js';
import { TwoFApiError } from './errors.js';

const PREFIX = utf8('aud:');

/** `"aud:" ‖ audience`, as `spec/protocol.md`, section 4 says. */
export function bindingFor(audience: string): Bytes {
  if (!/^[\x21-\x7e]{1,512}$/.test(audience)) {
    throw new TwoFApiError(
      'invalid_argument',
      'audience must be 1 to 512 visible ASCII characters without blanks, such as https://api.example.com',
    );
  }
  return concat(PREFIX, utf8(audience));
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);

/** The address of a server as it is used: without query and fragment, ending in a slash. */
export function serverAddress(text: string | URL, allowInsecureHttp: boolean): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new TwoFApiError(
      'invalid_argument',
      'baseUrl must be an absolute address, such as https://api.example.com',
    );
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new TwoFApiError('invalid_argument', 'baseUrl must begin with https:// or http://');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new TwoFApiError(
      'invalid_argument',
      'baseUrl must have neither user nor password nor query nor fragment',
    );
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && !allowInsecureHttp) {
    throw new TwoFApiError(
      'insecure_transport',
      `${url.origin} is plain HTTP and not this machine: tokens could be read on the way. ` +
        'Use https, or say allowInsecureHttp if you mean it',
    );
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}
