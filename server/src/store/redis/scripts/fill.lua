-- Clients that come from another store. KEYS[2]: the ids of clients; KEYS[3] and so on: clients; ARGV[2] and so on: of each
-- its id and what is kept of it.
for at = 3, #KEYS do
  redis.call('ZADD', KEYS[2], 0, ARGV[2 * at - 4])
  redis.call('SET', KEYS[at], ARGV[2 * at - 3])
end
return { 'done' }
