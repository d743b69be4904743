-- KEYS[2]: the invitations of a client.
local count = 0
for _, invitation in ipairs(redis.call('HVALS', KEYS[2])) do
  if tonumber(string.sub(invitation, 2)) > now then
    count = count + 1
  end
end
redis.call('DEL', KEYS[2])
return { 'done', count }
