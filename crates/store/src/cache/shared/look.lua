local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local notice = redis.call('HGETALL', KEYS[1])
for i = 1, #notice, 2 do
  if notice[i] ~= 'at' and tonumber(notice[i + 1]) > now then return {'closed'} end
end
if ARGV[1] == '' then return {'load'} end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local state = redis.call('HMGET', KEYS[2], 'epoch', 'run', 'value', 'tags', 'lease')
local left = redis.call('PTTL', KEYS[2])
if state[1] == ARGV[1] and state[2] == run and left > 0 then
  if state[3] then return {'value', state[3], left, state[4]} end
  if state[5] then return {'busy'} end
end
redis.call('HSET', KEYS[2], 'epoch', ARGV[1], 'run', run, 'lease', ARGV[2])
redis.call('HDEL', KEYS[2], 'value', 'tags')
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return {'load'}
