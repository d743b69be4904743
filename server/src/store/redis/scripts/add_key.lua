-- KEYS[2]: the signing keys; KEYS[3]: the number of their list; ARGV[2]: the id of a new one, ARGV[3] what is kept of it, ARGV[4] and so on the ids of all
-- others.
local others = #ARGV - 3
if redis.call('HLEN', KEYS[2]) ~= others or redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then
  return { 'changed' }
end
for at = 4, #ARGV do
  if redis.call('HEXISTS', KEYS[2], ARGV[at]) == 0 then
    return { 'changed' }
  end
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
local number = math.max(tonumber(redis.call('GET', KEYS[3]) or 0) + 1, now)
redis.call('SET', KEYS[3], string.format('%d', number))
return { 'done', number }
