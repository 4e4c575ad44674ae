-- Settle leased deliveries of one endpoint; what the token no longer holds is left alone, so a late settle does nothing.
-- KEYS[1] due  KEYS[2] leased  KEYS[3] later  KEYS[4] deliveries  KEYS[5] attempts  KEYS[6] endpoint  KEYS[7] dead letters
-- ARGV[1] subscription   ARGV[2] attempts to keep in the list  ARGV[3] how long to keep them, ms
-- ARGV[4] failures in a row that open the circuit  ARGV[5] how long it is open at first, ms  ARGV[6] and at most
-- ARGV[7] how long to keep dead letters, ms
-- ARGV[8..] eight for each delivery: delivery, token, verdict (done, retry, dropped, returned), wait in ms, state after
--           the attempt ('' when done), the attempt, whether the endpoint was heard to work (1), to fail (0) or neither
--           (''), for how many ms the endpoint asked to be left alone
-- Returns {settled, since when the endpoint has failed everything (ms; 0 if it has not), now}.
-- The circuit: after some failures in a row the endpoint gets nothing for a while, then one delivery as a probe. Each
-- probe that fails doubles the while; one good answer closes the circuit.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local settled = 0

local function failed(left_alone)
  redis.call('HSETNX', KEYS[6], 'failing_since', now)
  local in_a_row = redis.call('HINCRBY', KEYS[6], 'failures', 1)
  local open_until = tonumber(redis.call('HGET', KEYS[6], 'open_until') or 0)
  local wait = left_alone
  -- What was in the air when it opened says nothing new.
  if in_a_row >= tonumber(ARGV[4]) and open_until <= now then
    local opened = redis.call('HINCRBY', KEYS[6], 'opened', 1)
    wait = math.max(wait, math.min(ARGV[6], ARGV[5] * 2 ^ math.min(opened - 1, 30)))
  end
  if wait > 0 and now + wait > open_until then redis.call('HSET', KEYS[6], 'open_until', math.floor(now + wait)) end
end

for i = 8, #ARGV, 8 do
  local delivery, verdict, state = ARGV[i], ARGV[i + 2], ARGV[i + 4]
  if redis.call('ZREM', KEYS[2], delivery .. ' ' .. ARGV[i + 1]) == 1 then
    settled = settled + 1
    if verdict == 'retry' or verdict == 'returned' then
      redis.call('HSET', KEYS[4], delivery, state)
      redis.call('ZADD', KEYS[3], now + ARGV[i + 3], delivery)
    else
      redis.call('HDEL', KEYS[4], delivery)
      if verdict == 'dropped' then
        redis.call('XADD', KEYS[7], 'MINID', '~', math.max(0, now - ARGV[7]), '*', 'subscription', ARGV[1],
                   'delivery', delivery, 'state', state, 'attempt', ARGV[i + 5])
      end
    end
    redis.call('XADD', KEYS[5], 'MAXLEN', ARGV[2], '*', 'attempt', ARGV[i + 5])
    if ARGV[i + 6] == '1' then redis.call('HDEL', KEYS[6], 'failing_since', 'failures', 'opened', 'open_until') end
    if ARGV[i + 6] == '0' then failed(tonumber(ARGV[i + 7])) end
  end
end
if settled > 0 then
  redis.call('PEXPIRE', KEYS[5], ARGV[3])
  redis.call('ZADD', KEYS[1], 'LT', now, ARGV[1])
end
return {settled, tonumber(redis.call('HGET', KEYS[6], 'failing_since') or 0), now}
