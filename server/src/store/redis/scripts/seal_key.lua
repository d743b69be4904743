-- KEYS[2]: the signing keys or what the store is; ARGV[2]: a field, ARGV[3] what was read of it, ARGV[4] the same under
-- another key.
if redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[3] then
  return { 'changed' }
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
return { 'done' }
