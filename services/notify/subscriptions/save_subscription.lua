-- Write the record of one subscription, if nothing that its writer looked at has moved.
-- KEYS[1] subscriptions  KEYS[2] version  KEYS[3] changes  KEYS[4] cursor  KEYS[5] due
-- ARGV[1] subscription   ARGV[2] the record that the writer saw ('' for none)   ARGV[3] the new record
-- ARGV[4] 'any', or the cursor that the writer saw must still be there: ARGV[5] passed  ARGV[6] within  ARGV[7] upto
-- ARGV[8] changes to remember
-- Returns 1, or 0 if something moved and nothing was written. Sent twice, it writes once.
local record = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if record == ARGV[3] then return 1 end
if record ~= ARGV[2] then return 0 end
if ARGV[4] ~= 'any' then
  local cursor = redis.call('HMGET', KEYS[4], 'passed', 'within', 'upto')
  for i = 1, 3 do
    if (cursor[i] or '') ~= ARGV[4 + i] then return 0 end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[3], redis.call('INCR', KEYS[2]), ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - ARGV[8])
-- Have a worker look at the endpoint: what was queued while it was paused is due.
local time = redis.call('TIME')
redis.call('ZADD', KEYS[5], 'LT', time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
return 1
