package vm

import (
	"fmt"
	"strconv"
	"strings"
)

func baseLibrary() library {
	return library{
		"assert": baseAssert,
		"error":  baseError,
		"getmetatable": func(th *Thread, args []Value) []Value {
			return th.ret1(getMetatable(th, args))
		},
		"setmetatable": setMetatable,
		"pcall":        basePcall,
		"xpcall":       baseXpcall,
		"print":        basePrint,
		"select":       baseSelect,
		"tonumber": func(th *Thread, args []Value) []Value {
			return th.ret1(baseToNumber(th, args))
		},
		"tostring": func(th *Thread, args []Value) []Value {
			if len(args) == 0 {
				th.argument(1, "tostring", "value expected")
			}
			return th.ret1(th.tostring(args[0]))
		},
		"type": func(th *Thread, args []Value) []Value {
			if len(args) == 0 {
				th.argument(1, "type", "value expected")
			}
			return th.ret1(String(args[0].k.String()))
		},
		"unpack": tableUnpack,
		"collectgarbage": func(th *Thread, args []Value) []Value {
			if arg(args, 1).k == KindString && args[0].str() == "count" {
				return th.ret1(Number(float64(th.st.live) / 1024))
			}
			return th.ret1(Number(0))
		},
		"gcinfo": func(th *Thread, _ []Value) []Value { return th.ret1(Number(float64(th.st.live / 1024))) },
	}
}

// membersLibrary are the functions that read tables.
func membersLibrary() library {
	return library{
		"ipairs": func(th *Thread, args []Value) []Value {
			t := checkTable(th, args, 1, "ipairs")
			return th.returns(th.st.inext, TableValue(t), Number(0))
		},
		"next": func(th *Thread, args []Value) []Value {
			t := checkTable(th, args, 1, "next")
			at, ok := t.place(arg(args, 2))
			if !ok {
				th.fail("invalid key to 'next'")
			}
			k, v, _, ok := t.Next(at)
			if !ok {
				return th.ret1(Nil)
			}
			return th.returns(k, v)
		},
		"pairs": func(th *Thread, args []Value) []Value {
			t := checkTable(th, args, 1, "pairs")
			return th.returns(th.st.next, TableValue(t), Nil)
		},
		"rawequal": func(th *Thread, args []Value) []Value { return th.ret1(Bool(rawEqual(arg(args, 1), arg(args, 2)))) },
		"rawget": func(th *Thread, args []Value) []Value {
			return th.ret1(checkTable(th, args, 1, "rawget").Get(arg(args, 2)))
		},
		"rawset": func(th *Thread, args []Value) []Value {
			th.rawSet(checkTable(th, args, 1, "rawset"), arg(args, 2), arg(args, 3))
			return th.ret1(args[0])
		},
	}
}

func baseAssert(th *Thread, args []Value) []Value {
	if len(args) == 0 {
		th.argument(1, "assert", "value expected")
	}
	if args[0].True() {
		return th.returns(args...)
	}
	if len(args) > 1 {
		panic(&thrown{value: args[1]})
	}
	th.fail("assertion failed!")
	return nil
}

func baseError(th *Thread, args []Value) []Value {
	v := arg(args, 1)
	level := optInt(th, args, 2, "error", 1)
	if v.k == KindString && level > 0 {
		fr := th.cur
		for ; level > 1 && fr != nil; level-- {
			fr = fr.parent
		}
		if at := fr.position(); at != "" {
			th.st.makeString(len(v.str()) + len(at))
			v = String(at + v.str())
		}
	}
	panic(&thrown{value: v})
}

func basePcall(th *Thread, args []Value) []Value {
	if len(args) == 0 {
		th.argument(1, "pcall", "value expected")
	}
	args = append([]Value(nil), args...)
	r, err := th.protect(false, func() []Value { return th.callApart(args[0], args[1:]) })
	if err != nil {
		return th.returns(False, err.value)
	}
	return th.returns(append([]Value{True}, r...)...)
}

func baseXpcall(th *Thread, args []Value) []Value {
	if len(args) < 2 {
		th.argument(2, "xpcall", "value expected")
	}
	args = append([]Value(nil), args...)
	r, err := th.protect(false, func() []Value { return th.callApart(args[0], args[2:]) })
	if err != nil {
		r, worse := th.protect(false, func() []Value { return th.callValue(args[1], []Value{err.value}, "") })
		if worse != nil {
			r = []Value{String("error in error handling")}
		}
		return th.returns(append([]Value{False}, r...)...)
	}
	return th.returns(append([]Value{True}, r...)...)
}

// callApart calls a function for pcall. An error of a library function then has no position.
func (th *Thread) callApart(f Value, args []Value) []Value {
	cur := th.cur
	if f.k == KindFunction && f.function().native != nil {
		th.cur = nil
	}
	r := th.callValue(f, args, "")
	th.cur = cur
	return r
}

func basePrint(th *Thread, args []Value) []Value {
	var b []byte
	for i, v := range args {
		if i > 0 {
			b = append(b, '\t')
		}
		s := th.tostring(v)
		th.st.makeString(len(b) + s.length())
		b = append(b, s.str()...)
	}
	_, _ = th.st.cfg.Output.Write(append(b, '\n'))
	return nil
}

func (v Value) length() int { return int(v.n) }

func baseSelect(th *Thread, args []Value) []Value {
	if v := arg(args, 1); v.k == KindString && v.str() == "#" {
		return th.ret1(Number(float64(len(args) - 1)))
	}
	n := checkInt(th, args, 1, "select")
	switch {
	case n < 0 && -n <= len(args)-1:
		n = len(args) + n
	case n <= 0:
		th.argument(1, "select", "index out of range")
	case n >= len(args):
		return nil
	}
	return th.returns(args[n:]...)
}

func baseToNumber(th *Thread, args []Value) Value {
	base := optInt(th, args, 2, "tonumber", 10)
	if base == 10 {
		if len(args) == 0 {
			th.argument(1, "tonumber", "value expected")
		}
		if f, ok := args[0].ToNumber(); ok {
			return Number(f)
		}
		return Nil
	}
	s := strings.ToLower(strings.TrimSpace(checkText(th, args, 1, "tonumber")))
	if base < 2 || base > 36 {
		th.argument(2, "tonumber", "base out of range")
	}
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	if base == 16 {
		s = strings.TrimPrefix(s, "0x")
	}
	u, err := strconv.ParseUint(s, base, 64)
	if err != nil || strings.HasPrefix(s, "+") {
		return Nil
	}
	if negative {
		return Number(-float64(u))
	}
	return Number(float64(u))
}

// tostring is Lua's tostring.
func (th *Thread) tostring(v Value) Value {
	if h := th.meta(v, "__tostring"); h.k != KindNil {
		r := th.call1(h, v)
		if r.k != KindString {
			if r.k == KindNumber {
				return String(string(appendNumber(nil, r.num())))
			}
			th.fail("'__tostring' must return a string")
		}
		return r
	}
	switch v.k {
	case KindString:
		return v
	case KindNumber:
		return th.st.text(appendNumber(nil, v.num()))
	case KindNil:
		return String("nil")
	case KindBool:
		return String(strconv.FormatBool(v.n != 0))
	case KindNull:
		return String("userdata: NULL")
	case KindFunction:
		if v.function().native != nil {
			return String(fmt.Sprintf("function: builtin: %p", v.p))
		}
	}
	return String(fmt.Sprintf("%s: %p", v.k, v.p))
}

// getMetatable returns a value's metatable. Fluent Bit gives every table that comes from a record one with its type.
func getMetatable(th *Thread, args []Value) Value {
	v := arg(args, 1)
	var m *Table
	switch v.k {
	case KindString:
		m = th.st.stringMeta
	case KindTable:
		t := (*Table)(v.p)
		if t.Meta == nil && t.Origin != 0 {
			t.Meta = &Table{}
			th.rawSet(t.Meta, String("type"), Number(float64(t.Origin)))
		}
		m = t.Meta
	}
	if m == nil {
		return Nil
	}
	if p := m.Get(String("__metatable")); p.k != KindNil {
		return p
	}
	return TableValue(m)
}

func setMetatable(th *Thread, args []Value) []Value {
	t := checkTable(th, args, 1, "setmetatable")
	m := arg(args, 2)
	if m.k != KindNil && m.k != KindTable {
		th.argument(2, "setmetatable", "nil or table expected")
	}
	if t.Meta != nil && t.Meta.Get(String("__metatable")).k != KindNil {
		th.fail("cannot change a protected metatable")
	}
	t.load()
	t.Meta, t.Origin = m.Table(), 0
	return th.ret1(args[0])
}
