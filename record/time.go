package record

import (
	"encoding/binary"
	"math"
)

const (
	nsecPerSec    = 1_000_000_000
	secPerDay     = 86_400
	timeExtType   = 0  // the ext type of an EventTime
	eventTimeSize = 10 // bytes of one as fixext8
)

// AppendTime appends t as an EventTime (fixext8).
func AppendTime(dst []byte, t Time) []byte {
	dst = append(dst, 0xd7, timeExtType)
	return binary.BigEndian.AppendUint64(dst, uint64(t.Sec)<<32|uint64(t.Nsec))
}

// ReadTime reads an event's time: an EventTime (fixext8 or ext8 of type 0), an integer or a float of seconds, or a pair
// of one of these and metadata, which is skipped. ErrRange says that it is a time that Time can't hold; ErrType that it
// is something else, such as nil.
func ReadTime(b []byte) (t Time, rest []byte, err error) {
	if len(b) == 0 || KindOf(b[0]) != KindArray {
		return readTime(b)
	}
	n, rest, err := ArrayHeader(b)
	if err != nil {
		return Time{}, nil, err
	}
	if n != 2 {
		return Time{}, nil, ErrType
	}
	if t, rest, err = readTime(rest); err != nil {
		return Time{}, nil, err
	}
	rest, err = Skip(rest)
	return t, rest, err
}

func readTime(b []byte) (t Time, rest []byte, err error) {
	if len(b) == 0 {
		return t, nil, ErrShort
	}
	switch KindOf(b[0]) {
	case KindExt:
		return readEventTime(b)
	case KindInt:
		u, negative, rest, err := integer(b)
		if err != nil {
			return t, nil, err
		}
		if negative || u > math.MaxUint32 {
			return t, nil, ErrRange
		}
		return Time{Sec: uint32(u)}, rest, nil
	case KindFloat:
		v, rest, err := Float(b)
		if err != nil {
			return t, nil, err
		}
		t, ok := timeOfFloat(v)
		if !ok {
			return Time{}, nil, ErrRange
		}
		return t, rest, nil
	}
	return t, nil, ErrType
}

func readEventTime(b []byte) (t Time, rest []byte, err error) {
	const fixext8, ext8 = 0xd7, 0xc7
	switch {
	case b[0] == fixext8:
	case b[0] == ext8 && len(b) == 1:
		return t, nil, ErrShort
	case b[0] == ext8 && b[1] == 8:
		b = b[1:] // what follows is as in fixext8
	default:
		return t, nil, ErrType
	}
	if len(b) > 1 && b[1] != timeExtType {
		return t, nil, ErrType
	}
	if len(b) < eventTimeSize {
		return t, nil, ErrShort
	}
	t = Time{binary.BigEndian.Uint32(b[2:]), binary.BigEndian.Uint32(b[6:])}
	if t.Nsec >= nsecPerSec {
		return Time{}, nil, ErrRange
	}
	return t, b[eventTimeSize:], nil
}

// timeOfFloat rounds to the nanosecond, of which a float64 of today's seconds resolves some 240.
func timeOfFloat(v float64) (t Time, ok bool) {
	if !(v >= 0 && v < math.MaxUint32+1) { // NaN isn't
		return t, false
	}
	sec := uint64(v)
	nsec := uint64(math.Round((v - float64(sec)) * nsecPerSec))
	if nsec >= nsecPerSec {
		sec, nsec = sec+1, 0
	}
	return Time{uint32(sec), uint32(nsec)}, sec <= math.MaxUint32
}

// AppendTimeISO appends t as 2006-01-02T15:04:05.000000000Z with digits (0–9) of fraction, cut and not rounded; with 0
// the point is left out too. A Nsec that is out of its range counts as 999,999,999.
func AppendTimeISO(dst []byte, t Time, digits int) []byte {
	year, month, day := date(t.Sec / secPerDay)
	dst = append2(dst, year/100)
	dst = append2(dst, year%100)
	dst = append2(append(dst, '-'), month)
	dst = append2(append(dst, '-'), day)
	s := t.Sec % secPerDay
	dst = append2(append(dst, 'T'), s/3600)
	dst = append2(append(dst, ':'), s/60%60)
	dst = append2(append(dst, ':'), s%60)
	if digits = min(digits, 9); digits > 0 {
		n := min(t.Nsec, nsecPerSec-1)
		dst = append(dst, '.', byte('0'+n/100_000_000))
		n %= 100_000_000
		dst = append2(dst, n/1_000_000)
		dst = append2(dst, n/10_000%100)
		dst = append2(dst, n/100%100)
		dst = append2(dst, n%100)
		dst = dst[:len(dst)-9+digits]
	}
	return append(dst, 'Z')
}

// append2 appends the two digits of v, which is less than 100.
func append2(dst []byte, v uint32) []byte { return append(dst, byte('0'+v/10), byte('0'+v%10)) }

// date is the civil date of a day since the epoch: Howard Hinnant's civil_from_days, with years that begin in March
// so that the leap day is the last.
func date(days uint32) (year, month, day uint32) {
	days += 719_468 // 0000-03-01
	era := days / 146_097
	dayOfEra := days % 146_097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36_524 - dayOfEra/146_096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month = (5*dayOfYear + 2) / 153
	day = dayOfYear - (153*month+2)/5 + 1
	year = yearOfEra + era*400
	if month < 10 {
		return year, month + 3, day
	}
	return year + 1, month - 9, day
}
