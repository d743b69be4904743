-- ARGV[2]: what a bucket says of itself from now on.
redis.call('SET', KEYS[1], ARGV[2])
return { 'done' }
