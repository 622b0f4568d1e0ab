package timefmt

// zones are the offsets, in minutes, of zones by their names, besides those that zoneName knows. They are those that Fluent Bit reads for
// %Z; like it, firelane doesn't read them for %z. Others, such as BST, mean different things in different countries.
var zones = map[string]int16{
	"wet": 0, "west": 60, "cet": 60, "cest": 120, "eet": 120, "eest": 180, "msk": 180,
	"wat": 60, "cat": 120, "sast": 120, "eat": 180,
	"gst": 240, "ist": 330, "npt": 345, "bdt": 360, "ict": 420, "wib": 420, "wita": 480, "myt": 480, "sgt": 480, "wit": 540, "jst": 540, "kst": 540,
	"awst": 480, "acst": 570, "acdt": 630, "aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780,
	"nst": -210, "ndt": -150, "ast": -240, "adt": -180, "akst": -540, "akdt": -480, "hst": -600, "hadt": -540,
	"art": -180, "brt": -180, "brst": -120, "clt": -240, "clst": -180,
}

// zoneSize is the length in bytes of the longest name in zones.
const zoneSize = 4

// namedZone parses the name of one of zones, ignoring case.
func (c *clock) namedZone() bool {
	var name [zoneSize]byte
	n := 0
	for n < len(c.rest) && isAlnum(c.rest[n]) {
		if n == zoneSize {
			return false
		}
		name[n] = c.rest[n] | 0x20
		n++
	}
	minutes, ok := zones[string(name[:n])]
	if !ok {
		return false
	}
	c.rest, c.offsetSec = c.rest[n:], int(minutes)*60
	return true
}

func isAlnum(b byte) bool {
	return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
}
