-- POST /users: valid bodies with unique e-mail addresses, the same with a key each (MODE=keyed), or
-- one invalid body (MODE=invalid).
local threads = 0
function setup(thread) threads = threads + 1; thread:set("tid", threads) end
local mode = os.getenv("MODE") or "valid"
function init(args)
  n = 0
  run = os.time() .. "-" .. tid
  wrk.headers["Content-Type"] = "application/json"
end
request = function()
  n = n + 1
  local body = '{"email":"not-an-email","name":"","age":-5}'
  if mode == "keyed" then
    wrk.headers["Idempotency-Key"] = string.format("bench-%s-%d", run, n)
  end
  if mode ~= "invalid" then
    body = string.format('{"email":"bench-%s-%d@example.com","name":"Bench User %d","age":%d}', run, n, n, 18 + n % 60)
  end
  return wrk.format("POST", "/users", nil, body)
end
