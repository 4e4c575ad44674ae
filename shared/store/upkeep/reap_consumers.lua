-- Forget consumers that own nothing and have long been silent. XGROUP DELCONSUMER alone would destroy what they own.
-- KEYS 1 stream
-- ARGV 1 JSON: group, idle_ms
-- Returns how many were forgotten.
local forgotten = 0
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], argument.group)
if consumers.err then return 0 end  -- the group, or the stream, is not there yet
for _, flat in ipairs(consumers) do
  local consumer = {}
  for i = 1, #flat, 2 do consumer[flat[i]] = flat[i + 1] end
  if consumer['pending'] == 0 and consumer['idle'] >= argument.idle_ms then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], argument.group, consumer['name'])
    forgotten = forgotten + 1
  end
end
return forgotten
