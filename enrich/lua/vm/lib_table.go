package vm

import "slices"

func tableLibrary() library {
	return library{
		"concat": tableConcat,
		"insert": tableInsert,
		"remove": tableRemove,
		"sort":   tableSort,
		"maxn": func(th *Thread, args []Value) []Value {
			t := checkTable(th, args, 1, "maxn")
			th.st.spend(len(t.ents) + 1)
			return th.ret1(Number(t.MaxN()))
		},
		"getn": func(th *Thread, args []Value) []Value {
			return th.ret1(Number(float64(checkTable(th, args, 1, "getn").Len())))
		},
		"foreach": func(th *Thread, args []Value) []Value {
			t, f := checkTable(th, args, 1, "foreach"), functionValue(checkFunction(th, args, 2, "foreach"))
			for at := 0; ; {
				k, v, next, ok := t.Next(at)
				if !ok {
					return nil
				}
				if r := th.call1(f, k, v); r.k != KindNil {
					return th.ret1(r)
				}
				at = next
			}
		},
		"foreachi": func(th *Thread, args []Value) []Value {
			t, f := checkTable(th, args, 1, "foreachi"), functionValue(checkFunction(th, args, 2, "foreachi"))
			for i := 1; i <= t.Len(); i++ {
				if r := th.call1(f, Number(float64(i)), t.Get(Number(float64(i)))); r.k != KindNil {
					return th.ret1(r)
				}
			}
			return nil
		},
		"unpack": tableUnpack,
	}
}

// maxUnpack is the maximum number of values that unpack returns.
const maxUnpack = 8000

func tableUnpack(th *Thread, args []Value) []Value {
	t := checkTable(th, args, 1, "unpack")
	from := optInt(th, args, 2, "unpack", 1)
	to := optInt(th, args, 3, "unpack", t.Len())
	if from > to {
		return nil
	}
	if to-from >= maxUnpack {
		th.fail("too many results to unpack")
	}
	th.st.spend(to - from + 1)
	th.ret = th.ret[:0]
	for i := from; i <= to; i++ {
		th.ret = append(th.ret, t.Get(Number(float64(i))))
	}
	return th.ret
}

func tableConcat(th *Thread, args []Value) []Value {
	t := checkTable(th, args, 1, "concat")
	sep := ""
	if arg(args, 2).k != KindNil {
		sep = checkText(th, args, 2, "concat")
	}
	from := optInt(th, args, 3, "concat", 1)
	to := optInt(th, args, 4, "concat", t.Len())
	b := th.st.spare[:0]
	for i := from; i <= to; i++ {
		v := t.Get(Number(float64(i)))
		if !isText(v) {
			th.fail("invalid value (%s) at index %d in table for 'concat'", v.k, i)
		}
		th.st.spend(1)
		b = grow(b, textLen(v)+len(sep))
		if b = appendText(b, v); i < to {
			b = append(b, sep...)
		}
		if len(b) > MaxString {
			panic(&thrown{limit: LimitString})
		}
	}
	th.st.keep(b)
	return th.ret1(th.st.text(b))
}

func tableInsert(th *Thread, args []Value) []Value {
	t := checkTable(th, args, 1, "insert")
	n := t.Len()
	switch len(args) {
	case 2:
		th.rawSet(t, Number(float64(n+1)), args[1])
	case 3:
		at := checkInt(th, args, 2, "insert")
		th.st.spend(max(n-at, 0)/4 + 1)
		for i := n; i >= at && i >= 1; i-- {
			th.rawSet(t, Number(float64(i+1)), t.Get(Number(float64(i))))
		}
		th.rawSet(t, Number(float64(at)), args[2])
	default:
		th.fail("wrong number of arguments to 'insert'")
	}
	return nil
}

func tableRemove(th *Thread, args []Value) []Value {
	t := checkTable(th, args, 1, "remove")
	n := t.Len()
	at := optInt(th, args, 2, "remove", n)
	if n == 0 || at < 1 || at > n {
		return nil
	}
	th.st.spend((n-at)/4 + 1)
	v := t.Get(Number(float64(at)))
	copy(t.arr[at-1:], t.arr[at:])
	t.arr[n-1] = Nil
	t.trim()
	return th.ret1(v)
}

func tableSort(th *Thread, args []Value) []Value {
	t := checkTable(th, args, 1, "sort")
	t.load()
	var less func(a, b Value) bool
	if arg(args, 2).k != KindNil {
		f := functionValue(checkFunction(th, args, 2, "sort"))
		less = func(a, b Value) bool { return th.call1(f, a, b).True() }
	} else {
		less = func(a, b Value) bool { return th.less(a, b, false) }
	}
	sorted := slices.Clone(t.arr) // the function may change the table
	th.st.allocate(len(sorted) * valueBytes)
	slices.SortFunc(sorted, func(a, b Value) int {
		th.st.spend(1)
		switch {
		case less(a, b):
			return -1
		case less(b, a):
			return 1
		}
		return 0
	})
	if len(t.arr) > len(sorted) {
		sorted = append(sorted, t.arr[len(sorted):]...)
	}
	t.arr = sorted
	t.trim()
	return nil
}
