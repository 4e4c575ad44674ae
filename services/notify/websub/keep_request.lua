-- Keep a request until its callback has answered. It replaces an earlier request about the same subscription.
-- KEYS see keys.lua
-- ARGV 1 JSON: subscription, request, most (requests to keep)
-- Returns 1, or 0 if there are too many.
local id = argument.subscription
if redis.call('HLEN', requests) >= argument.most and redis.call('HEXISTS', requests, id) == 0 then return 0 end
redis.call('HSET', requests, id, argument.request)
redis.call('ZADD', requests_due, now, id)
return 1
