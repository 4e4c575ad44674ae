-- Settle leased deliveries of one endpoint; what the token no longer holds is left alone, so a late settle does nothing.
-- KEYS[1] due  KEYS[2] leased  KEYS[3] later  KEYS[4] deliveries  KEYS[5] attempts  KEYS[6] endpoint  KEYS[7] dead letters
-- ARGV[1] subscription   ARGV[2] attempts to keep in the list  ARGV[3] how long to keep them, ms
-- ARGV[4..] seven for each delivery: delivery, token, verdict (done, retry, dropped, returned), wait in ms, state after
--           the attempt, the attempt, whether the endpoint was heard to work (1), to fail (0) or neither ('')
-- Returns {settled, since when the endpoint has failed everything (ms; 0 if it has not), now}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local settled = 0
for i = 4, #ARGV, 7 do
  local delivery, verdict, state = ARGV[i], ARGV[i + 2], ARGV[i + 4]
  if redis.call('ZREM', KEYS[2], delivery .. ' ' .. ARGV[i + 1]) == 1 then
    settled = settled + 1
    if verdict == 'retry' or verdict == 'returned' then
      redis.call('HSET', KEYS[4], delivery, state)
      redis.call('ZADD', KEYS[3], now + ARGV[i + 3], delivery)
    else
      redis.call('HDEL', KEYS[4], delivery)
      if verdict == 'dropped' then
        redis.call('XADD', KEYS[7], '*', 'subscription', ARGV[1], 'delivery', delivery, 'state', state,
                   'attempt', ARGV[i + 5])
      end
    end
    redis.call('XADD', KEYS[5], 'MAXLEN', ARGV[2], '*', 'attempt', ARGV[i + 5])
    if ARGV[i + 6] == '1' then redis.call('HDEL', KEYS[6], 'failing_since') end
    if ARGV[i + 6] == '0' then redis.call('HSETNX', KEYS[6], 'failing_since', now) end
  end
end
if settled > 0 then
  redis.call('PEXPIRE', KEYS[5], ARGV[3])
  redis.call('ZADD', KEYS[1], 'LT', now, ARGV[1])
end
return {settled, tonumber(redis.call('HGET', KEYS[6], 'failing_since') or 0), now}
