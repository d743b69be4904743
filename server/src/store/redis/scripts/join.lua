-- KEYS[2]: what second devices leave; ARGV[2]: what is there, ARGV[3] what takes its place, ARGV[4] its last millisecond.
if redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return { 'changed' }
end
redis.call('SET', KEYS[2], ARGV[3], 'PXAT', ARGV[4])
return { 'done' }
