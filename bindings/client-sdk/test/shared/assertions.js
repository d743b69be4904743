// What many tests ask: did it fail with that code?
import assert from 'node:assert/strict';

import { TwoFApiError } from '@2fapi/client-sdk';

export const fails = (work, code, says = /./) =>
  assert.rejects(work, (error) => {
    assert.ok(error instanceof TwoFApiError, String(error?.stack));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, says);
    return true;
  });
