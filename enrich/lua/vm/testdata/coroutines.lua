local co = coroutine.create(function(a, b) print("start", a, b) local c = coroutine.yield(a + b) print("got", c) local d, e = coroutine.yield(c * 2) print(d, e) return "done", 1 end)
print(coroutine.status(co), coroutine.resume(co, 1, 2)) print(coroutine.status(co), coroutine.resume(co, 10)) print(coroutine.resume(co, "x", "y")) print(coroutine.status(co), coroutine.resume(co))
local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) print(gen(), gen(), gen(), gen()) print(pcall(gen))
local bad = coroutine.create(function() error("inside") end) print(coroutine.resume(bad)) print(coroutine.status(bad))
print(pcall(coroutine.wrap(function() error({ 1 }) end)) == false, coroutine.running() == nil)
local outer = coroutine.wrap(function() local inner = coroutine.wrap(function() coroutine.yield("inner 1") coroutine.yield("inner 2") end) coroutine.yield(inner()) coroutine.yield("outer") coroutine.yield(inner()) end) print(outer(), outer(), outer())
local p = coroutine.wrap(function() print(pcall(function() coroutine.yield("in pcall") error("after") end)) return "end" end) print(p()) print(p())
local self self = coroutine.create(function() print(coroutine.resume(self)) print(coroutine.status(self)) end) coroutine.resume(self)
local function permgen(a, n) if n <= 1 then coroutine.yield(a) else for i = 1, n do a[n], a[i] = a[i], a[n] permgen(a, n - 1) a[n], a[i] = a[i], a[n] end end end
for p in coroutine.wrap(function() permgen({ 1, 2, 3 }, 3) end) do print(unpack(p)) end
