#!lua
-- KEYS[1]: what is known of the store as a whole. ARGV: its fields, if there are none.
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], unpack(ARGV))
end
return redis.call('HGETALL', KEYS[1])
