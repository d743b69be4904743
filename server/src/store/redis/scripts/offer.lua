-- KEYS[2]: what second devices leave; ARGV[2]: an offer, ARGV[3] its last millisecond.
redis.call('SET', KEYS[2], ARGV[2], 'PXAT', ARGV[3])
return { 'done' }
