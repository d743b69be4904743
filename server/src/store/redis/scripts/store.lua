-- What every script begins with: this is the store that is meant, and it has not moved.
-- KEYS[1]: which store it is; ARGV[1]: which one is meant.
local about = redis.call('GET', KEYS[1])
if about ~= ARGV[1] then
  return { 'elsewhere', about or '' }
end
local now = tonumber(redis.call('TIME')[1])
