-- Put a dead letter's event back at the end of its stream, once, whoever calls.
-- KEYS 1 stream  2 dead letters
-- ARGV 1 JSON: letter (its id)
-- Returns 1, or 0 where there is no such letter of this stream, or nothing of its event was kept.
local id = argument.letter
local found = redis.call('XRANGE', KEYS[2], id, id)
if #found == 0 then return 0 end
local letter = {}
for place = 1, #found[1][2], 2 do letter[found[1][2][place]] = found[1][2][place + 1] end
local fields = cjson.decode(letter.fields or '[]')
if letter.stream ~= KEYS[1] or #fields == 0 then return 0 end
-- Only an entry that is marked may be announced again.
fields[#fields + 1], fields[#fields + 2] = 'replay', '1'
redis.call('XADD', KEYS[1], '*', unpack(fields))
redis.call('XDEL', KEYS[2], id)
return 1
