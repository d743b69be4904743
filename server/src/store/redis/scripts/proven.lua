-- A step by a proof. KEYS[4]: the client; KEYS[5]: what a second device left. ARGV[2]: how the client begins, ARGV[3] the
-- credential that has proven, ARGV[4] when it expires or ''; ARGV[5] the challenge and whose it is, ARGV[6] when it
-- expires, ARGV[7] its epoch; ARGV[8] the capacity of the set and ARGV[9] of one client's share, ARGV[10] how long a
-- challenge can live; ARGV[11] what the client becomes or '', ARGV[12] what a second device has left or ''. KEYS[6]: the
-- client's sessions by id, KEYS[7]: the same by when they are over; ARGV[13]: the id of a session that is opened or '',
-- ARGV[14] when it is over, ARGV[15] what is kept of it, ARGV[16] how many a client may have.
local kept = redis.call('GET', KEYS[4])
local met = false
if kept and string.sub(kept, 1, 9) == ARGV[2] then
  for at = 11, 10 + 16 * string.byte(kept, 10), 16 do
    met = met or string.sub(kept, at, at + 15) == ARGV[3]
  end
end
if ARGV[4] ~= '' then
  met = met and now < tonumber(ARGV[4])
end
if ARGV[12] ~= '' then
  met = met and redis.call('GET', KEYS[5]) == ARGV[12]
end
if not met then
  return { 'changed', now }
end

if epoch ~= ARGV[7] then
  return { 'stale epoch', now }
end
now = math.max(now, mark)
local expiry, capacity = tonumber(ARGV[6]), tonumber(ARGV[8])
if expiry <= now or expiry > now + tonumber(ARGV[10]) then
  return { 'expired', now }
end
if redis.call('ZSCORE', KEYS[2], ARGV[5]) then
  return { 'spent', now }
end

-- The mark is raised before anything is forgotten, so that what is forgotten would be refused.
if now > mark then
  redis.call('ZADD', KEYS[2], '+inf', epoch .. history .. string.format('%d', now))
  redis.call('ZREM', KEYS[2], head)
end
local function forget(most)
  for _, member in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', now, 'BYSCORE', 'LIMIT', 0, most)) do
    local share = string.sub(member, 1, 4)
    redis.call('ZREM', KEYS[2], member)
    if redis.call('HINCRBY', KEYS[3], share, -1) <= 0 then
      redis.call('HDEL', KEYS[3], share)
    end
  end
end

local share = string.sub(ARGV[5], 1, 4)
if 2 * redis.call('ZCARD', KEYS[2]) >= capacity then
  forget(256)
  local held = redis.call('ZCOUNT', KEYS[2], '(' .. string.format('%d', now), '(+inf')
  local own = tonumber(redis.call('HGET', KEYS[3], share) or 0)
  if held >= capacity or (2 * held >= capacity and own >= tonumber(ARGV[9])) then
    local next = redis.call('ZRANGE', KEYS[2], '(' .. string.format('%d', now), '(+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    return { 'full', now, tonumber(next[2] or now + 1) - now }
  end
end
redis.call('ZADD', KEYS[2], expiry, ARGV[5])
redis.call('HINCRBY', KEYS[3], share, 1)
forget(4)
if ARGV[11] ~= '' then
  redis.call('SET', KEYS[4], ARGV[11])
end
if ARGV[12] ~= '' then
  redis.call('DEL', KEYS[5])
end
if ARGV[13] ~= '' then
  local function close(ids)
    for _, id in ipairs(ids) do
      redis.call('ZREM', KEYS[7], id)
      redis.call('HDEL', KEYS[6], id)
    end
  end
  close(redis.call('ZRANGE', KEYS[7], '-inf', now, 'BYSCORE', 'LIMIT', 0, 8))
  local over = redis.call('ZCARD', KEYS[7]) - tonumber(ARGV[16])
  if over >= 0 then
    close(redis.call('ZRANGE', KEYS[7], 0, over))
  end
  redis.call('ZADD', KEYS[7], ARGV[14], ARGV[13])
  redis.call('HSET', KEYS[6], ARGV[13], epoch .. ARGV[15])
  -- With the last of them all is gone.
  local last = redis.call('ZRANGE', KEYS[7], -1, -1, 'WITHSCORES')[2]
  redis.call('EXPIREAT', KEYS[6], last)
  redis.call('EXPIREAT', KEYS[7], last)
end
return { 'done', now }
