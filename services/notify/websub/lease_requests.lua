-- Lease due requests to one process. The record of the request, which counts its attempts, is the token.
-- KEYS see keys.lua
-- ARGV 1 JSON: lease_ms, most (requests to lease)
-- Returns {now, when the next one is due or -1, subscription, request, ...}.
local taken = {}
for _, id in ipairs(redis.call('ZRANGE', requests_due, '-inf', now, 'BYSCORE', 'LIMIT', 0, argument.most)) do
  local raw = redis.call('HGET', requests, id)
  if raw then
    local request = cjson.decode(raw)
    request.attempts = request.attempts + 1
    raw = cjson.encode(request)
    redis.call('HSET', requests, id, raw)
    redis.call('ZADD', requests_due, now + argument.lease_ms, id)
    taken[#taken + 1] = id
    taken[#taken + 1] = raw
  else
    redis.call('ZREM', requests_due, id)
  end
end
local next_due = redis.call('ZRANGE', requests_due, 0, 0, 'WITHSCORES')[2]
return {now, tonumber(next_due or -1), unpack(taken)}
