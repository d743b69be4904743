-- The sessions of a client that are of this epoch: all, or the one of this id. KEYS[4]: the sessions by id; ARGV[2]: an id
-- or ''.
local kept
if ARGV[2] == '' then
  kept = redis.call('HVALS', KEYS[4])
else
  kept = { redis.call('HGET', KEYS[4], ARGV[2]) or nil }
end
local listed = { 'done', now }
for _, session in ipairs(kept) do
  if epoch and string.sub(session, 1, 16) == epoch then
    listed[#listed + 1] = string.sub(session, 17)
  end
end
return listed
