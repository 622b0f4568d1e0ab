package record

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestTimesOfEveryForm(t *testing.T) {
	const sec = 1_700_000_000
	event := AppendTime(nil, Time{sec, 42})
	for _, c := range []struct {
		name string
		b    []byte
		want Time
		err  error
	}{
		{"EventTime", event, Time{sec, 42}, nil},
		{"EventTime as ext8", append([]byte{0xc7, 8}, event[1:]...), Time{sec, 42}, nil},
		{"last EventTime", AppendTime(nil, Time{math.MaxUint32, 999_999_999}), Time{math.MaxUint32, 999_999_999}, nil},
		{"EventTime of too many nanoseconds", AppendTime(nil, Time{sec, 1_000_000_000}), Time{}, ErrRange},
		{"Timestamp of 4 bytes", []byte("\xd6\xff\x65\x53\xf1\x00"), Time{sec, 0}, nil},
		{"Timestamp of 8 bytes", []byte("\xd7\xff\x00\x00\x00\xa8\x65\x53\xf1\x00"), Time{sec, 42}, nil},
		{"Timestamp of 12 bytes", []byte("\xc7\x0c\xff\x00\x00\x00\x2a\x00\x00\x00\x00\x65\x53\xf1\x00"), Time{sec, 42}, nil},
		{"Timestamp of 4 bytes as ext8", []byte("\xc7\x04\xff\x65\x53\xf1\x00"), Time{sec, 0}, nil},
		{"Timestamp of 8 bytes, after 2106", []byte("\xd7\xff\x00\x00\x00\xa9\x00\x00\x00\x00"), Time{}, ErrRange},
		{"Timestamp of too many nanoseconds", []byte("\xd7\xff\xee\x6b\x28\x00\x65\x53\xf1\x00"), Time{}, ErrRange},
		{"Timestamp before 1970", []byte("\xc7\x0c\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"), Time{}, ErrRange},
		{"Timestamp of 5 bytes", []byte("\xc7\x05\xffabcde"), Time{}, ErrType},
		{"EventTime of 4 bytes", []byte("\xd6\x00abcd"), Time{}, ErrType},
		{"integer", AppendInt(nil, sec), Time{sec, 0}, nil},
		{"zero", AppendInt(nil, 0), Time{}, nil},
		{"positive int64", binary.BigEndian.AppendUint64([]byte{0xd3}, sec), Time{sec, 0}, nil},
		{"negative", AppendInt(nil, -1), Time{}, ErrRange},
		{"too large", AppendInt(nil, 1<<32), Time{}, ErrRange},
		{"milliseconds", AppendInt(nil, sec*1000), Time{}, ErrRange},
		{"float", AppendFloat(nil, sec+0.5), Time{sec, 500_000_000}, nil},
		{"float that rounds up", AppendFloat(nil, 0.9999999999), Time{1, 0}, nil},
		{"float32", []byte{0xca, 0x3f, 0xc0, 0, 0}, Time{1, 500_000_000}, nil},
		{"negative float", AppendFloat(nil, -0.5), Time{}, ErrRange},
		{"too large a float", AppendFloat(nil, 1<<32), Time{}, ErrRange},
		{"NaN", AppendFloat(nil, math.NaN()), Time{}, ErrRange},
		{"infinity", AppendFloat(nil, math.Inf(1)), Time{}, ErrRange},
		{"with metadata", append(append([]byte{0x92}, event...), "\x81\xa1a\x01"...), Time{sec, 42}, nil},
		{"with metadata, array16", append(append([]byte{0xdc, 0, 2}, event...), 0xc0), Time{sec, 42}, nil},
		{"three values", append([]byte{0x93}, event...), Time{}, ErrType},
		{"a pair within a pair", append([]byte{0x92, 0x92}, event...), Time{}, ErrType},
		{"metadata that isn't MessagePack", append(append([]byte{0x92}, event...), 0xc1), Time{}, ErrInvalid},
		{"nil", []byte{0xc0}, Time{}, ErrType},
		{"str", []byte("\xa11"), Time{}, ErrType},
		{"another ext", []byte("\xd7\x01abcdefgh"), Time{}, ErrType},
		{"ext of 7 bytes", []byte("\xc7\x07\x00abcdefg"), Time{}, ErrType},
		{"nothing", nil, Time{}, ErrShort},
	} {
		got, rest, err := ReadTime(append(c.b, "rest"...))
		if c.b == nil {
			got, rest, err = ReadTime(nil)
		}
		if !errors.Is(err, c.err) || c.err == nil && (got != c.want || string(rest) != "rest") {
			t.Errorf("%s: %v, %q, %v, want %v, %v", c.name, got, rest, err, c.want, c.err)
		}
		if c.err != nil {
			continue
		}
		for n := range c.b {
			if _, _, err := ReadTime(c.b[:n]); err != ErrShort {
				t.Errorf("%s: the first %d bytes: %v, want ErrShort", c.name, n, err)
			}
		}
	}
}

func TestTimesAreWrittenAsPackageTimeDoes(t *testing.T) {
	const layout = "2006-01-02T15:04:05.000000000Z"
	check := func(at Time) {
		full := time.Unix(int64(at.Sec), int64(at.Nsec)).UTC().Format(layout)
		for digits := range 10 {
			want := full[:len(full)-10+digits] + "Z"
			if digits == 0 {
				want = full[:len(full)-11] + "Z"
			}
			if got := string(AppendTimeISO([]byte("x"), at, digits)); got != "x"+want {
				t.Fatalf("%v with %d digits: %s, want %s", at, digits, got, want)
			}
		}
	}
	for day := uint32(0); day <= math.MaxUint32/secPerDay; day++ {
		check(Time{day * secPerDay, 0})
	}
	for range 10_000 {
		check(Time{rand.Uint32(), rand.Uint32N(nsecPerSec)})
	}
	check(Time{math.MaxUint32, nsecPerSec - 1})
}

func TestATimeOutOfRangeIsStillWritten(t *testing.T) {
	for _, digits := range []int{-1, 0, 9, 100} {
		if got := AppendTimeISO(nil, Time{0, math.MaxUint32}, digits); len(got) != 20 && len(got) != 30 {
			t.Errorf("%d digits: %s", digits, got)
		}
	}
}

func FuzzReadTime(f *testing.F) {
	for _, b := range []string{"\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x2a", "\xc7\x08\x00\x65\x53\xf1\x00\x3b\x9a\xc9\xff", "\x92\x05\x80",
		"\xcb\x41\xd9\x54\xfc\x40\x20\x00\x00", "\xca\x4e\xca\xa7\xe2", "\xce\x65\x53\xf1\x00", "\xff", "\xc0",
		"\xd6\xff\x65\x53\xf1\x00", "\xd7\xff\x00\x00\x00\xa8\x65\x53\xf1\x00", "\xc7\x0c\xff\x00\x00\x00\x2a\x00\x00\x00\x00\x65\x53\xf1\x00", "\xd7\x00\x65\x53\xf1\x00\xff\xff\xff\xff"} {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		at, rest, err := ReadTime(b)
		n, checkErr := Check(b)
		switch {
		case err == ErrShort && checkErr == nil:
			t.Fatalf("%x is whole, and ReadTime calls it short", b)
		case err != nil:
			return
		case checkErr != nil || len(rest) != len(b)-n:
			t.Fatalf("%x: ReadTime leaves %d bytes, Check says %d, %v", b, len(rest), n, checkErr)
		case at.Nsec >= nsecPerSec:
			t.Fatalf("%x: %v", b, at)
		}
		back, rest, err := ReadTime(AppendTime(nil, at))
		if back != at || len(rest) > 0 || err != nil {
			t.Fatalf("%v comes back as %v, %v", at, back, err)
		}
		want := time.Unix(int64(at.Sec), int64(at.Nsec)).UTC().Format("2006-01-02T15:04:05.000000000Z")
		if got := string(AppendTimeISO(nil, at, 9)); got != want {
			t.Fatalf("%v: %s, want %s", at, got, want)
		}
	})
}
