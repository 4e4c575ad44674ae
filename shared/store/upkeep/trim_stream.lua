-- Remove the oldest entries of a stream that nobody needs any more.
-- KEYS 1 stream  2 hash: stream name -> id of the last entry trimmed (the server does not tell it afterwards)
--      3 hash: stream name and group name -> id up to which the group has acknowledged every entry
-- ARGV 1 JSON: most (entries to remove), keep_ms (age below which an entry is kept), floor (remove no entry after this
--      id; '+': no such bound), groups (that must exist and have acknowledged)
-- Returns how many entries went; 0 while a group is missing.
local floor = argument.floor
local function parts(id) local a, b = string.match(id, '^(%d+)-(%d+)$') return tonumber(a), tonumber(b) end
local function before(x, y) local a, b = parts(x) local c, d = parts(y) return a < c or (a == c and b < d) end
local function just_before(id)
  local a, b = parts(id)
  if b > 0 then return string.format('%.0f-%.0f', a, b - 1) end
  return string.format('%.0f-18446744073709551615', a - 1)
end
local function after(id) local a, b = parts(id) return string.format('%.0f-%.0f', a, b + 1) end

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local keep_from = string.format('%.0f-0', now - argument.keep_ms)
if floor ~= '+' and before(after(floor), keep_from) then keep_from = after(floor) end

local seen = {}
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  seen[group['name']] = true
  local acknowledged, needed = group['last-delivered-id'], after(group['last-delivered-id'])
  if group['pending'] > 0 then
    needed = redis.call('XPENDING', KEYS[1], group['name'])[2]
    acknowledged = just_before(needed)
  end
  local field = KEYS[1] .. ' ' .. group['name']
  if redis.call('HGET', KEYS[3], field) ~= acknowledged then redis.call('HSET', KEYS[3], field, acknowledged) end
  if before(needed, keep_from) then keep_from = needed end
end
for _, group in ipairs(argument.groups) do if not seen[group] then return 0 end end

local going = redis.call('XRANGE', KEYS[1], '-', '(' .. keep_from, 'COUNT', argument.most)
if #going == 0 then return 0 end
local last = going[#going][1]
redis.call('HSET', KEYS[2], KEYS[1], last)
return redis.call('XTRIM', KEYS[1], 'MINID', '=', after(last))
