#!lua flags=allow-oom
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local notice = redis.call('HGETALL', KEYS[1])
for i = 1, #notice, 2 do
  if notice[i] ~= 'at' and tonumber(notice[i + 1]) <= now then redis.call('HDEL', KEYS[1], notice[i]) end
end
redis.call('HSET', KEYS[1], ARGV[1], now + ARGV[2], 'at', now)
local kept = math.max(redis.call('PTTL', KEYS[1]), ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], kept)
redis.call('DEL', KEYS[2])
