-- KEYS[2]: the signing keys; KEYS[3]: the number of their list; ARGV[2]: the id of one. The number is greater than any that
-- a copy of the store had which a backup has taken the place of.
redis.call('HDEL', KEYS[2], ARGV[2])
local number = math.max(tonumber(redis.call('GET', KEYS[3]) or 0) + 1, now)
redis.call('SET', KEYS[3], string.format('%d', number))
return { 'done', number }
