print(#"abc", #"a\0b", "a\tb\\n\65\x41\z
       next")
print([[
first line is skipped]], [==[with ]] inside]==], "caf\u{e9}")
print(("abc"):upper(), ("ABC"):lower(), ("abc"):rep(3), ("abc"):rep(2, "-"), ("abc"):rep(0), ("abc"):rep(-1), ("abc"):reverse(), ("abc"):len())
print(("hello"):sub(2, 3), ("hello"):sub(-3), ("hello"):sub(2), ("hello"):sub(0), ("hello"):sub(10), ("hello"):sub(-100, 2), ("hello"):sub(3, 2), ("hello"):sub(2, -2))
print(("hello"):byte(), ("hello"):byte(2), ("hello"):byte(1, -1), ("hello"):byte(10), string.char(72, 105), string.char())
print(("hello world"):find("o w"), ("hello"):find("l"), ("hello"):find("xyz"), ("hello"):find(""), ("hello"):find("", 10), ("hello"):find("", 6), ("a.b"):find(".", 1, true), ("a+b"):find("+", 1, true), ("hello"):find("l", -2))
print(("key = value"):match("^(%w+)%s*=%s*(%w+)$"), ("2024-01-02"):match("(%d+)-(%d+)-(%d+)"), ("hello"):match("l+"), ("hello"):match("()ll()"), ("x"):match("y"))
print(("hello world"):gsub("o", "0"), ("hello world"):gsub("(%w+)", "<%1>"), ("abc"):gsub("", "-"), ("hello"):gsub("l", { l = "L" }), ("hello"):gsub(".", function(c) if c == "l" then return "1" end end), ("hello"):gsub("l", "x", 1))
print(("a,b,,c"):gsub(",", ";"), ("abc"):gsub("%w", "%0%0"), ("abc def"):gsub("%f[%w]%w+", string.upper), ("f(a(b)c)d"):match("%b()"), ("  trim  "):gsub("^%s+", ""), ("x = 1"):gsub("%s*=%s*", "="))
print(("THE (quick) fox"):find("%((%a+)%)"), ("[[x]]"):find("%[%[.-%]%]"), ("a-b_c"):gsub("[-_]", "."), ("a]b"):find("[]]"), ("a^b"):find("[%^]"), ("abc"):find("[^a]"), ("a1b2"):gsub("[^%d]", ""))
print(("aaa"):match("a-"), ("aaa"):match("a-$"), ("aab"):match("a*b"), ("b"):match("a?b"), ("abab"):match("(ab)%1"), ("\0a"):find("%z"), ("one;two"):match("^(.-);(.*)$"))
for k, v in ("a=1, b=2"):gmatch("(%w+)=(%w+)") do print(k, v) end
for w in ("one two  three"):gmatch("%S+") do print(w) end
for p in ("abc"):gmatch("()") do print(p) end
for _, class in ipairs({ "a", "c", "d", "l", "p", "s", "u", "w", "x" }) do
  local n = 0
  for i = 0, 127 do if string.char(i):find("%" .. class) then n = n + 1 end end
  print(class, n)
end
for _, call in ipairs({ { "[a" }, { "%" }, { "(" }, { "(a))" }, { "%1" }, { "%b" }, { "%f" }, { "[" }, { "[^" }, { "[%" } }) do print(call[1], (pcall(string.find, "a", call[1]))) end
print(pcall(function() string.rep() end), pcall(function() string.format("%d", "x") end), pcall(function() string.format("%d") end))
print(("x"):format(), ("%s=%s"):format("a", 1), tostring(nil), tostring(true), tostring(12), #tostring(print) > 0)
print(("%d items"):format(3.0), ("%5.2f%%"):format(99.5), ("test123"):find("%d+"), ("  x "):match("^%s*(.-)%s*$") .. "|")
print(table.concat({ 1, 2, 3 }, ", "), table.concat({}, ","), table.concat({ "a", "b", "c" }, "", 2), table.concat({ "a", "b", "c" }, "-", 1, 2), pcall(function() table.concat({ {} }) end))
