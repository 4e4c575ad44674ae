-- The second prelude of every WebSub script: names for the shard's keys, and functions that several scripts use.
-- KEYS 1 subscriptions  2 topics  3 leases  4 due  5 states  6 requests  7 requests due  8 cursor
-- ARGV 1 JSON; what it holds, and what is returned, stands in each script.
-- Returns nothing of its own.
-- A state is {sent: digest of the feed that was last sent, failures: attempts that failed since, not_before: nothing is
-- sent earlier (ms), is_slow: the last attempt was slow, token: of the lease, again: the feed was marked during the
-- lease}. A member of topics is the feed's path, a line feed, and the subscription.
local subscriptions, topics, leases, due = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local states, requests, requests_due, cursor = KEYS[5], KEYS[6], KEYS[7], KEYS[8]

local function state_of(id) return cjson.decode(redis.call('HGET', states, id) or '{}') end
local function keep_state(id, state) redis.call('HSET', states, id, cjson.encode(state)) end
local function member_of(id, record) return cjson.decode(record).path .. '\n' .. id end

local function forget(id)
  local record = redis.call('HGET', subscriptions, id)
  if record then redis.call('ZREM', topics, member_of(id, record)) end
  redis.call('HDEL', subscriptions, id)
  redis.call('HDEL', states, id)
  redis.call('ZREM', leases, id)
  redis.call('ZREM', due, id)
end

