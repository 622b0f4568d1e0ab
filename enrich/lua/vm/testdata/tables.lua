local t = { 10, 20, 30, x = 1, ["y z"] = 2 }
print(#t, t[1], t[3], t[4], t.x, t["y z"])
t[4] = 40; t[#t + 1] = 50; print(#t); t[#t] = nil; print(#t)
table.insert(t, 1, "first"); table.insert(t, "last"); print(table.concat(t, " "))
print(table.remove(t), table.remove(t, 1), #t, table.remove({}), table.remove(t, 2), table.concat(t, " "))
local s = { 5, 2, 8, 1, 9, 3 }
table.sort(s); print(table.concat(s, " ")); table.sort(s, function(a, b) return a > b end); print(table.concat(s, " "))
local names = { "pear", "apple", "fig" }; table.sort(names); print(unpack(names))
print(unpack({ 1, 2, 3 }, 2), unpack({ 1, 2, 3 }, 2, 3), select("#", unpack({}, 1, 3)), table.maxn({ [5] = 1, [2] = 2 }), table.maxn({}))
local count, sum = 0, 0
for k, v in pairs({ 1, 2, 3, a = 4, b = 5 }) do count = count + 1; sum = sum + v end
print(count, sum)
for i, v in ipairs({ 1, 2, nil, 4 }) do print(i, v) end
local h = {} for i = 1, 100 do h["k" .. i] = i end
for k in pairs(h) do h[k] = nil end print(next(h))
local q = {} for i = 1, 50 do q[i] = i end for i = 50, 11, -1 do q[i] = nil end print(#q) for i = 1, 5 do table.remove(q, 1) end print(#q, q[1])
local back = {} for i = 10, 1, -1 do back[i] = i end print(#back, table.concat(back, ","))
print(rawequal(t, t), rawequal({}, {}), rawget(t, "x"), rawset(t, "x", 9) == t, t.x, next({}), type(next))
print(pcall(function() t[nil] = 1 end)); print(pcall(function() t[0 / 0] = 1 end)); print(t[nil])
local nested = { { name = "a" }, { name = "b", list = { 1, { 2 } } } } print(nested[2].list[2][1], #nested, nested[1].list)
local f = { [1] = "a", [2] = "b", [3.5] = "c", [true] = "d", [-1] = "e" } print(#f, f[3.5], f[true], f[-1], f[1.0])
local z = {} z[0] = "zero" z[-0] = "same" print(z[0], #z)
local big = {} for i = 1, 1000 do big[i] = i * 2 end print(#big, big[1000]) for i = 1, 1000 do big[i] = nil end print(#big, next(big))
local sparse = { [1] = 1, [2] = 2, [4] = 4 } sparse[3] = 3 print(#sparse)
print(#{ n = 1 }, #{ 1, 2, 3, n = 4 }, #{ unpack({ 1, 2, 3 }) }, #{ (unpack({ 1, 2, 3 })) }, #{ unpack({ 1, 2 }), 5 })
