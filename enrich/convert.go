package enrich

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
)

// ConvertOptions are those of Fluent Bit's type_converter.
type ConvertOptions struct {
	Str   []config.Ordered `fluentbit:"str_key" help:"as FROM TO TYPE: field TO gets the text of FROM as int, uint, hex, float or bool. A text of which no beginning can be read so is left alone"`
	Int   []config.Ordered `fluentbit:"int_key" help:"as FROM TO TYPE: field TO gets the integer FROM as string, float or uint"`
	Uint  []config.Ordered `fluentbit:"uint_key" help:"as FROM TO TYPE: field TO gets the unsigned integer FROM as string, float or int"`
	Float []config.Ordered `fluentbit:"float_key" help:"as FROM TO TYPE: field TO gets the float FROM as string, int or uint"`
}

// Check implements config's check after binding.
func (o *ConvertOptions) Check(d config.Dialect) error {
	_, err := NewConvert(o, d, Env{})
	return err
}

// A conversion appends a value, converted to another type. ok is false if that isn't possible; out is then undefined.
type conversion func(dst, value []byte) (out []byte, ok bool)

// convert is the filter.
type convert struct {
	rules []convertRule
	lists memberLists
}

type convertRule struct {
	from  field.Accessor
	to    string
	key   []byte // name of the new field, as MessagePack
	apply conversion
}

// NewConvert makes the step of a type_converter. Its rules apply in Fluent Bit's order: str_key, int_key, uint_key, float_key. All
// of them read the original record. An invalid rule, or no rule at all, is an error.
func NewConvert(o *ConvertOptions, _ config.Dialect, _ Env) (Filter, error) {
	c := &convert{}
	for _, kind := range []struct {
		option string
		list   []config.Ordered
		from   string
	}{{"str_key", o.Str, "string"}, {"int_key", o.Int, "int"}, {"uint_key", o.Uint, "uint"}, {"float_key", o.Float, "float"}} {
		for _, v := range kind.list {
			rule, err := newConvertRule(kind.from, splitQuoted(v.Value, 4))
			if err != nil {
				return nil, &config.OptionError{Option: kind.option, Reason: fmt.Sprintf("%q: %s", v.Value, err)}
			}
			c.rules = append(c.rules, rule)
		}
	}
	if len(c.rules) == 0 {
		return nil, errors.New("there is no rule; want, for example: str_key code code int")
	}
	return c, nil
}

func newConvertRule(from string, w []string) (rule convertRule, err error) {
	if len(w) != 3 {
		return rule, errors.New("want FROM TO TYPE, as in: code code int")
	}
	rule.to, rule.key = w[1], record.AppendStr(nil, w[1])
	if rule.from, err = accessorOf(w[0]); err != nil {
		return rule, err
	}
	to := ""
	for _, name := range []string{"int", "uint", "float", "hex", "string", "bool"} { // Fluent Bit also takes a prefix of a name
		if len(w[2]) <= len(name) && strings.EqualFold(w[2], name[:len(w[2])]) {
			to = name
			break
		}
	}
	allowed := map[string]string{"string": "int, uint, hex, float or bool", "int": "string, float or uint", "uint": "string, float or int", "float": "string, int or uint"}
	if rule.apply = conversionOf(from, to); rule.apply == nil {
		return rule, fmt.Errorf("%q is not a type that a %s can become; want %s", w[2], from, allowed[from])
	}
	return rule, nil
}

// conversionOf returns the conversion, nil if there is none.
func conversionOf(from, to string) conversion {
	switch from + " " + to {
	case "string int":
		return strToInt
	case "string uint":
		return func(dst, v []byte) ([]byte, bool) { return strToUint(dst, v, 10) }
	case "string hex":
		return func(dst, v []byte) ([]byte, bool) { return strToUint(dst, v, 16) }
	case "string float":
		return strToFloat
	case "string bool":
		return strToBool
	case "int string", "uint string":
		return intToStr
	case "int float", "uint float":
		return intToFloat
	case "int uint":
		return intToUint
	case "uint int":
		return uintToInt
	case "float string":
		return floatToStr
	case "float int", "float uint":
		return floatToInt
	}
	return nil
}

// Apply implements Filter. If a field is missing, has another type or can't be converted, the rule does nothing. Fluent Bit
// sometimes copies the unconverted value to the new field.
func (c *convert) Apply(ev *record.Event, s *Scratch) bool {
	var list *memberList
	for i := range c.rules {
		rule := &c.rules[i]
		value, ok := rule.from.Get(ev.Body)
		if !ok {
			continue
		}
		converted, ok := rule.apply(s.Take(), value)
		if !ok {
			continue
		}
		if list == nil {
			list = c.lists.of(ev.Body)
		}
		list.without(func(m *member) bool { return m.is(rule.to) })
		*list = append(*list, member{rule.key, s.Keep(converted)})
	}
	if list == nil {
		return true
	}
	ev.Body = s.Keep(list.appendMap(s.Take()))
	c.lists.put(list)
	return true
}

// numberPrefix finds the number that a text begins with, as C's strtol and strtod do: its digits without the sign, nil if there
// isn't a number. hex allows 0x and a to f; point allows a fraction and an exponent.
func numberPrefix(text []byte, hex, point bool) (digits []byte, negative bool) {
	i := 0
	for i < len(text) && (text[i] == ' ' || text[i] >= '\t' && text[i] <= '\r') {
		i++
	}
	if i < len(text) && (text[i] == '-' || text[i] == '+') {
		negative = text[i] == '-'
		i++
	}
	if hex && i+2 < len(text) && text[i] == '0' && text[i+1]|0x20 == 'x' && isNumeral(text[i+2], true) {
		i += 2
	}
	start := i
	i = skipDigits(text, i, hex)
	n := i - start
	if point && i < len(text) && text[i] == '.' {
		end := skipDigits(text, i+1, false)
		n += end - i - 1
		i = end
	}
	if n == 0 {
		return nil, false
	}
	if point && i < len(text) && text[i]|0x20 == 'e' {
		first := i + 1
		if first < len(text) && (text[first] == '-' || text[first] == '+') {
			first++
		}
		if end := skipDigits(text, first, false); end > first {
			i = end
		}
	}
	return text[start:i], negative
}

func skipDigits(text []byte, i int, hex bool) int {
	for i < len(text) && isNumeral(text[i], hex) {
		i++
	}
	return i
}

func isNumeral(c byte, hex bool) bool {
	return c >= '0' && c <= '9' || hex && c|0x20 >= 'a' && c|0x20 <= 'f'
}

// maxNumberText is how many bytes of a text are read as a number, so that long texts aren't copied.
const maxNumberText = 400

// number is numberPrefix for a MessagePack value; digits is nil if the value isn't a str, or doesn't begin with a number.
func number(value []byte, hex, point bool) (digits []byte, negative bool) {
	if record.KindOf(value[0]) != record.KindStr {
		return nil, false
	}
	text, _ := record.Text(value)
	return numberPrefix(text[:min(len(text), maxNumberText)], hex, point)
}

// strToInt reads an integer. Out of range it becomes the nearest int64, as with C's strtoimax.
func strToInt(dst, value []byte) ([]byte, bool) {
	digits, negative := number(value, false, false)
	n, err := strconv.ParseUint(string(digits), 10, 64)
	switch {
	case digits == nil || err != nil && !errors.Is(err, strconv.ErrRange):
		return dst, false
	case negative && n >= 1<<63:
		return record.AppendInt(dst, math.MinInt64), true
	case negative:
		return record.AppendInt(dst, -int64(n)), true
	}
	return record.AppendInt(dst, int64(min(n, math.MaxInt64))), true
}

// strToUint reads an unsigned integer. A negative number wraps around, as in C.
func strToUint(dst, value []byte, base int) ([]byte, bool) {
	digits, negative := number(value, base == 16, false)
	n, err := strconv.ParseUint(string(digits), base, 64)
	if negative && err == nil {
		n = -n
	}
	return record.AppendUint(dst, n), digits != nil && (err == nil || errors.Is(err, strconv.ErrRange))
}

func strToFloat(dst, value []byte) ([]byte, bool) {
	digits, negative := number(value, false, true)
	f, err := strconv.ParseFloat(string(digits), 64)
	if negative {
		f = -f
	}
	return record.AppendFloat(dst, f), digits != nil && err == nil
}

// strToBool reads a text that begins with true or false.
func strToBool(dst, value []byte) ([]byte, bool) {
	if record.KindOf(value[0]) != record.KindStr {
		return dst, false
	}
	text, _ := record.Text(value)
	for _, word := range [...]string{"true", "false"} {
		if len(text) >= len(word) && strings.EqualFold(string(text[:len(word)]), word) {
			return record.AppendBool(dst, word == "true"), true
		}
	}
	return dst, false
}

// fixstr is the header of a str of less than 32 bytes, to which the length is added. The text of a number has at most 24.
const fixstr = 0xa0

func intToStr(dst, value []byte) ([]byte, bool) {
	if record.KindOf(value[0]) != record.KindInt {
		return dst, false
	}
	start := len(dst)
	dst = record.AppendText(append(dst, fixstr), value)
	dst[start] |= byte(len(dst) - start - 1)
	return dst, true
}

// intToUint lets a negative number wrap around, as in C.
func intToUint(dst, value []byte) ([]byte, bool) {
	if n, _, err := record.Int(value); err == nil && n < 0 {
		return record.AppendUint(dst, uint64(n)), true
	}
	return append(dst, value...), record.KindOf(value[0]) == record.KindInt
}

// uintToInt lets a number that exceeds int64 wrap around, as in C.
func uintToInt(dst, value []byte) ([]byte, bool) {
	if record.KindOf(value[0]) != record.KindInt {
		return dst, false
	}
	if n, _, err := record.Int(value); err == nil {
		return record.AppendInt(dst, n), true
	}
	return record.AppendInt(dst, int64(binary.BigEndian.Uint64(value[1:]))), true // only a uint64 is out of range
}

func intToFloat(dst, value []byte) ([]byte, bool) {
	if record.KindOf(value[0]) != record.KindInt {
		return dst, false
	}
	f, _, err := record.Float(value)
	return record.AppendFloat(dst, f), err == nil
}

// floatToStr writes a whole number with one decimal, and others with up to 16 digits, as Fluent Bit does.
func floatToStr(dst, value []byte) ([]byte, bool) {
	f, ok := float(value)
	if !ok {
		return dst, false
	}
	start := len(dst)
	dst = append(dst, fixstr)
	if f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		dst = strconv.AppendFloat(dst, f, 'f', 1, 64)
	} else {
		dst = strconv.AppendFloat(dst, f, 'g', 16, 64)
	}
	dst[start] |= byte(len(dst) - start - 1)
	return dst, true
}

// floatToInt truncates. A float that exceeds int64 isn't converted.
func floatToInt(dst, value []byte) ([]byte, bool) {
	f, ok := float(value)
	if !ok || math.Abs(f) >= 1<<63 {
		return dst, false
	}
	return record.AppendInt(dst, int64(f)), true
}

// float reads a float. It returns false for NaN and infinities.
func float(value []byte) (float64, bool) {
	if record.KindOf(value[0]) != record.KindFloat {
		return 0, false
	}
	f, _, err := record.Float(value)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}
