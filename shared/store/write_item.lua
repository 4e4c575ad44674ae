-- Accept one revision of an item: the item, its revision, reserved path, translation set and event, in one step.
-- KEYS 1 item  2 revisions  3 paths  4 scheduled  5 items stream  6 translation set to enter  7 translation set to
--      leave  8 audit stream  9 unshown  10 erasures  11 history
-- ARGV 1 JSON:
--      item_id, write_id, expected ("latest:public:state" as the caller saw it; "": no such item),
--      fields {name, value, ...}, number and document (the revision), path, enter, leave (languages), publish_at (ms),
--      event {name, value, ...}, epoch (that the event's id carries), audit {name, value, ...}, erases (whether the
--      write is an erasure's own)
-- Returns {status, event's stream id}: 'written'; or nothing was written and the status says why: 'moved' (someone else
-- wrote the item meanwhile, or another epoch has begun), 'path' or 'translation' (taken by another item), 'erasing' (the
-- item is being erased, and takes no revision but the erasure's own). Sent twice, it writes once.
-- About 100 bytes each.
local AUDIT_KEPT = 1000000

local write = argument
local id = write.item_id
local latest, public, state, write_id, write_event =
  unpack(redis.call('HMGET', KEYS[1], 'latest', 'public', 'state', 'write_id', 'write_event'))
if write_id == write.write_id then return {'written', write_event or ''} end
if write.document and not write.erases and redis.call('HEXISTS', KEYS[10], id) == 1 then return {'erasing', ''} end
if write.epoch and write.epoch ~= (redis.call('HGET', KEYS[11], 'epoch') or '0') then return {'moved', ''} end
if (latest and latest .. ':' .. public .. ':' .. state or '') ~= write.expected then return {'moved', ''} end
if write.path then
  local owner = redis.call('HGET', KEYS[3], write.path)
  if owner and owner ~= id then return {'path', ''} end
end
if write.enter then
  local member = redis.call('HGET', KEYS[6], write.enter)
  if member and member ~= id then return {'translation', ''} end
end

if write.leave and redis.call('HGET', KEYS[7], write.leave) == id then redis.call('HDEL', KEYS[7], write.leave) end
if write.enter then redis.call('HSET', KEYS[6], write.enter, id) end
if write.path then redis.call('HSET', KEYS[3], write.path, id) end
if write.document then redis.call('HSET', KEYS[2], write.number, write.document) end
if write.publish_at then redis.call('ZADD', KEYS[4], write.publish_at, id) else redis.call('ZREM', KEYS[4], id) end

now = string.format('%.0f', now)
if not shown_of(KEYS[1]) then redis.call('HSET', KEYS[1], 'shown', '0') end
redis.call('HDEL', KEYS[1], 'vacated')
-- What waits longest tells the age of the backlog.
local event = ''
if #write.event > 0 then
  event = redis.call('XADD', KEYS[5], '*', unpack(write.event))
  local since = redis.call('ZSCORE', KEYS[9], id)
  if not since or tonumber(since) < 0 then redis.call('ZADD', KEYS[9], now, id) end
end
if #write.audit > 0 then redis.call('XADD', KEYS[8], 'MAXLEN', '~', AUDIT_KEPT, '*', unpack(write.audit)) end
redis.call('HSET', KEYS[1], 'write_id', write.write_id, 'write_event', event, unpack(write.fields))
return {'written', event}
