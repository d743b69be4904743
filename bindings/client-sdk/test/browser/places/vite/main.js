// An application that a bundler bundles.
import * as sdk from '@2fapi/client-sdk';

import { ceremony } from '../ceremony.js';

globalThis.bundled = (options) => ceremony(sdk, options);
