-- Keep the wish that an item be erased, with the revision that it is for; a wish that stands already stays as it is.
-- KEYS 1 item  2 erasures
-- ARGV 1 JSON: item_id, actor, trace_id, if_match (the newest revision as the sender saw it, or absent)
-- Returns the newest revision that the item had when the wish was made; nothing where there is no such item. No wish is
-- kept where the sender saw another one.
local wish = argument
local latest = redis.call('HGET', KEYS[1], 'latest')
if not latest then return false end
local kept = redis.call('HGET', KEYS[2], wish.item_id)
if kept then return tostring(cjson.decode(kept).revision or latest) end
if wish.if_match and wish.if_match ~= latest then return latest end
redis.call('HSET', KEYS[2], wish.item_id, cjson.encode({
  actor = wish.actor, trace_id = wish.trace_id, revision = tonumber(latest),
}))
return latest
