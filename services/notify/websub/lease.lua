-- Put subscriptions that are due into one worker's hand, and end those whose lease is over.
-- KEYS see keys.lua
-- ARGV 1 JSON: token, lease_ms, quick and slow (most quick and slow ones to take), again_ms (when a slow one is looked
--      at again for which there is no room)
-- Returns {now, when the next one is due or -1, then five for each: subscription, record, sent, failures, is it slow}.
-- One that a worker was lost with is due again when its time in hand is over, and that counts as a failure.
for _, id in ipairs(redis.call('ZRANGE', leases, '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)) do forget(id) end

local room = {quick = argument.quick, slow = argument.slow}
local taken = {}

local function take(id, record, state)
  if state.token then state.failures = (state.failures or 0) + 1 end
  -- What is marked up to now is seen by this attempt: it reads the feed later.
  state.token, state.again = argument.token, nil
  keep_state(id, state)
  redis.call('ZADD', due, now + argument.lease_ms, id)
  for _, value in ipairs({id, record, state.sent or '', state.failures or 0, state.is_slow and 1 or 0}) do
    taken[#taken + 1] = value
  end
end

-- Some more are looked at than there is room for quick ones, so that slow ones do not stand before them for long.
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
