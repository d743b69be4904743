-- An enrolment or a reset. KEYS[2]: the client; KEYS[3]: the ids of clients; KEYS[4]: the client's invitations. ARGV[2]:
-- the kind, ARGV[3] the invitation or ''; ARGV[4] how the client begins that is reset; ARGV[5] what it becomes, ARGV[6] its
-- id.
if ARGV[3] ~= '' then
  local invitation = redis.call('HGET', KEYS[4], ARGV[3])
  if not invitation or string.sub(invitation, 1, 1) ~= ARGV[2] or tonumber(string.sub(invitation, 2)) <= now then
    return { 'not invited' }
  end
end
local kept = redis.call('GET', KEYS[2])
if ARGV[2] == 'e' then
  if kept then
    return { 'exists' }
  end
elseif not kept or string.sub(kept, 1, 9) ~= ARGV[4] then
  return { 'changed' }
end
-- An id without a client is passed over; a client without its id would not be listed.
redis.call('ZADD', KEYS[3], 0, ARGV[6])
redis.call('SET', KEYS[2], ARGV[5])
if ARGV[3] ~= '' then
  redis.call('HDEL', KEYS[4], ARGV[3])
end
return { 'done' }
