-- Take back a revision that cannot be rendered: `public` goes back to the shown revision, and no list moves.
-- KEYS 1 item  2 unshown  3 site record  4 translation set to enter  5 translation set to leave
-- ARGV 1 JSON: {id, number, expected, reason, edition, decided, enter, leave}
--      number    the revision that cannot be rendered; the shown one where another edition could render it
--      expected  the revision that the caller saw as shown
--      decided   fields {name, value, ...} of the item with the shown revision as its public one
--      enter, leave  languages in the translation sets, where the revisions differ in them
-- Returns 1, or 0 where the item has moved on since the caller saw it, or -1 where another edition is current.
local veto = argument
if tonumber(redis.call('HGET', KEYS[3], 'number') or '0') ~= veto.edition then return -1 end
local shown = shown_of(KEYS[1])
local public, unrenderable = unpack(redis.call('HMGET', KEYS[1], 'public', 'unrenderable'))
if not shown or tonumber(shown) ~= veto.expected or tonumber(public) > math.max(veto.number, veto.expected) then
  return 0
end

if tonumber(public) == veto.number and veto.number > veto.expected then
  redis.call('HSET', KEYS[1], 'public', veto.expected, unpack(veto.decided))
  if veto.leave and redis.call('HGET', KEYS[5], veto.leave) == veto.id then redis.call('HDEL', KEYS[5], veto.leave) end
  if veto.enter then redis.call('HSETNX', KEYS[4], veto.enter, veto.id) end
end
if tonumber(unrenderable or '0') <= veto.number then
  redis.call('HSET', KEYS[1], 'unrenderable', veto.number, 'unrenderable_reason', veto.reason,
    'unrenderable_edition', veto.edition)
end
redis.call('ZADD', KEYS[2], string.format('-%.0f', now), veto.id)
return 1
