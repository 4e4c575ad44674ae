-- Settle leased deliveries of a shard. A delivery whose token differs is skipped, so a late settle changes nothing.
-- KEYS 1 due  2 dead letters  3.. five for each endpoint: leased, later, deliveries, attempts, endpoint; after them the
--      tallies of the events concerned
-- ARGV 1 JSON:
--      attempts_kept (for each endpoint), attempts_kept_ms, failures_to_open (failures in a row that open the circuit),
--      open_first_ms and open_most_ms (how long it is open at first and at most), dead_letters_kept_ms,
--      subscriptions (of the endpoints),
--      settlements: {place of its endpoint, place of its tally (0: is not counted), delivery, token, verdict (done,
--      retry, dropped, forgotten, returned), wait in ms, state after the attempt ('' when done), the attempt, whether
--      the endpoint works ('1'), fails ('0') or nothing was sent (''), its Retry-After in ms}
-- Returns {now, since when each endpoint has failed everything (ms; 0 if it has not), ...}.
-- The circuit: after some failures in a row the endpoint gets nothing for a while, then one delivery as a probe. Each
-- failed probe doubles the time; one good answer closes the circuit.
local settled = {}

local function failed(endpoint, left_alone)
  redis.call('HSETNX', endpoint, 'failing_since', now)
  local in_a_row = redis.call('HINCRBY', endpoint, 'failures', 1)
  local open_until = tonumber(redis.call('HGET', endpoint, 'open_until') or 0)
  local wait = left_alone
  -- An attempt that was running when the circuit opened does not open it again.
  if in_a_row >= argument.failures_to_open and open_until <= now then
    local opened = redis.call('HINCRBY', endpoint, 'opened', 1)
    wait = math.max(wait, math.min(argument.open_most_ms, argument.open_first_ms * 2 ^ math.min(opened - 1, 30)))
  end
  if wait > 0 and now + wait > open_until then redis.call('HSET', endpoint, 'open_until', math.floor(now + wait)) end
end

local subscriptions = argument.subscriptions
local first_tally = 3 + 5 * #subscriptions
-- A tally that is no longer kept is not begun anew: what was delivered before would be missing in it.
local is_kept = {}
for i = first_tally, #KEYS do is_kept[i] = redis.call('EXISTS', KEYS[i]) == 1 end
local function count(tally, what)
  local place = first_tally - 1 + tally
  if not is_kept[place] then return end
  redis.call('HINCRBY', KEYS[place], what, 1)
  if what == 'delivered' then redis.call('HSET', KEYS[place], 'last_ms', now) end
end

for _, one in ipairs(argument.settlements) do
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
        redis.call('XADD', KEYS[2], 'MINID', '~', math.max(0, now - argument.dead_letters_kept_ms), '*',
                   'subscription', subscriptions[place], 'delivery', delivery, 'state', state, 'attempt', attempt)
      end
      if verdict ~= 'forgotten' then count(tally, verdict == 'done' and 'delivered' or 'dead') end
    end
    if verdict ~= 'forgotten' then
      redis.call('XADD', KEYS[k + 3], 'MAXLEN', argument.attempts_kept, '*', 'attempt', attempt)
    end
    if heard == '1' then redis.call('HDEL', KEYS[k + 4], 'failing_since', 'failures', 'opened', 'open_until') end
    if heard == '0' then failed(KEYS[k + 4], left_alone) end
  end
end

local answer = {now}
for place, subscription in ipairs(subscriptions) do
  local k = 5 * place - 2
  if settled[place] then
    redis.call('PEXPIRE', KEYS[k + 3], argument.attempts_kept_ms)
    redis.call('ZADD', KEYS[1], 'LT', now, subscription)
  end
  answer[1 + place] = tonumber(redis.call('HGET', KEYS[k + 4], 'failing_since') or 0)
end
return answer
