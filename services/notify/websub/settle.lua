-- Settle an attempt; what the token no longer holds is left alone, so a late settle does nothing.
-- KEYS[9] attempts
-- ARGV[1] subscription  ARGV[2] token  ARGV[3] verdict: done, retry, ended
-- ARGV[4] wait in ms (retry)  ARGV[5] ms from now in which it is sent nothing more  ARGV[6] failures since
-- ARGV[7] digest of what it was sent ('' for nothing)  ARGV[8] is it slow ('' for not known)
-- ARGV[9] the attempt ('' for none)  ARGV[10] attempts to keep  ARGV[11] how long to keep them, ms
-- Returns 1, or 0 if nothing was done.
local id, verdict = ARGV[1], ARGV[3]
local state = state_of(id)
if state.token ~= ARGV[2] then return 0 end
if ARGV[9] ~= '' then
  redis.call('XADD', KEYS[9], 'MAXLEN', ARGV[10], '*', 'attempt', ARGV[9])
  redis.call('PEXPIRE', KEYS[9], ARGV[11])
end
if verdict == 'ended' then
  forget(id)
  return 1
end
local again = state.again
state.token, state.again = nil, nil
state.not_before = math.max(state.not_before or 0, now + ARGV[5])
state.failures = ARGV[6] ~= '0' and not again and tonumber(ARGV[6]) or nil
if ARGV[7] ~= '' then state.sent = ARGV[7] end
if ARGV[8] ~= '' then state.is_slow = ARGV[8] == '1' or nil end
keep_state(id, state)
if again then
  redis.call('ZADD', due, state.not_before, id)
elseif verdict == 'retry' then
  redis.call('ZADD', due, now + ARGV[4], id)
else
  redis.call('ZREM', due, id)
end
return 1
