-- Lease subscriptions that are due to one process, and end the subscriptions that have expired.
-- KEYS see keys.lua
-- ARGV 1 JSON: token, lease_ms, quick and slow (most to lease of quick and of slow ones), again_ms (when a slow one is
--      looked at again for which there is no slot)
-- Returns {now, when the next one is due or -1, then five for each: subscription, record, sent, failures, is it slow}.
-- A subscription whose process died is due again when the lease has expired, and that counts as a failure.
for _, id in ipairs(redis.call('ZRANGE', leases, '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)) do forget(id) end

local room = {quick = argument.quick, slow = argument.slow}
local taken = {}

local function take(id, record, state)
  if state.token then state.failures = (state.failures or 0) + 1 end
  -- This attempt reads the feed later, so it sees every change that was marked until now.
  state.token, state.again = argument.token, nil
  keep_state(id, state)
  redis.call('ZADD', due, now + argument.lease_ms, id)
  for _, value in ipairs({id, record, state.sent or '', state.failures or 0, state.is_slow and 1 or 0}) do
    taken[#taken + 1] = value
  end
end

-- 32 more than the quick slots are looked at, so that slow subscriptions do not hold up quick ones for long.
for _, id in ipairs(redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, room.quick + 32)) do
  local record = redis.call('HGET', subscriptions, id)
  if not record or tonumber(redis.call('ZSCORE', leases, id) or 0) <= now then
    forget(id)
  else
    local state = state_of(id)
    local kind = state.is_slow and 'slow' or 'quick'
    if room[kind] > 0 then
      room[kind] = room[kind] - 1
      take(id, record, state)
    elseif kind == 'slow' then
      redis.call('ZADD', due, now + argument.again_ms, id)
    end
  end
end
local next_due = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
return {now, tonumber(next_due or -1), unpack(taken)}
