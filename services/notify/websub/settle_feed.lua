-- Settle an attempt. If the token differs nothing is done, so a late settle changes nothing.
-- KEYS see keys.lua  9 attempts
-- ARGV 1 JSON: subscription, token, verdict (done, retry, ended), wait_ms (retry), spacing_ms (in which nothing
--      more is sent), failures (since the last success), digest (of the feed that was sent, or ''), is_slow (left out
--      if it is not known), attempt ('' for none), attempts_kept, attempts_kept_ms
-- Returns 1, or 0 if nothing was done.
local id, verdict = argument.subscription, argument.verdict
local state = state_of(id)
if state.token ~= argument.token then return 0 end
if argument.attempt ~= '' then
  redis.call('XADD', KEYS[9], 'MAXLEN', argument.attempts_kept, '*', 'attempt', argument.attempt)
  redis.call('PEXPIRE', KEYS[9], argument.attempts_kept_ms)
end
if verdict == 'ended' then
  forget(id)
  return 1
end
local again = state.again
state.token, state.again = nil, nil
state.not_before = math.max(state.not_before or 0, now + argument.spacing_ms)
state.failures = argument.failures > 0 and not again and argument.failures or nil
if argument.digest ~= '' then state.sent = argument.digest end
if argument.is_slow ~= nil then state.is_slow = argument.is_slow or nil end
keep_state(id, state)
if again then
  redis.call('ZADD', due, state.not_before, id)
elseif verdict == 'retry' then
  redis.call('ZADD', due, now + argument.wait_ms, id)
else
  redis.call('ZREM', due, id)
end
return 1
