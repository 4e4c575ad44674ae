-- Write one revision of an item: the item, its revision, path, translation set, indexes and event, in one step.
-- KEYS 1 item  2 revisions  3 paths  4 scheduled  5 items stream  6 translation set to enter  7 translation set to
--      leave  8 audit stream  9.. the indexes that `ops` name by their place in KEYS
-- ARGV 1 JSON:
--      item_id, write_id, expected ("latest:public:state" as the caller saw it; "": no such item),
--      fields {name, value, ...}, number and document (the revision), path, enter, leave (languages), publish_at (ms),
--      event {name, value, ...}, audit {name, value, ...}, ops { {op, key, ...}, ... }
-- ops: {'touch', key}   note when the listing changed
--      {'add', key, score}   {'remove', key}
--      {'number', key, listing key, month field}     give the item its number in that month, once
--      {'unnumber', key, listing, kind, month}       take it back; the event tells which place became free
--      {'bury', key, score}                          keep a tombstone, and throw away those that nobody needs any more
-- Returns {status, event's stream id}: 'written'; or nothing was written and the status says why: 'moved' (someone else
-- wrote the item meanwhile), 'path' or 'translation' (taken by another item). Sent twice, it writes once.
local MOST_TOMBSTONES = 100
local TOMBSTONES_KEPT_MS = 90 * 86400 * 1000
-- About 100 bytes each.
local AUDIT_KEPT = 1000000

local write = argument
local id = write.item_id
local latest, public, state, write_id, write_event =
  unpack(redis.call('HMGET', KEYS[1], 'latest', 'public', 'state', 'write_id', 'write_event'))
if write_id == write.write_id then return {'written', write_event or ''} end
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
local left = {}
for _, op in ipairs(write.ops) do
  local kind, key = op[1], KEYS[op[2]]
  if kind == 'touch' then
    redis.call('HSET', key, 'changed', now)
  elseif kind == 'add' then
    redis.call('ZADD', key, op[3], id)
  elseif kind == 'remove' then
    redis.call('ZREM', key, id)
  elseif kind == 'number' then
    if not redis.call('ZSCORE', key, id) then
      redis.call('ZADD', key, redis.call('HINCRBY', KEYS[op[3]], op[4], 1), id)
    end
  elseif kind == 'bury' then
    redis.call('ZADD', key, op[3], id)
    redis.call('ZREMRANGEBYRANK', key, 0, -1 - MOST_TOMBSTONES)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('(%.0f', tonumber(now) - TOMBSTONES_KEPT_MS))
  else
    local number = redis.call('ZSCORE', key, id)
    if number then
      redis.call('ZREM', key, id)
      left[#left + 1] = {listing = op[3], kind = op[4], month = op[5], number = tonumber(number)}
    end
  end
end

-- What is left by a write that makes no event stays with the item, and its next event tells of it.
for _, place in ipairs(cjson.decode(redis.call('HGET', KEYS[1], 'vacated') or '[]')) do left[#left + 1] = place end
local vacated = #left > 0 and cjson.encode(left) or '[]'

local event = ''
if #write.event > 0 then
  local fields = write.event
  fields[#fields + 1] = 'left'
  fields[#fields + 1] = vacated
  event = redis.call('XADD', KEYS[5], '*', unpack(fields))
  vacated = '[]'
end
if #write.audit > 0 then redis.call('XADD', KEYS[8], 'MAXLEN', '~', AUDIT_KEPT, '*', unpack(write.audit)) end
redis.call('HSET', KEYS[1], 'write_id', write.write_id, 'write_event', event, 'vacated', vacated, unpack(write.fields))
return {'written', event}
