package vm

import "strings"

func patternLibrary() library {
	return library{
		"find":   func(th *Thread, args []Value) []Value { return stringFind(th, args, true) },
		"match":  func(th *Thread, args []Value) []Value { return stringFind(th, args, false) },
		"gmatch": stringGmatch,
		"gfind":  stringGmatch,
		"gsub":   stringGsub,
	}
}

const specials = "^$*+?.([%-"

func stringFind(th *Thread, args []Value, find bool) []Value {
	name := "match"
	if find {
		name = "find"
	}
	s, p := checkText(th, args, 1, name), checkText(th, args, 2, name)
	init := optInt(th, args, 3, name, 1)
	if init < 0 {
		init = max(len(s)+init+1, 1)
	}
	init = min(max(init, 1)-1, len(s))
	if find && (arg(args, 4).True() || !strings.ContainsAny(p, specials)) {
		th.st.work(len(s) - init)
		i := strings.Index(s[init:], p)
		if i < 0 {
			return th.ret1(Nil)
		}
		return th.returns(Number(float64(init+i+1)), Number(float64(init+i+len(p))))
	}
	m, anchored := th.matcher(s, p)
	at, e := init, -1
	if anchored {
		e = m.at(at)
	} else {
		at, e = m.search(at)
	}
	switch {
	case e < 0:
		th.ret = append(th.ret[:0], Nil)
	case !find:
		th.ret = m.captures(th.ret[:0], at, e)
	default:
		th.ret = append(th.ret[:0], Number(float64(at+1)), Number(float64(e)))
		for l := range m.level {
			th.ret = append(th.ret, m.value(l, at, e))
		}
	}
	m.release()
	return th.ret
}

// search finds the first match from s on, and its end, which is -1 if there is none.
func (m *matcher) search(s int) (at, end int) {
	for ; s <= len(m.src); s++ {
		if s = m.skip(s); s < 0 {
			return 0, -1
		}
		if e := m.at(s); e >= 0 {
			return s, e
		}
	}
	return 0, -1
}

func stringGmatch(th *Thread, args []Value) []Value {
	s, p := checkText(th, args, 1, "gmatch"), checkText(th, args, 2, "gmatch")
	at := 0
	th.st.allocate(functionBytes + len(s))
	return th.ret1(functionValue(&Function{name: "gmatch", env: th.st.Globals, native: func(th *Thread, _ []Value) []Value {
		if at > len(s) {
			return th.ret1(Nil)
		}
		m, _ := th.matcher(s, "")
		m.pat = p // ^ isn't an anchor here
		start, e := m.search(at)
		if e < 0 {
			at = len(s) + 1
			th.ret = append(th.ret[:0], Nil)
		} else {
			if at = e; e == start {
				at++
			}
			th.ret = m.captures(th.ret[:0], start, e)
		}
		m.release()
		return th.ret
	}}))
}

func stringGsub(th *Thread, args []Value) []Value {
	s, p := checkText(th, args, 1, "gsub"), checkText(th, args, 2, "gsub")
	repl := arg(args, 3)
	switch repl.k {
	case KindString, KindTable, KindFunction:
	case KindNumber:
		repl = String(checkText(th, args, 3, "gsub"))
	default:
		th.argument(3, "gsub", "string/function/table expected, got "+typeName(args, 3))
	}
	limit := optInt(th, args, 4, "gsub", len(s)+1)
	m, anchored := th.matcher(s, p)
	var b []byte // not the State's buffer: a replacement function may build strings, too
	at, n, copied := 0, 0, 0
	for n < limit {
		if !anchored {
			if next := m.skip(at); next < 0 {
				break
			} else {
				at = next
			}
		}
		e := m.at(at)
		if e >= 0 {
			n++
			b = append(grow(b, e-copied), s[copied:at]...)
			b = m.replace(b, repl, at, e)
			copied = e
			if len(b) > MaxString {
				panic(&thrown{limit: LimitString})
			}
		}
		if e > at {
			at = e
		} else if at < len(s) {
			at++
		} else {
			break
		}
		if anchored {
			break
		}
	}
	m.release()
	if n == 0 {
		return th.returns(Borrow(s), Number(0))
	}
	b = append(grow(b, len(s)-copied), s[copied:]...)
	return th.returns(th.st.text(b), Number(float64(n)))
}

// replace appends what replaces the match src[s:e].
func (m *matcher) replace(b []byte, repl Value, s, e int) []byte {
	var v Value
	switch repl.k {
	case KindString:
		return m.expand(b, repl.str(), s, e)
	case KindTable:
		v = m.th.index(repl, m.value(0, s, e), "")
	default:
		v = m.th.call1(repl, m.captures(nil, s, e)...)
	}
	switch {
	case !v.True():
		return append(b, m.src[s:e]...)
	case !isText(v):
		m.th.fail("invalid replacement value (a %s)", v.k)
	}
	return appendText(grow(b, textLen(v)), v)
}

// expand appends a replacement with %0 to %9.
func (m *matcher) expand(b []byte, repl string, s, e int) []byte {
	m.th.st.work(len(repl))
	b = grow(b, len(repl))
	for i := 0; i < len(repl); i++ {
		c := repl[i]
		if c != '%' {
			b = append(b, c)
			continue
		}
		if i++; i == len(repl) {
			return append(b, '%')
		}
		switch c = repl[i]; {
		case c == '0':
			b = append(b, m.src[s:e]...)
		case isDigit(c):
			b = appendText(b, m.value(int(c-'1'), s, e))
		default:
			b = append(b, c)
		}
	}
	return b
}
