-- KEYS[2]: the invitations of a client; ARGV[2]: a key.
local invitation = redis.call('HGET', KEYS[2], ARGV[2])
if not invitation or tonumber(string.sub(invitation, 2)) <= now then
  return { 'done', '' }
end
return { 'done', string.sub(invitation, 1, 1) }
