package record

import (
	"encoding/binary"
	"math"
	"slices"
)

const (
	nsecPerSec    = 1_000_000_000
	secPerDay     = 86_400
	timeExtType   = 0    // the ext type of an EventTime
	eventTimeSize = 10   // bytes of one as fixext8
	stampExtType  = 0xff // -1, that of MessagePack's own Timestamp
)

// AppendTime appends t as an EventTime (fixext8).
func AppendTime(dst []byte, t Time) []byte {
	dst = append(dst, 0xd7, timeExtType)
	return binary.BigEndian.AppendUint64(dst, uint64(t.Sec)<<32|uint64(t.Nsec))
}

// ReadTime reads an event's time: an EventTime (ext type 0), MessagePack's own Timestamp (ext type -1, of 4, 8 or 12
// bytes), an integer or a float of seconds, or a pair of one of these and metadata, which is skipped. ErrRange means that it
// is a time that Time can't hold, ErrType that it is something else, such as nil.
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
		return readExtTime(b)
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

// readExtTime reads an EventTime or a Timestamp that Time can hold.
func readExtTime(b []byte) (t Time, rest []byte, err error) {
	sec, nsec, rest, err := extTime(b)
	if err == nil && (sec < 0 || sec > math.MaxUint32) {
		err = ErrRange
	}
	if err != nil {
		return Time{}, nil, err
	}
	return Time{uint32(sec), nsec}, rest, nil
}

// extTime reads the ext that b begins with: an EventTime (fixext8 or ext8 of 8 bytes), or MessagePack's own Timestamp of 4,
// 8 or 12 bytes (fixext4, fixext8 or ext8). ErrRange means that there are 1,000,000,000 nanoseconds or more.
func extTime(b []byte) (sec int64, nsec uint32, rest []byte, err error) {
	head, size := 1, 0 // head is where the type is
	switch b[0] {
	case 0xd6:
		size = 4
	case 0xd7:
		size = 8
	case 0xc7:
		if len(b) < 2 {
			return 0, 0, nil, ErrShort
		}
		head, size = 2, int(b[1])
	}
	if size != 4 && size != 8 && size != 12 {
		return 0, 0, nil, ErrType
	}
	if len(b) <= head {
		return 0, 0, nil, ErrShort
	}
	kind := b[head]
	if kind != stampExtType && (kind != timeExtType || size != 8) {
		return 0, 0, nil, ErrType
	}
	if b = b[head+1:]; len(b) < size {
		return 0, 0, nil, ErrShort
	}
	switch {
	case kind == timeExtType:
		sec, nsec = int64(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint32(b[4:])
	case size == 4:
		sec = int64(binary.BigEndian.Uint32(b))
	case size == 8: // 30 bits of nanoseconds, 34 of seconds
		v := binary.BigEndian.Uint64(b)
		sec, nsec = int64(v&(1<<34-1)), uint32(v>>34)
	default:
		sec, nsec = int64(binary.BigEndian.Uint64(b[4:])), binary.BigEndian.Uint32(b)
	}
	if nsec >= nsecPerSec {
		return 0, 0, nil, ErrRange
	}
	return sec, nsec, b[size:], nil
}

// timeOfFloat rounds to the nanosecond; a float64 resolves today's seconds to about 240 ns.
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

// AppendTimeISO appends t as 2006-01-02T15:04:05.000000000Z with digits (0–9) of fraction, truncated and not rounded;
// with 0 the point is omitted too. A Nsec that is out of its range counts as 999,999,999.
func AppendTimeISO(dst []byte, t Time, digits int) []byte {
	const whole = len("2006-01-02T15:04:05.000000000Z")
	start := len(dst)
	dst = slices.Grow(dst, whole)
	out := (*[whole]byte)(dst[start : start+whole])
	year, month, day := date(t.Sec / secPerDay)
	put2(out[0:], year/100)
	put2(out[2:], year%100)
	out[4] = '-'
	put2(out[5:], month)
	out[7] = '-'
	put2(out[8:], day)
	s := t.Sec % secPerDay
	out[10] = 'T'
	put2(out[11:], s/3600)
	out[13] = ':'
	put2(out[14:], s/60%60)
	out[16] = ':'
	put2(out[17:], s%60)
	end := 19
	if digits = min(digits, 9); digits > 0 {
		n := min(t.Nsec, nsecPerSec-1)
		high, low := n/100_000, n%100_000*10
		out[19] = '.'
		put2(out[20:], high/100)
		put2(out[22:], high%100)
		put2(out[24:], low/10_000)
		put2(out[26:], low/100%100)
		out[28] = byte('0' + low%100/10)
		end += 1 + digits
	}
	out[end] = 'Z'
	return dst[:start+end+1]
}

// pairs are the two digits of each number below 100.
const pairs = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849" +
	"5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

// put2 writes the two digits of v, which is less than 100.
func put2(dst []byte, v uint32) {
	p := pairs[2*v:][:2]
	_ = dst[1]
	dst[0], dst[1] = p[0], p[1]
}

// date is the civil date of a day since the epoch, with years that begin in March so that the leap day is the last. (Neri and
// Schneider, Euclidean affine functions and their application to calendar algorithms, 2022: a division by a
// constant gives quotient and remainder from one product.)
func date(days uint32) (year, month, day uint32) {
	n := 4*(days+719_468) + 3 // quarters of days since 0000-03-01
	century := n / 146_097
	product := 2_939_745 * uint64(n%146_097|3)
	year = 100*century + uint32(product>>32)
	dayOfYear := uint32(product) / 2_939_745 / 4
	n = 2141*dayOfYear + 197_913
	month, day = n>>16, n&0xffff/2141+1
	if dayOfYear >= 306 {
		return year + 1, month - 12, day
	}
	return year, month, day
}
