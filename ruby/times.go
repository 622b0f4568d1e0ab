package ruby

import (
	"math"
	"time"

	"github.com/firelane/firelane/record"
)

func timeMethods(t map[string]method) {
	at := func(name string, f func(at time.Time) int) {
		t[name] = method{call: func(c *call) (value, error) {
			if c.on.kind != kTime {
				return c.none()
			}
			return integer(int64(f(c.on.at()))), nil
		}}
	}
	at("year", time.Time.Year)
	at("month", func(at time.Time) int { return int(at.Month()) })
	at("day", time.Time.Day)
	at("hour", time.Time.Hour)
	at("min", time.Time.Minute) // min of an array is handled below
	at("sec", time.Time.Second)
	at("usec", func(at time.Time) int { return at.Nanosecond() / 1000 })
	at("nsec", time.Time.Nanosecond)
	at("wday", func(at time.Time) int { return int(at.Weekday()) })
	at("yday", time.Time.YearDay)
	minute := t["min"]
	t["min"] = method{call: func(c *call) (value, error) {
		if c.on.kind == kArray {
			return extreme(c)
		}
		return minute.call(c)
	}}
	for _, name := range [...]string{"utc", "localtime"} {
		t[name] = method{call: func(c *call) (value, error) {
			if c.on.kind != kTime {
				return c.none()
			}
			c.on.utc = c.name != "localtime" && c.name != "getlocal"
			return c.on, nil
		}}
	}
	t["iso8601"] = method{max: 1, call: func(c *call) (value, error) {
		digits, err := c.intArg(0, 0)
		if c.on.kind != kTime || err != nil {
			return c.none()
		}
		format := "2006-01-02T15:04:05.000000000"
		if digits = min(max(digits, 0), 9); digits == 0 {
			digits = -1
		}
		return str(c.on.at().AppendFormat(nil, format[:20+digits]+"Z07:00")), nil
	}}
	t["strftime"] = method{min: 1, max: 1, call: func(c *call) (value, error) {
		if c.on.kind != kTime {
			return c.none()
		}
		return value{}, &Error{"ArgumentError", "strftime needs a literal format"} // with a literal format the parser makes a strftimeNode
	}}
}

// strftimeNode is strftime with a literal format.
type strftimeNode struct {
	on   node
	as   Formatter
	safe bool
}

func (n *strftimeNode) eval(m *Machine) (value, error) {
	on, err := n.on.eval(m)
	if err != nil || n.safe && on.kind == kNil {
		return on, err
	}
	if on.kind != kTime {
		return value{}, noMethod("strftime", on)
	}
	start := len(m.arena)
	b, err := m.keep(n.as.Append(m.arena, on.at()), start)
	return str(b), err
}

func timeOperator(op string, left, right value) (value, error) {
	switch {
	case op == "-" && right.kind == kTime:
		return float(float64(left.n-right.n) / 1e9), nil
	case op != "+" && op != "-" || !right.isNumber():
		return value{}, noMethod(op, left)
	}
	f := right.float()
	if op == "-" {
		f = -f
	}
	sum := float64(left.n) + f*1e9
	if !(math.Abs(sum) < math.MaxInt64) {
		return value{}, errOverflow
	}
	left.n += int64(math.Round(f * 1e9))
	return left, nil
}

// A functionNode calls a function, or a method of a library.
type functionNode struct {
	name string
	call func(m *Machine, env *Env, args []value) (value, error)
	args []node
	env  *Env
}

func (n *functionNode) eval(m *Machine) (value, error) {
	base := len(m.stack)
	defer func() { m.stack = m.stack[:base] }()
	if err := m.values(n.args); err != nil {
		return value{}, err
	}
	return n.call(m, n.env, m.stack[base:])
}

// function returns the function with a name, and how many arguments it takes; f is nil if there is none.
func function(name string) (f func(m *Machine, env *Env, args []value) (value, error), min, max int) {
	switch name {
	case "Integer":
		return func(_ *Machine, _ *Env, args []value) (value, error) { return toInteger(args[0]) }, 1, 2
	case "Float":
		return func(_ *Machine, _ *Env, args []value) (value, error) { return toFloat(args[0]) }, 1, 1
	case "String":
		return func(m *Machine, _ *Env, args []value) (value, error) { return m.text(args[0]) }, 1, 1
	case "format", "sprintf":
		return func(m *Machine, _ *Env, args []value) (value, error) {
			if !args[0].isText() {
				return value{}, typeError(args[0], "String")
			}
			return m.format(args[0].b, args[1:])
		}, 1, 100
	case "Time.now", "DateTime.now":
		return func(*Machine, *Env, []value) (value, error) { return moment(time.Now()), nil }, 0, 0
	case "Time.at":
		return timeAt, 1, 1
	case "Time.parse", "Time.iso8601", "DateTime.parse", "Time.strptime", "DateTime.strptime":
		return timeParse, 1, 2
	case "JSON.parse", "Yajl.load":
		return parseJSON, 1, 2
	case "JSON.generate", "JSON.dump", "Yajl.dump":
		return func(m *Machine, _ *Env, args []value) (value, error) {
			return toJSON(&call{m: m, on: args[0]})
		}, 1, 1
	}
	return nil, 0, 0
}

func timeAt(_ *Machine, _ *Env, args []value) (value, error) {
	v := args[0]
	switch {
	case v.kind == kTime:
		return v, nil
	case v.kind == kInt && v.n < math.MaxInt64/1_000_000_000 && v.n > -math.MaxInt64/1_000_000_000:
		return value{kind: kTime, n: v.n * 1e9}, nil
	case v.kind == kFloat && math.Abs(v.f) < math.MaxInt64/1e9:
		return value{kind: kTime, n: int64(math.Round(v.f * 1e9))}, nil
	case v.isNumber():
		return value{}, errOverflow
	}
	return value{}, &Error{"TypeError", "can't convert " + v.class() + " into an exact number"}
}

func timeParse(_ *Machine, env *Env, args []value) (value, error) {
	var texts [2]string
	for i, v := range args {
		if !v.isText() {
			return value{}, typeError(v, "String")
		}
		texts[i] = string(v.b)
	}
	at, err := env.ParseTime(texts[0], texts[1])
	if err != nil || at.Year() < 1700 || at.Year() > 2250 {
		return value{}, &Error{"ArgumentError", "no time information"}
	}
	v := moment(at)
	v.utc = at.Location() == time.UTC
	return v, nil
}

func parseJSON(m *Machine, _ *Env, args []value) (value, error) {
	if !args[0].isText() {
		return value{}, typeError(args[0], "String")
	}
	if err := m.room(2 * len(args[0].b)); err != nil {
		return value{}, err
	}
	b, err := record.AppendFromJSON(nil, args[0].b)
	if err != nil {
		return value{}, &Error{"JSON::ParserError", "the text is not JSON"}
	}
	if err := m.room(len(b)); err != nil {
		return value{}, err
	}
	return read(b), nil
}

// toInteger is Integer(v): the whole text has to be a number.
func toInteger(v value) (value, error) {
	switch v.kind {
	case kInt, kOther:
		return v, nil
	case kFloat:
		return fromFloat(math.Trunc(v.f))
	case kStr:
		if n, ok := wholeInt(string(v.b)); ok {
			return integer(n), nil
		}
		return value{}, &Error{"ArgumentError", "invalid value for Integer()"}
	}
	return value{}, &Error{"TypeError", "can't convert " + v.class() + " into Integer"}
}

// toFloat is Float(v).
func toFloat(v value) (value, error) {
	switch v.kind {
	case kInt, kFloat:
		return float(v.float()), nil
	case kStr:
		if f, ok := wholeFloat(string(v.b)); ok {
			return float(f), nil
		}
		return value{}, &Error{"ArgumentError", "invalid value for Float()"}
	}
	return value{}, &Error{"TypeError", "can't convert " + v.class() + " into Float"}
}
