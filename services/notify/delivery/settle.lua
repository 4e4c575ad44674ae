-- Settle leased deliveries of a shard; what the token no longer holds is left alone, so a late settle does nothing.
-- KEYS[1] due  KEYS[2] dead letters  KEYS[3..] five for each endpoint: leased later deliveries attempts endpoint
-- after them the tallies of the events concerned
-- ARGV[1] attempts to keep in a list  ARGV[2] how long to keep them, ms
-- ARGV[3] failures in a row that open the circuit  ARGV[4] how long it is open at first, ms  ARGV[5] and at most
-- ARGV[6] how long to keep dead letters, ms
-- ARGV[7] JSON, ten for each delivery: place of its endpoint, place of its tally (0: is not counted), delivery, token,
--         verdict (done, retry, dropped, returned), wait in ms, state after the attempt ('' when done), the attempt,
--         whether the endpoint was heard to work (1), to fail (0) or neither (''), for how many ms it asked to be left alone
-- ARGV[8..] the endpoints' subscriptions
-- Returns {now, since when each endpoint has failed everything (ms; 0 if it has not), ...}.
-- The circuit: after some failures in a row the endpoint gets nothing for a while, then one delivery as a probe. Each
-- probe that fails doubles the while; one good answer closes the circuit.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local settled = {}

local function failed(endpoint, left_alone)
  redis.call('HSETNX', endpoint, 'failing_since', now)
  local in_a_row = redis.call('HINCRBY', endpoint, 'failures', 1)
  local open_until = tonumber(redis.call('HGET', endpoint, 'open_until') or 0)
  local wait = left_alone
  -- What was in the air when it opened says nothing new.
  if in_a_row >= tonumber(ARGV[3]) and open_until <= now then
    local opened = redis.call('HINCRBY', endpoint, 'opened', 1)
    wait = math.max(wait, math.min(ARGV[5], ARGV[4] * 2 ^ math.min(opened - 1, 30)))
  end
  if wait > 0 and now + wait > open_until then redis.call('HSET', endpoint, 'open_until', math.floor(now + wait)) end
end

local endpoints = #ARGV - 7
-- A tally that is no longer kept is not begun anew: what was delivered before would be missing in it.
local is_kept = {}
for i = 3 + 5 * endpoints, #KEYS do is_kept[i] = redis.call('EXISTS', KEYS[i]) == 1 end
local function count(tally, what)
  local place = 2 + 5 * endpoints + tally
  if not is_kept[place] then return end
  redis.call('HINCRBY', KEYS[place], what, 1)
  if what == 'delivered' then redis.call('HSET', KEYS[place], 'last_ms', now) end
end

for _, one in ipairs(cjson.decode(ARGV[7])) do
  local place, tally, delivery, token, verdict, wait, state, attempt, heard, left_alone = unpack(one)
  local k = 5 * place - 2
  if redis.call('ZREM', KEYS[k], delivery .. ' ' .. token) == 1 then
    settled[place] = true
    if verdict == 'retry' or verdict == 'returned' then
      redis.call('HSET', KEYS[k + 2], delivery, state)
      redis.call('ZADD', KEYS[k + 1], now + wait, delivery)
    else
      redis.call('HDEL', KEYS[k + 2], delivery)
      if verdict == 'dropped' then
        redis.call('XADD', KEYS[2], 'MINID', '~', math.max(0, now - ARGV[6]), '*', 'subscription', ARGV[7 + place],
                   'delivery', delivery, 'state', state, 'attempt', attempt)
      end
      count(tally, verdict == 'done' and 'delivered' or 'dead')
    end
    redis.call('XADD', KEYS[k + 3], 'MAXLEN', ARGV[1], '*', 'attempt', attempt)
    if heard == '1' then redis.call('HDEL', KEYS[k + 4], 'failing_since', 'failures', 'opened', 'open_until') end
    if heard == '0' then failed(KEYS[k + 4], left_alone) end
  end
end

local answer = {now}
for place = 1, endpoints do
  local k = 5 * place - 2
  if settled[place] then
    redis.call('PEXPIRE', KEYS[k + 3], ARGV[2])
    redis.call('ZADD', KEYS[1], 'LT', now, ARGV[7 + place])
  end
  answer[1 + place] = tonumber(redis.call('HGET', KEYS[k + 4], 'failing_since') or 0)
end
return answer
