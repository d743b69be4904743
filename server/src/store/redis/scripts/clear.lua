-- KEYS[2] and so on: what is taken away.
for at = 2, #KEYS do
  redis.call('DEL', KEYS[at])
end
return { 'done' }
