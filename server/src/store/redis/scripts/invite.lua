-- KEYS[2]: the invitations of a client; ARGV[2]: the kind of the new one, ARGV[3] its key, ARGV[4] when it expires. One to
-- reset takes the place of the one before, and those that have expired go.
local last = tonumber(ARGV[4])
local all = redis.call('HGETALL', KEYS[2])
for at = 1, #all, 2 do
  local kind, expires = string.sub(all[at + 1], 1, 1), tonumber(string.sub(all[at + 1], 2))
  if expires <= now or (kind == 'r' and ARGV[2] == 'r') then
    redis.call('HDEL', KEYS[2], all[at])
  else
    last = math.max(last, expires)
  end
end
redis.call('HSET', KEYS[2], ARGV[3], ARGV[2] .. ARGV[4])
if last < 2 ^ 42 then
  redis.call('EXPIREAT', KEYS[2], string.format('%d', last))
else
  redis.call('PERSIST', KEYS[2])
end
return { 'done' }
