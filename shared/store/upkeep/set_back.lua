-- Bring moments back with the store's clock.
-- KEYS 1 guard (of several services that see the same, one does it), then sorted sets by moment (ms), then hashes
-- ARGV 1 JSON: by_ms (how far the clock was set back), sets (how many of KEYS are sorted sets), fields (of the hashes)
-- Returns how many moments were brought back: those that the clock has yet to reach.
local GUARDED_MS = 10000
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', GUARDED_MS) then return 0 end

local count = 0
local function brought_back(moment)
  count = count + 1
  return string.format('%.0f', moment - argument.by_ms)
end

for place = 2, 1 + argument.sets do
  local ahead = redis.call('ZRANGE', KEYS[place], string.format('(%.0f', now), '+inf', 'BYSCORE', 'WITHSCORES')
  for i = 1, #ahead, 2 do redis.call('ZADD', KEYS[place], brought_back(tonumber(ahead[i + 1])), ahead[i]) end
end
for place = 2 + argument.sets, #KEYS do
  for _, field in ipairs(argument.fields) do
    local moment = tonumber(redis.call('HGET', KEYS[place], field) or '')
    if moment and moment > now then redis.call('HSET', KEYS[place], field, brought_back(moment)) end
  end
end
return count
