print(os.date("!%Y-%m-%dT%H:%M:%SZ", 1577836800), os.date("!%a %A %b %B %d %j %p %y %U %W %w %%", 1700000000), os.date("!%c", 0), os.date("!%x %X %D %T", 86399), os.date("!%I:%M", 46800))
local t = os.date("!*t", 1700000000) print(t.year, t.month, t.day, t.hour, t.min, t.sec, t.wday, t.yday, t.isdst)
print(os.time({ year = 2020, month = 1, day = 1, hour = 0 }), os.time({ year = 2020, month = 14, day = -3 }), os.time({ year = 2000, month = 2, day = 30, hour = 25, min = 61, sec = 61 }))
print(os.difftime(10, 4), type(os.clock()), type(os.time()), os.getenv("NO_SUCH_VARIABLE"))
