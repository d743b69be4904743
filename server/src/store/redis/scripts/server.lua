#!lua flags=no-writes,allow-stale
-- What the node that has this key says of itself. KEYS[1]: a key of a bucket.
local info = {}
for _, section in ipairs({ 'server', 'memory', 'persistence', 'replication' }) do
  info[#info + 1] = redis.call('INFO', section)
end
return table.concat(info, '\r\n')
