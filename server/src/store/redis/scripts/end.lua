-- Ends sessions of a client. KEYS[2]: its sessions by id; KEYS[3]: the same by when they are over. ARGV[2] and so on: ids.
local count = 0
for at = 2, #ARGV do
  count = count + redis.call('HDEL', KEYS[2], ARGV[at])
  redis.call('ZREM', KEYS[3], ARGV[at])
end
return { 'done', count }
