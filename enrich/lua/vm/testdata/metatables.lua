local mt = { __index = function(t, k) return k .. "!" end, __call = function(self, a, b) return a, b, "called" end, __add = function(a, b) return "add" end, __sub = function() return "sub" end,
  __mul = function() return "mul" end, __div = function() return "div" end, __mod = function() return "mod" end, __pow = function() return "pow" end, __unm = function() return "neg" end,
  __tostring = function() return "tostring" end, __concat = function(a, b) return "cat" end, __eq = function() return true end, __lt = function() return true end, __le = function() return false end }
local a, b = setmetatable({}, mt), setmetatable({}, mt)
print(a.foo, a(1, 2), a + 1, 1 + a, a - b, a * 2, a / 2, a % 2, a ^ 2, -a, tostring(a), a .. "x", "x" .. a, 1 .. a, a == b, a ~= b, a < b, a <= b, a > b, a >= b, rawequal(a, b), a == 1)
print(rawget(a, "foo"), #a, getmetatable(a) == mt, getmetatable("x").__index == string, getmetatable(1))
local log = {} local p = setmetatable({}, { __newindex = function(t, k, v) rawset(t, k, v * 2) log[#log + 1] = k end }) p.x = 5 p.x = 6 print(p.x, #log)
local base = { greet = function() return "hi" end } base.__index = base local derived = setmetatable({}, base) derived.__index = derived local o = setmetatable({}, derived) print(o.greet(), o.missing)
print(getmetatable(setmetatable({}, { __metatable = "locked" })), pcall(function() setmetatable(setmetatable({}, { __metatable = 1 }), {}) end))
local store = {} local proxy = setmetatable({}, { __index = store, __newindex = store }) proxy.a = 1 print(rawget(proxy, "a"), store.a, proxy.a)
local default = setmetatable({}, { __index = function() return 0 end }) default.n = default.n + 1 print(default.n)
print(tostring(setmetatable({}, { __tostring = function() return "custom" end })), pcall(tostring, setmetatable({}, { __tostring = function() return 1 end })) ~= nil)
local le = setmetatable({}, { __lt = function() return true end }) print(pcall(function() return le <= le end))
local c = setmetatable({}, { __call = function(_, n) return n * 2 end }) print(c(21), pcall(c, 4)) print((";"):rep(3, c and ","))
