-- ARGV[2]: an epoch, for whoever comes first where there is none.
if not epoch then
  epoch, mark = ARGV[2], now
  redis.call('DEL', KEYS[2], KEYS[3])
  redis.call('ZADD', KEYS[2], '+inf', epoch .. history .. string.format('%d', mark))
end
return { 'done', epoch, math.max(now, mark) }
