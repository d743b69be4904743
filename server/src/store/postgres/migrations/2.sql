-- Signing keys of several algorithms (0 EdDSA, 1 ES256), and a number of their list, which grows with each that is added or
-- removed: every look-up says it, so that each server knows at its next request.
ALTER TABLE {schema}.signing_keys ADD COLUMN algorithm smallint NOT NULL DEFAULT 0;
ALTER TABLE {schema}.about ADD COLUMN signing_keys_number bigint NOT NULL DEFAULT 0;
