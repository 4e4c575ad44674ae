-- The beginning of every script: what it is called with, and the time.
-- KEYS stand in each script
-- ARGV 1 JSON; what it holds stands in each script
-- Returns nothing of its own. `argument` is the JSON, `now` the store's time (ms), a whole number.
local argument = cjson.decode(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

