-- What every script about a spent set goes on with. KEYS[2]: the set, by expiry; KEYS[3]: how many each client has of it.
-- Beyond all expiries lies its head: the epoch, the history of the node that it was begun on, and the newest second that
-- the set has acted on. Whatever takes entries away takes the head as well, or brings it to another history.
local info = redis.call('INFO', 'replication')
local history = string.match(info, 'master_replid:(%x+)')
if not history or #history ~= 40 or not string.find(info, 'role:master', 1, true) then
  return { 'no master' }
end
local heads = redis.call('ZRANGE', KEYS[2], '+inf', '+inf', 'BYSCORE')
local head, epoch, mark = heads[1], nil, 0
if #heads == 1 and string.sub(head, 17, 56) == history then
  epoch, mark = string.sub(head, 1, 16), tonumber(string.sub(head, 57))
  -- A clock that is further behind was set back, or had been ahead.
  if not mark or now + 60 < mark then
    epoch = nil
  end
end
