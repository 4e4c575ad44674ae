-- Mark the subscriptions to these feeds as due, and move the cursor past the entries that name the feeds: both or
-- neither. A subscription that waits for its next attempt is due at once, or a second after its last attempt.
-- KEYS see keys.lua
-- ARGV 1 JSON: seen and after (the cursor before and after this step; left out for marks that come from no entry:
--      they do not shorten the wait for a next attempt), paths
-- Returns how many were marked; or -1 if the cursor has moved, and nothing was written.
local from_log = argument.seen ~= nil
if from_log then
  if (redis.call('GET', cursor) or '0-0') ~= argument.seen then return -1 end
  redis.call('SET', cursor, argument.after)
end
local marked = 0
for _, path in ipairs(argument.paths) do
  for _, member in ipairs(redis.call('ZRANGE', topics, '[' .. path .. '\n', '(' .. path .. '\v', 'BYLEX')) do
    local id = string.sub(member, #path + 2)
    local state = state_of(id)
    if state.token then
      state.again = true
      keep_state(id, state)
    elseif from_log then
      redis.call('ZADD', due, 'LT', math.max(now, state.not_before or 0), id)
      if state.failures then
        state.failures = nil
        keep_state(id, state)
      end
    else
      redis.call('ZADD', due, 'NX', math.max(now, state.not_before or 0), id)
    end
    marked = marked + 1
  end
end
return marked
