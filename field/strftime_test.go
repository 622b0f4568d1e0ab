package field

import (
	"testing"
	"time"
)

func TestStrftimeWritesWhatItDoesElsewhere(t *testing.T) {
	at := time.Date(2026, 1, 4, 5, 6, 7, 89_000_000, time.UTC) // a Sunday
	for format, want := range map[string]string{
		"%Y-%m-%dT%H:%M:%S": "2026-01-04T05:06:07", "%y%j": "26004", "%e|%k|%l|%I %p%P": " 4| 5| 5|05 AMam", "%b %h %B": "Jan Jan January",
		"%a %A": "Sun Sunday", "%F %T %R %D": "2026-01-04 05:06:07 05:06 01/04/26", "%s": "1767503167", "%L %N": "089 089000000",
		"%G-%V %u %w %U %W %g": "2026-01 7 0 01 00 26", "%C": "20", "%-d.%-m.": "4.1.", "100%%": "100%", "%z %Z": "+0000 UTC", "a%n%t": "a\n\t",
		"%c": "Sun Jan  4 05:06:07 2026", "%x %X %r": "01/04/26 05:06:07 05:06:07 AM", "%+": "Sun Jan  4 05:06:07 UTC 2026", "%v": " 4-JAN-2026",
		"%3N %6N %9N %1L %12N": "089 089000 089000000 0 089000000000", "%_d|%_m|%0e|%-H|%-j": " 4| 1|04|5|4", "%5Y|%_5Y|%4d": "02026| 2026|0004",
		"%^a %^B %#p %#Z %#b": "SUN JANUARY am utc JAN", "%10a|%010a": "       Sun|0000000Sun", "%Od %EY": "04 2026", "%:z %::z": "+00:00 +00:00:00",
		"%-D": "1/04/26", "": "",
	} {
		f, err := ParseStrftime(format)
		if err != nil {
			t.Errorf("%s: %v", format, err)
		} else if got := string(f.Append(nil, at)); got != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
	f, _ := ParseStrftime("%H %z %:z %Z")
	if got := string(f.Append(nil, at.In(time.FixedZone("IST", 19800)))); got != "10 +0530 +05:30 IST" {
		t.Error(got)
	}
	if got := (&Strftime{}).Append(nil, at); len(got) != 0 {
		t.Errorf("the zero value: %q", got)
	}
}

func TestConversionsThatAreNotKnownAreNamed(t *testing.T) {
	for format, want := range map[string]string{
		"a %Q b": `%Q in "a %Q b" is not a conversion of strftime; want %% for a percent sign`,
		"%-3Q":   `%-3Q in "%-3Q" is not a conversion of strftime; want %% for a percent sign`,
		"%:d":    `%:d in "%:d" is not a conversion of strftime; want %% for a percent sign`,
		"%100d":  `%100d in "%100d" is not a conversion of strftime; want %% for a percent sign`,
		"100%":   `"100%" ends inside a conversion; want %% for a percent sign`,
		"%_":     `"%_" ends inside a conversion; want %% for a percent sign`,
	} {
		if _, err := ParseStrftime(format); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestPeriodIsAsLongAsTheTextStays(t *testing.T) {
	for format, want := range map[string]int64{"": 86400, "%Y.%m.%d": 86400, "%Y-%H": 3600, "%-I%p": 3600, "%H%M": 60, "%R": 60, "%T": 1,
		"%c": 1, "%r": 1, "%X": 1, "%+": 1, "%3N": 1, "%v": 86400, "100%%H": 86400} {
		f, err := ParseStrftime(format)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Period(time.UTC); got != want {
			t.Errorf("%s: %d, want %d", format, got, want)
		}
		if got := f.Period(time.Local); time.Local != time.UTC && got != min(want, 900) {
			t.Errorf("%s, local time: %d, want %d", format, got, min(want, 900))
		}
	}
	if got := (&Strftime{}).Period(time.UTC); got != 86400 {
		t.Errorf("the zero value: %d", got)
	}
}

func TestWritingATimeAllocatesNothing(t *testing.T) {
	f, err := ParseStrftime("%Y-%m-%dT%H:%M:%S.%6N%:z %a %B %Z %c %s %U %-d %^a %10p")
	if err != nil {
		t.Fatal(err)
	}
	dst, at := make([]byte, 0, 256), time.Unix(1795429375, 5).UTC()
	if n := testing.AllocsPerRun(100, func() { _ = f.Append(dst, at) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzStrftime: whatever is read as a format can be written, the text stays the same for its period, and what Go's
// layouts know is written as Go writes it.
func FuzzStrftime(f *testing.F) {
	for _, s := range []string{"%Y.%m.%d", "%-d %_H %010S", "%c%r%v%+", "%:z%9N%L", "%", "%5", "%^#a", "%%n"} {
		f.Add(s, int64(1795429375))
	}
	f.Add("%G-%V %U %W %C %y", int64(-62135596801))
	f.Fuzz(func(t *testing.T, format string, sec int64) {
		if len(format) > 100 {
			return
		}
		s, err := ParseStrftime(format)
		if err != nil {
			return
		}
		sec %= 1 << 40
		at, period := time.Unix(sec, 123456789).UTC(), s.Period(time.UTC)
		got := string(s.Append(nil, at))
		begin := sec - ((sec%period)+period)%period
		for _, other := range []int64{begin, begin + period - 1} {
			if same := string(s.Append(nil, time.Unix(other, 123456789).UTC())); same != got {
				t.Errorf("%q: %q and %q within %d s", format, got, same, period)
			}
		}
		if year := at.Year(); year < 1000 || year > 9999 {
			return
		}
		for conversion, layout := range map[string]string{"%F %T": "2006-01-02 15:04:05", "%y%j%e": "06002_2", "%I:%M %p": "03:04 PM",
			"%b %B %a %A": "Jan January Mon Monday", "%D %R": "01/02/06 15:04", ".%L .%N": ".000 .000000000", "%c": "Mon Jan _2 15:04:05 2006"} {
			s, _ := ParseStrftime(conversion)
			if got, want := string(s.Append(nil, at)), at.Format(layout); got != want {
				t.Errorf("%s: %q, want %q", conversion, got, want)
			}
		}
	})
}

func BenchmarkStrftime(b *testing.B) {
	at := time.Unix(1795429375, 123456789).UTC()
	for _, format := range []string{"%Y.%m.%d", "%Y-%m-%dT%H:%M:%S.%3NZ", "%d/%b/%Y:%H:%M:%S %z"} {
		f, err := ParseStrftime(format)
		if err != nil {
			b.Fatal(err)
		}
		dst := make([]byte, 0, 64)
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = f.Append(dst, at)
			}
		})
	}
}
