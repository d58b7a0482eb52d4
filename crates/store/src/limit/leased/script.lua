-- One key's window, shared by all processes: 61 counters in a hash, one for each sub-bucket that may
-- lie partly in the window, under their number modulo 61; `n` the latest time seen, `u` the sum of the
-- counters, `b` when the hash was made, which tells it from one that was lost. Times are
-- microseconds of this server's clock and `o`, what the clock has been set back by since: they never
-- go back, and go on when the clock does. A grant is charged to the sub-bucket that is now, and good
-- until that ends. A counter leaves the sum when its sub-bucket lies wholly outside of the window.
--
-- KEYS: the hash. ARGV: width of a sub-bucket; quota; units that the asker needs; units it has use
-- for at once; units it expects to need in a whole sub-bucket; the divisor of what is left that
-- bounds a grant beyond that; the hash it knows; the sub-bucket it hands units back to, and how many;
-- what it has admitted on its own; what it has admitted in a window.
--
-- Answer: units granted; their sub-bucket; time until that ends; units left; time until the asker may
-- have what it needs, 0 if it has; `b`; the clock.
local SLOTS = 61
local key = KEYS[1]
local width, quota, need = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local waiting, expected, divisor = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local known, back_to, back = ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
local alone, recent = tonumber(ARGV[10]), tonumber(ARGV[11])

local time = redis.call('TIME')
local clock = time[1] * 1000000 + time[2]
local stored = redis.call('HMGET', key, 'n', 'u', 'b', 'o')
local offset, used, born = 0, 0, string.format('%.0f', clock)
if stored[1] then
    -- Nobody knows how long ago a clock was set back, so no time has passed since.
    offset = math.max(tonumber(stored[4]), tonumber(stored[1]) - clock)
    used, born = tonumber(stored[2]), stored[3]
end
local now = clock + offset
local bucket = math.floor(now / width)

if stored[1] then
    local head = math.floor(tonumber(stored[1]) / width)
    local gone = {}
    for passed = head + 1, math.min(bucket, head + SLOTS) do
        gone[#gone + 1] = passed % SLOTS
    end
    if #gone > 0 then
        for _, count in ipairs(redis.call('HMGET', key, unpack(gone))) do
            used = used - (tonumber(count) or 0)
        end
        redis.call('HDEL', key, unpack(gone))
    end
    if born == known and back > 0 and back_to > bucket - SLOTS and back_to <= bucket then
        local slot = back_to % SLOTS
        back = math.min(back, tonumber(redis.call('HGET', key, slot)) or 0)
        redis.call('HINCRBY', key, slot, 0 - back)
        used = used - back
    end
end

-- Whoever knows another hash, and has admitted since, tells this one of all of it.
local charged = alone
if born ~= known then charged = recent end
used = used + charged

local left = math.max(quota - used, 0)
local ends = (bucket + 1) * width - now
local granted = 0
if left >= need then
    local more = math.min(math.ceil(expected * ends / width), math.floor(left / divisor))
    granted = math.min(left, math.max(waiting, more, need))
end
used, left = used + granted, left - granted
if charged + granted > 0 then
    redis.call('HINCRBY', key, bucket % SLOTS, charged + granted)
end
redis.call('HSET', key, 'n', now, 'u', used, 'b', born, 'o', offset)
redis.call('PEXPIRE', key, math.ceil((SLOTS + 1) * width / 1000))

local wait = 0
if granted < need or left == 0 then
    local missing = (granted < need and need or 1) - (quota - used)
    local slots = {}
    for age = SLOTS - 1, 0, -1 do slots[#slots + 1] = (bucket - age) % SLOTS end
    local released = 0
    for index, count in ipairs(redis.call('HMGET', key, unpack(slots))) do
        released = released + (tonumber(count) or 0)
        if released >= missing then
            -- The first of them leaves with the end of this sub-bucket.
            wait = ends + (index - 1) * width
            break
        end
    end
end
return {granted, bucket, ends, left, wait, born, string.format('%.0f', clock)}
