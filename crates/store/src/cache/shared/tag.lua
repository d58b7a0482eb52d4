local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local age = -1
local notice = redis.call('HGETALL', KEYS[1])
for i = 1, #notice, 2 do
  local moment = tonumber(notice[i + 1])
  if notice[i] == 'at' then
    age = math.max(now - moment, 0)
  elseif moment > now then
    return {'', 0}
  end
end
local id = redis.call('GET', KEYS[2])
if id then
  redis.call('PEXPIRE', KEYS[2], math.max(redis.call('PTTL', KEYS[2]), ARGV[2]))
  return {id, age}
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {ARGV[1], age}
