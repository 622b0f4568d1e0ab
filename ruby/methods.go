package ruby

import (
	"math"
	"strconv"
	"strings"

	"github.com/firelane/firelane/record"
)

// methodTable has every method by its name.
func methodTable() map[string]method {
	t := map[string]method{}
	objectMethods(t)
	numberMethods(t)
	textMethods(t)
	patternMethods(t)
	commonMethods(t)
	blockMethods(t)
	arrayMethods(t)
	hashMethods(t)
	timeMethods(t)
	for alias, name := range map[string]string{
		"size": "length", "collect": "map", "filter": "select", "detect": "find", "kind_of?": "is_a?", "instance_of?": "is_a?", "to_str": "to_s",
		"inspect": "to_json", "has_key?": "key?", "member?": "include?", "has_value?": "value?", "getutc": "utc", "gmtime": "utc", "getgm": "utc",
		"getlocal": "localtime", "xmlschema": "iso8601", "mon": "month", "mday": "day", "slice": "[]", "clone": "itself", "dup": "itself",
		"freeze": "itself", "to_time": "itself", "to_datetime": "itself", "message": "itself", "force_encoding": "encode", "unicode_normalize": "encode",
		"succ": "next", "id2name": "to_s", "name": "to_s", "intern": "to_sym", "yield_self": "then", "truncate": "to_i", "casecmp": "casecmp?",
		"tv_usec": "usec", "tv_nsec": "nsec", "tv_sec": "to_i", "collect_concat": "flat_map", "b": "encode", "strftime": "strftime",
	} {
		t[alias] = t[name]
	}
	return t
}

func objectMethods(t map[string]method) {
	t["nil?"] = method{call: func(c *call) (value, error) { return boolean(c.on.kind == kNil), nil }}
	t["itself"] = method{call: func(c *call) (value, error) { return c.on, nil }}
	t["class"] = method{call: func(c *call) (value, error) { return str([]byte(c.on.class())), nil }}
	t["to_s"] = method{max: 1, call: toS}
	t["to_i"] = method{max: 1, call: toI}
	t["to_f"] = method{call: toF}
	t["to_sym"] = method{call: func(c *call) (value, error) {
		if !c.on.isText() {
			return c.none()
		}
		return value{kind: kSym, b: c.on.b}, nil
	}}
	t["to_json"] = method{call: toJSON}
	t["is_a?"] = method{min: 1, max: 1, call: func(c *call) (value, error) {
		return boolean(c.on.isA(string(c.args[0].b)) || string(c.args[0].b) == "Fixnum" && c.on.kind == kInt), nil
	}}
	t["respond_to?"] = method{min: 1, max: 1, call: respondTo}
	t["eql?"] = method{min: 1, max: 1, call: func(c *call) (value, error) {
		return boolean(c.on.kind == c.args[0].kind && c.on.equal(c.args[0])), nil
	}}
	t["equal?"] = t["eql?"]
	t["then"] = method{block: needsBlock, call: func(c *call) (value, error) { return c.yield(c.on) }}
	t["between?"] = method{min: 2, max: 2, call: func(c *call) (value, error) {
		low, err := relation(">=", c.on, c.args[0])
		if err != nil || !low.truthy() {
			return low, err
		}
		return relation("<=", c.on, c.args[1])
	}}
}

// respondTo is respond_to?, for methods that only some of the types in a record have.
func respondTo(c *call) (value, error) {
	k := c.on.kind
	switch string(appendText(nil, c.args[0])) {
	case "to_s", "nil?", "is_a?", "to_json", "class":
		return boolean(true), nil
	case "each", "map", "to_a", "to_h":
		return boolean(k == kArray || k == kHash), nil
	case "key?", "has_key?", "keys", "merge":
		return boolean(k == kHash), nil
	case "empty?", "length", "size", "[]":
		return boolean(k == kArray || k == kHash || k == kStr), nil
	case "join", "first", "last":
		return boolean(k == kArray), nil
	case "gsub", "strip", "downcase", "upcase", "split", "force_encoding", "encode", "to_str", "scrub":
		return boolean(k == kStr), nil
	case "to_i", "to_f":
		return boolean(k == kStr || k == kNil || c.on.isNumber() || k == kTime), nil
	}
	return value{}, &Error{"ArgumentError", "respond_to? doesn't know this method"}
}

func toS(c *call) (value, error) {
	base, err := c.intArg(0, 10)
	if err != nil {
		return value{}, err
	}
	if len(c.args) > 0 && c.on.kind == kInt && base >= 2 && base <= 36 {
		return str(strconv.AppendInt(nil, c.on.n, int(base))), nil
	}
	return c.m.text(c.on)
}

func toI(c *call) (value, error) {
	switch c.on.kind {
	case kNil:
		return integer(0), nil
	case kInt, kOther:
		return c.on, nil
	case kFloat:
		return fromFloat(math.Trunc(c.on.f))
	case kTime:
		return integer(c.on.at().Unix()), nil
	case kStr:
		base, err := c.intArg(0, 10)
		if err != nil || base < 2 || base > 36 {
			return value{}, &Error{"ArgumentError", "invalid radix"}
		}
		return integerOf(c.on.b, int(base))
	}
	return c.none()
}

// fromFloat converts a whole float to an integer.
func fromFloat(f float64) (value, error) {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return value{}, &Error{"FloatDomainError", strconv.FormatFloat(f, 'g', -1, 64)}
	case f < math.MinInt64 || f >= math.MaxInt64:
		return value{}, errOverflow
	}
	return integer(int64(f)), nil
}

// integerOf returns the integer at the beginning of a text, 0 if there is none.
func integerOf(b []byte, base int) (value, error) {
	text := strings.TrimLeft(string(b[:min(len(b), 100)]), " \t\n\v\f\r")
	end := 0
	if text != "" && (text[0] == '-' || text[0] == '+') {
		end++
	}
	if base == 16 && strings.HasPrefix(strings.ToLower(text[end:]), "0x") {
		text = text[:end] + text[end+2:]
	}
	for end < len(text) && (digit(text[end]) < base || text[end] == '_' && end > 0 && digit(text[end-1]) < base) {
		end++
	}
	digits := strings.ReplaceAll(text[:end], "_", "")
	if strings.Trim(digits, "+-") == "" {
		return integer(0), nil
	}
	n, err := strconv.ParseInt(digits, base, 64)
	if err != nil {
		return value{}, errOverflow
	}
	return integer(n), nil
}

func digit(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'z':
		return int(c|0x20-'a') + 10
	}
	return 99
}

func toF(c *call) (value, error) {
	switch c.on.kind {
	case kNil:
		return float(0), nil
	case kInt, kFloat:
		return float(c.on.float()), nil
	case kTime:
		return float(float64(c.on.n) / 1e9), nil
	case kStr:
		return float(floatOf(c.on.b)), nil
	}
	return c.none()
}

// floatOf returns the float at the beginning of a text, 0 if there is none.
func floatOf(b []byte) float64 {
	text := strings.TrimLeft(string(b[:min(len(b), 100)]), " \t\n\v\f\r")
	end := 0
	for end < len(text) && strings.IndexByte("0123456789+-.eE_", text[end]) >= 0 {
		end++
	}
	for ; end > 0; end-- {
		if !isDigit(text[end-1]) {
			continue
		}
		if f, err := strconv.ParseFloat(strings.ReplaceAll(text[:end], "_", ""), 64); err == nil {
			return f
		}
	}
	return 0
}

func toJSON(c *call) (value, error) {
	m := c.m
	if err := m.room(len(c.on.b)); err != nil {
		return value{}, err
	}
	start := len(m.arena)
	var b []byte
	switch c.on.kind {
	case kArray, kHash, kOther:
		b = record.AppendJSON(m.arena, c.on.b)
	case kStr, kSym:
		b = record.AppendJSONString(m.arena, c.on.b)
	case kNil:
		if b = append(m.arena, "null"...); c.name == "inspect" {
			b = append(m.arena, "nil"...)
		}
	case kTime:
		b = record.AppendJSONString(m.arena, appendText(nil, c.on))
	default:
		b = appendText(m.arena, c.on)
	}
	b, err := m.keep(b, start)
	return str(b), err
}

func numberMethods(t map[string]method) {
	number := func(name string, f func(v value) (value, error)) {
		t[name] = method{call: func(c *call) (value, error) {
			if !c.on.isNumber() {
				return c.none()
			}
			return f(c.on)
		}}
	}
	number("zero?", func(v value) (value, error) { return boolean(v.float() == 0), nil })
	number("positive?", func(v value) (value, error) { return boolean(v.float() > 0), nil })
	number("negative?", func(v value) (value, error) { return boolean(v.float() < 0), nil })
	number("even?", func(v value) (value, error) { return boolean(v.n%2 == 0), nil })
	number("odd?", func(v value) (value, error) { return boolean(v.n%2 != 0), nil })
	number("nan?", func(v value) (value, error) { return boolean(math.IsNaN(v.f)), nil })
	number("finite?", func(v value) (value, error) { return boolean(!math.IsNaN(v.f) && !math.IsInf(v.f, 0)), nil })
	number("abs", func(v value) (value, error) {
		if v.kind == kFloat {
			return float(math.Abs(v.f)), nil
		}
		if v.n < 0 {
			return integers("-", 0, v.n)
		}
		return v, nil
	})
	number("next", func(v value) (value, error) { return arithmetic("+", v, integer(1)) })
	number("pred", func(v value) (value, error) { return arithmetic("-", v, integer(1)) })
	number("chr", func(v value) (value, error) {
		if v.kind != kInt || v.n < 0 || v.n > 127 {
			return value{}, &Error{"RangeError", "chr is supported for 0 to 127"}
		}
		return str([]byte{byte(v.n)}), nil
	})
	t["fdiv"] = method{min: 1, max: 1, call: func(c *call) (value, error) {
		if !c.on.isNumber() {
			return c.none()
		}
		return arithmetic("/", float(c.on.float()), c.args[0])
	}}
	t["clamp"] = method{min: 2, max: 2, call: func(c *call) (value, error) {
		for i, op := range [...]string{"<", ">"} {
			if outside, err := relation(op, c.on, c.args[i]); err != nil || outside.truthy() {
				return c.args[i], err
			}
		}
		return c.on, nil
	}}
	for name, f := range map[string]func(float64) float64{"round": roundHalfUp, "floor": math.Floor, "ceil": math.Ceil} {
		t[name] = method{max: 1, call: func(c *call) (value, error) { return rounded(c, f) }}
	}
}

func roundHalfUp(f float64) float64 { return math.Round(f) }

// rounded rounds a number with f, to the number of digits after the point in the first argument.
func rounded(c *call, f func(float64) float64) (value, error) {
	digits, err := c.intArg(0, 0)
	switch {
	case err != nil:
		return value{}, err
	case c.on.kind == kInt && digits >= 0:
		return c.on, nil
	case !c.on.isNumber():
		return c.none()
	case digits > 15:
		return c.on, nil
	case digits > 0:
		scale := math.Pow(10, float64(digits))
		if r := f(c.on.f*scale) / scale; !math.IsInf(r, 0) && !math.IsNaN(r) {
			return float(r), nil
		}
		return c.on, nil
	case digits < -18:
		return integer(0), nil
	}
	scale := math.Pow(10, float64(-digits))
	return fromFloat(f(c.on.float()/scale) * scale)
}

func wholeInt(text string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 0, 64)
	return n, err == nil
}

func wholeFloat(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if strings.ContainsAny(text, "nNiIxXpP") { // NaN, Inf and hexadecimal forms of Go
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}
