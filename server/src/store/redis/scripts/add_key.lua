-- KEYS[2]: the signing keys; ARGV[2]: the id of a new one, ARGV[3] what is kept of it, ARGV[4] and so on the ids of all
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
return { 'done' }
