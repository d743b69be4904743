#!lua flags=no-writes
-- All keys of the slot of a cluster that KEYS[1] is in.
local slot = redis.call('CLUSTER', 'KEYSLOT', KEYS[1])
return redis.call('CLUSTER', 'GETKEYSINSLOT', slot, redis.call('CLUSTER', 'COUNTKEYSINSLOT', slot))
