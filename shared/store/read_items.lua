-- Read fields of many hashes: as a command of its own, each would cost its sender ten times as much.
-- KEYS the hashes
-- ARGV 1 JSON: fields
-- Returns for each hash its fields' values.
local fields = argument.fields
local rows = {}
for place, key in ipairs(KEYS) do rows[place] = redis.call('HMGET', key, unpack(fields)) end
return rows
