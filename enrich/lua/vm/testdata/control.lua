local s = 0
for i = 1, 10 do if i % 2 == 0 then goto continue end s = s + i ::continue:: end print(s)
local i = 0 while true do i = i + 1 if i > 5 then break end end print(i)
repeat local done = i > 10; i = i + 1 until done print(i)
for a = 1, 3 do for b = 1, 3 do if b == 2 then goto outer end io = print(a, b) end ::outer:: end
do local n = 0 ::top:: n = n + 1 if n < 3 then goto top end print(n) end
local function va(...) local a, b = ... return select("#", ...), a, b, ... end
print(va()) print(va(1)) print(va(1, nil, 3)) print((va(1, 2)))
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end print(fib(15))
local fs = {} for n = 1, 3 do fs[n] = function() n = n + 1 return n end end print(fs[1](), fs[1](), fs[2](), fs[3]())
local function counter() local c = 0 return function() c = c + 1 return c end, function() return c end end
local inc, get = counter() inc() inc() print(get())
local x, y, z = 1, 2 print(x, y, z) x, y = y, x print(x, y) local t = { 1, 2 } t[1], t[2] = t[2], t[1] print(t[1], t[2])
local n = 1 n, t[n] = 2, "set" print(n, t[1], t[2])
print(nil and 1, false or 2, 1 and 2, nil or false, not nil, not 0, 1 and nil, false == nil, "" and "empty is true")
print(1 < 2 == true, "a" .. "b" == "ab", not 1 == 2, 2 ^ 3 ^ 2, -2 ^ 2, 1 + 2 * 3 - 4 / 2, (1 + 2) * 3, 7 - 3 - 2, "a" .. 1 + 2)
local obj = { v = 1 } function obj:get(d) return self.v + (d or 0) end function obj.new(v) return setmetatable({ v = v }, { __index = obj }) end
print(obj:get(), obj:get(5), obj.new(7):get(1), obj.get({ v = 3 }))
if x == 1 then print("one") elseif x == 2 then print("two") else print("other") end
print(type(print), type(nil), type({}), type("x"), type(2), type(true), type(coroutine.create(print)))
local env = setmetatable({}, { __index = _G }) local fn = loadstring("y_global = 5 return y_global") setfenv(fn, env) print(fn(), env.y_global, rawget(_G, "y_global"))
print(load("return 1 + 1")(), loadstring("return ..."  )(7), loadstring("x ="))
local function ret() return 1, 2, 3 end local a, b, c, d = ret() print(a, b, c, d) a, b = (ret()) print(a, b) print(ret(), ret())
