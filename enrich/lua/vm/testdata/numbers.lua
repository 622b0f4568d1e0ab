print(1, 1.5, -0.0, 1e15, 1e100, 2^53, 0.1 + 0.2, 10 / 3, 1 / 0, -1 / 0, 0xff, 12345678901234, 1795430441.123456)
print(-7 % 3, 7 % -3, 2 ^ 10, 2 ^ -1, -2 ^ 2, 5 % 3.5, 1e300 * 1e10)
print("10" + 5, "0x10" * 2, "3" .. 4, 1 .. 2, -"2", 10 == "10", "abc" < "abd", "Z" < "a", "" < "a")
print(tonumber("0x10"), tonumber("  12  "), tonumber("1e2"), tonumber("abc"), tonumber(""), tonumber("1 2"), tonumber("z", 36), tonumber("ff", 16), tonumber("8", 8), tonumber("-7f", 16), tonumber(nil))
print(tonumber("inf"), tonumber("nan"), tonumber("1_000"), tonumber("0x"), tonumber(".5"), tonumber("5."), tonumber("1e"), tonumber("0x1p4"))
print(math.floor(3.7), math.floor(-3.7), math.ceil(3.2), math.max(1, 5, 3), math.min(2, -1), math.fmod(7, 3), math.fmod(-7, 3), math.huge, math.abs(-4))
print(math.modf(3.7), math.modf(-3.7), math.frexp(8), math.ldexp(0.5, 4), math.sqrt(16), math.pow(2, 3), math.log10(1000), math.log(8, 2))
print(string.format("%.14g %.3f %5.1f|%-8d|%+d|%05d|%x|%X|%o|%e|%g|%g|%i|%u", 0.1, 3.14159, 2.25, 42, 5, 42, 255, 255, 8, 12345.678, 1e20, 1e-5, 3.99, 7))
print(string.format("%5s|%-5s|%.2s|%c%c|%q|%%|%s|%s|%10.4s|", "ab", "ab", "abc", 72, 105, 'a "quoted"\n\\ text', true, nil, "abcdefgh"))
print(string.format("%d %d %x", -5, 2 ^ 31, 2 ^ 32), string.format("%s %d", "12", "13"), string.format("%.0f", 0.5), string.format("%5.3d|", 7))
print(bit.band(0xff, 0x0f), bit.bor(1, 2, 4), bit.bxor(5, 1), bit.lshift(1, 31), bit.rshift(-1, 28), bit.arshift(-16, 2), bit.tohex(255), bit.tohex(-1, 4), bit.bnot(0), bit.rol(1, 33), bit.ror(1, 1), bit.bswap(1), bit.tobit(2 ^ 32 + 5), bit.tobit(-1))
for i = 10, 1, -3 do io = i; print(i) end
for i = 1, 0 do print("never") end
for i = 0.1, 0.35, 0.1 do print(i) end
print(0 == -0, 1 / 0 == 1 / -0, 0 / 0 == 0 / 0, 1e15 + 0.5, 123456.789e3, .5, 3., 0x.8p1)
