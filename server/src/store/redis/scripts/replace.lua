-- What an operator does to a client. KEYS[2]: the client; ARGV[2]: what was read, ARGV[3] what takes its place.
if redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return { 'changed' }
end
redis.call('SET', KEYS[2], ARGV[3])
return { 'done' }
