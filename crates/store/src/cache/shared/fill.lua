local state = redis.call('HMGET', KEYS[1], 'epoch', 'run', 'lease')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if state[1] ~= ARGV[1] or state[2] ~= run or state[3] ~= ARGV[2] then return 0 end
if ARGV[4] == '0' then return redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'value', ARGV[3], 'tags', ARGV[5])
redis.call('HDEL', KEYS[1], 'lease')
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
