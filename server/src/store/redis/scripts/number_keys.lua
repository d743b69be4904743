-- KEYS[2]: the number of the list of signing keys, as this bucket has it; ARGV[2]: a newer one.
if tonumber(redis.call('GET', KEYS[2]) or 0) < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[2], ARGV[2])
end
return { 'done' }
