package timefmt

import (
	"regexp"
	"testing"
	"time"

	"github.com/firelane/firelane/record"
)

func TestFormatsMeanWhatTheyMeanToStrptime(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	const at = "2026-11-23T10:40:41Z"
	for _, c := range []struct{ format, text, want string }{
		{"%Y-%m-%dT%H:%M:%S.%L%z", "2026-11-23T10:40:41.123Z", "2026-11-23T10:40:41.123Z"},
		{"%Y-%m-%dT%H:%M:%S.%L%z", "2026-11-23T11:40:41.123456789+01:00", "2026-11-23T10:40:41.123456789Z"},
		{"%Y-%m-%dT%H:%M:%S.%L%z", "2026-11-23T11:40:41.1+0100", "2026-11-23T10:40:41.1Z"},
		{"%Y-%m-%dT%H:%M:%S%z", "2026-11-23T05:10:41-0530", at},
		{"%Y-%m-%dT%H:%M:%S.%LZ", "2026-11-23T11:40:41.5Z", "2026-11-23T11:40:41.5Z"},
		{"%Y-%m-%dT%H:%M:%S.%L", "2026-11-23T11:40:41.5", "2026-11-23T10:40:41.5Z"},
		{"%Y-%m-%dT%H:%M:%S.%L", "2026-11-23T11:40:41.5Z tail", "2026-11-23T10:40:41.5Z"},
		{"%Y-%m-%d %H:%M:%S,%L", "2026-11-23 11:40:41,007", "2026-11-23T10:40:41.007Z"},
		{"%Y-%m-%d %H:%M:%S.%6N %z", "2026-11-23 10:40:41.000007 UTC", "2026-11-23T10:40:41.000007Z"},
		{"%Y-%m-%d %H:%M:%S.%3N %Z", "2026-11-23 05:40:41.007 EST", "2026-11-23T10:40:41.007Z"},
		{"%Y-%m-%d %H:%M:%S %Z", "2026-11-23 11:40:41 CET", at},
		{"%Y-%m-%d %H:%M:%S %Z", "2026-11-23 12:40:41 cest tail", at},
		{"%Y-%m-%d %H:%M:%S %Z", "2026-11-23 16:10:41 IST", at},
		{"%Y-%m-%d %H:%M:%S %Z", "2026-11-23 08:10:41 NDT", at},
		{"%a %b %d %T %Z %Y", "Mon Nov 23 19:40:41 JST 2026", at},
		{"%Y-%m-%d %H:%M:%S %Z", "2026-11-23 11:40:41 CETX", ""},
		{"%Y-%m-%d %H:%M:%S %Z", "2026-11-23 11:40:41 XYZ", ""},
		{"%Y-%m-%d %H:%M:%S %z", "2026-11-23 11:40:41 CET", ""},
		{"%FT%T.%9N%z", "2026-11-23T10:40:41.999999999Z", "2026-11-23T10:40:41.999999999Z"},
		{"%iso8601", "2026-11-23T10:40:41Z", at},
		{"%d/%b/%Y:%H:%M:%S %z", "23/Nov/2026:11:40:41 +0100", at},
		{"%b %e %H:%M:%S", "Nov  3 11:40:41", "2026-11-03T10:40:41Z"},
		{"%H:%M:%S", "11:40:41", "2026-07-01T10:40:41Z"},
		{"%A, %d-%B-%y %I:%M:%S %p", "Monday, 23-november-26 11:40:41 AM", at},
		{"%m/%d/%Y %I:%M %p", "11/23/2026 12:40 am", "2026-11-22T23:40:00Z"},
		{"%m/%d/%Y %I:%M %p", "11/23/2026 12:40 PM", "2026-11-23T11:40:00Z"},
		{"%s", "1795430441", at},
		{"%s.%L", "1795430441.25", "2026-11-23T10:40:41.25Z"},
		{"%Y%m%d%H%M%S", "20261123114041", at},
		{"%y%j", "26001", "2025-12-31T23:00:00Z"},
		{"%D %R", "11/23/26 11:40", "2026-11-23T10:40:00Z"},
		{"%c", "Mon Nov 23 11:40:41 2026", at},
		{"100%% %Y", "100% 2026", "2025-12-31T23:00:00Z"},
		{"%Y-%m-%d", "2024-02-29", "2024-02-28T23:00:00Z"},
		// what doesn't fit
		{"%Y-%m-%d", "2023-02-29", ""},
		{"%Y-%m-%d", "2026-13-01", ""},
		{"%Y-%m-%d", "2026/11/23", ""},
		{"%Y-%m-%d", "", ""},
		{"%Y-%m-%d %H", "2026-11-23 24", ""},
		{"%Y-%m-%d", "1969-01-01", ""},
		{"%Y", "9999", ""},
		{"%s", "99999999999", ""},
		{"%Y-%m-%dT%H:%M:%S%z", "2026-11-23T10:40:41", ""},
		{"%Y-%m-%dT%H:%M:%S.%L%z", "2026-11-23T10:40:41Z", at},
		{"%b", "Foo", ""},
		{"%Y.%L", "2026.x", ""},
	} {
		f, err := Compile(c.format, berlin)
		if err != nil {
			t.Errorf("%s: %v", c.format, err)
			continue
		}
		f.now = func() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC) }
		got := ""
		if rt, ok := f.Parse([]byte(c.text)); ok {
			got = time.Unix(int64(rt.Sec), int64(rt.Nsec)).UTC().Format(time.RFC3339Nano)
		}
		if got != c.want {
			t.Errorf("%s of %q is %q, want %q", c.format, c.text, got, c.want)
		}
	}
}

func TestAWholeTimeHasNothingAfterItButAFraction(t *testing.T) {
	for _, c := range []struct{ format, text, want string }{
		{"%Y-%m-%d %H:%M:%S", "2026-11-23 10:40:41", "2026-11-23T10:40:41Z"},
		{"%Y-%m-%d %H:%M:%S", "2026-11-23 10:40:41.25", "2026-11-23T10:40:41.25Z"},
		{"%Y-%m-%d %H:%M:%S", "2026-11-23 10:40:41,25", "2026-11-23T10:40:41.25Z"},
		{"%Y-%m-%dT%H:%M:%S%z", "2026-11-23T11:40:41.5+01:00", "2026-11-23T10:40:41.5Z"},
		{"%Y-%m-%d %H:%M:%S %Z", "2026-11-23 11:40:41 +0100", "2026-11-23T10:40:41Z"},
		{"%Y-%m-%d", "1960-01-02", "1960-01-02T00:00:00Z"},
		{"%Y-%m-%d", "2200-01-02", "2200-01-02T00:00:00Z"},
		{"%Y-%m-%d %H:%M:%S", "2026-11-23 10:40:41.", ""},
		{"%Y-%m-%d %H:%M:%S", "2026-11-23 10:40:41 UTC", ""},
		{"%Y-%m-%d %H:%M:%S", "2026-11-23", ""},
		{"%Y-%m-%d", "2026-02-29", ""},
	} {
		f, err := Compile(c.format, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if at, ok := f.ParseWhole([]byte(c.text)); ok {
			got = at.Format(time.RFC3339Nano)
		}
		if got != c.want {
			t.Errorf("%s of %q is %q, want %q", c.format, c.text, got, c.want)
		}
	}
}

func TestFormatsThatMeanNothingAreErrors(t *testing.T) {
	for _, format := range []string{"", "%", "%Q", "%Y-%E"} {
		if _, err := Compile(format, time.UTC); err == nil {
			t.Errorf("%q is taken", format)
		}
	}
}

func TestOffsets(t *testing.T) {
	for text, want := range map[string]int{"+0100": 3600, "-06:00": -21600, "Z": 0, "UTC": 0, "+05": 18000} {
		zone, ok := Offset(text)
		if _, got := time.Unix(0, 0).In(zone).Zone(); !ok || got != want {
			t.Errorf("%s: %d, %v", text, got, ok)
		}
	}
	if _, ok := Offset("Mars"); ok {
		t.Error("Mars has an offset")
	}
}

func TestParsingATimeAllocatesNothing(t *testing.T) {
	for format, text := range map[string]string{
		"%Y-%m-%dT%H:%M:%S.%L%z": "2026-11-23T10:40:41.123Z",
		"%d/%b/%Y:%H:%M:%S %z":   "23/Nov/2026:11:40:41 +0100",
	} {
		f, _ := Compile(format, time.UTC)
		in := []byte(text)
		if n := testing.AllocsPerRun(100, func() { f.Parse(in) }); n != 0 {
			t.Errorf("%s: %v allocations", format, n)
		}
	}
}

// FuzzRFC3339 holds the short way against package time.
// strict is what RFC 3339 allows, and ISO 8601's comma. time.Parse takes more: an hour of one digit.
var strict = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func FuzzRFC3339(f *testing.F) {
	f.Add("2026-11-23T10:40:41.123Z")
	f.Add("2024-02-29T23:59:60+14:00")
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := rfc3339([]byte(s))
		want, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || !strict.MatchString(s) || want.Unix() < 0 || want.Unix() > 1<<32-1 {
			return // it may be stricter: leap seconds, offsets without a colon
		}
		if !ok || got != (record.Time{Sec: uint32(want.Unix()), Nsec: uint32(want.Nanosecond())}) {
			t.Errorf("%s: %v %v, want %v", s, got, ok, want)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for format, text := range map[string]string{
		"%Y-%m-%dT%H:%M:%S.%L%z": "2026-11-23T10:40:41.123Z",
		"%d/%b/%Y:%H:%M:%S %z":   "23/Nov/2026:11:40:41 +0100",
	} {
		f, _ := Compile(format, time.UTC)
		in := []byte(text)
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.Parse(in)
			}
		})
	}
}
