-- KEYS[2]: the signing keys; ARGV[2]: the id of one.
redis.call('HDEL', KEYS[2], ARGV[2])
return { 'done' }
