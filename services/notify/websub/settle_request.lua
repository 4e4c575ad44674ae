-- Carry out a request or end it, unless another request has replaced it.
-- KEYS see keys.lua
-- ARGV 1 JSON: subscription, request (as it was leased), verdict (subscribe, unsubscribe, drop, retry), wait_ms
--      (retry), record (of the subscription) and expires_ms (subscribe), digest (of the feed that the subscriber is
--      assumed to have)
-- Returns 1, or 0 if nothing was done.
local id, verdict = argument.subscription, argument.verdict
if redis.call('HGET', requests, id) ~= argument.request then return 0 end
if verdict == 'retry' then
  redis.call('ZADD', requests_due, now + argument.wait_ms, id)
  return 1
end
redis.call('HDEL', requests, id)
redis.call('ZREM', requests_due, id)
if verdict == 'unsubscribe' then forget(id) end
if verdict == 'subscribe' then
  redis.call('HSET', subscriptions, id, argument.record)
  redis.call('ZADD', topics, 0, member_of(id, argument.record))
  redis.call('ZADD', leases, argument.expires_ms, id)
  if redis.call('HEXISTS', states, id) == 0 then
    keep_state(id, {sent = argument.digest})
    -- Look whether the feed changed while the callback was asked.
    redis.call('ZADD', due, now, id)
  end
end
return 1
