-- Do what a request asks for, or end it, unless another has taken its place meanwhile.
-- ARGV[1] subscription  ARGV[2] the request as it was taken  ARGV[3] verdict: subscribe, unsubscribe, drop, retry
-- ARGV[4] wait in ms (retry)  ARGV[5] the subscription's record  ARGV[6] when it ends (ms)
-- ARGV[7] digest of what the subscriber can be taken to have
-- Returns 1, or 0 if nothing was done.
local id, verdict = ARGV[1], ARGV[3]
if redis.call('HGET', requests, id) ~= ARGV[2] then return 0 end
if verdict == 'retry' then
  redis.call('ZADD', requests_due, now + ARGV[4], id)
  return 1
end
redis.call('HDEL', requests, id)
redis.call('ZREM', requests_due, id)
if verdict == 'unsubscribe' then forget(id) end
if verdict == 'subscribe' then
  redis.call('HSET', subscriptions, id, ARGV[5])
  redis.call('ZADD', topics, 0, member_of(id, ARGV[5]))
  redis.call('ZADD', leases, ARGV[6], id)
  if redis.call('HEXISTS', states, id) == 0 then
    keep_state(id, {sent = ARGV[7]})
    -- Look whether the feed changed while the callback was asked.
    redis.call('ZADD', due, now, id)
  end
end
return 1
