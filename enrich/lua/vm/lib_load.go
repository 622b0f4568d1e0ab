package vm

import "strings"

// maxSource is the maximum length of a script's text in bytes, also for load.
const maxSource = 1 << 20

func loadLibrary() library {
	return library{
		"load":       baseLoad,
		"loadstring": baseLoad,
		"getfenv": func(th *Thread, args []Value) []Value {
			if f := environmentOf(th, args, "getfenv"); f != nil && f.env != nil {
				return th.ret1(TableValue(f.env))
			}
			return th.ret1(TableValue(th.st.Globals))
		},
		"setfenv": func(th *Thread, args []Value) []Value {
			env := checkTable(th, args, 2, "setfenv")
			f := environmentOf(th, args, "setfenv")
			if f == nil {
				th.fail("'setfenv' cannot change environment of given object")
			}
			f.env = env
			return th.ret1(functionValue(f))
		},
		"require": func(th *Thread, args []Value) []Value {
			name := checkText(th, args, 1, "require")
			p := th.st.Globals.Get(String("package")).Table()
			if p != nil {
				if loaded := p.Get(String("loaded")).Table(); loaded != nil {
					if v := loaded.Get(String(name)); v.True() {
						return th.ret1(v)
					}
				}
			}
			return th.requireFile(p, name)
		},
	}
}

// environmentOf returns the function whose environment is meant: the argument is a function, or the level of a running one.
func environmentOf(th *Thread, args []Value, name string) *Function {
	if v := arg(args, 1); v.k == KindFunction {
		return v.function()
	}
	level := optInt(th, args, 1, name, 1)
	if level < 0 {
		th.argument(1, name, "level must be non-negative")
	}
	fr := th.cur
	for ; level > 1 && fr != nil; level-- {
		fr = fr.parent
	}
	if fr == nil || level == 0 {
		return nil
	}
	return fr.fn
}

func baseLoad(th *Thread, args []Value) []Value {
	var src string
	if v := arg(args, 1); v.k == KindFunction {
		src = loadParts(th, v)
	} else {
		src = checkText(th, args, 1, "load")
	}
	if len(src) > maxSource {
		panic(&thrown{limit: LimitString})
	}
	name := src
	if v := arg(args, 2); v.k == KindString {
		name = strings.TrimLeft(v.str(), "=@")
	} else if i := strings.IndexByte(name, '\n'); i >= 0 || len(name) > nearBytes {
		name = `[string "` + name[:min(max(i, 0), nearBytes)] + `..."]`
	} else {
		name = `[string "` + name + `"]`
	}
	th.st.work(len(src) * bytesPerStep) // compiling takes a while, and memory
	th.st.allocate(len(src) * compiledBytes)
	f, err := th.st.Load(name, strings.Clone(src))
	if err != nil {
		return th.returns(Nil, String(err.Error()))
	}
	return th.ret1(functionValue(f))
}

// compiledBytes is approximately how many bytes of memory the compiled form of one byte of a script takes.
const compiledBytes = 16

// loadParts calls a function until it returns nothing more.
func loadParts(th *Thread, f Value) string {
	var b []byte
	for {
		v := th.call1(f)
		if v.k != KindString || v.n == 0 {
			return string(b)
		}
		if b = append(b, v.str()...); len(b) > maxSource {
			panic(&thrown{limit: LimitString})
		}
	}
}

// debugLibrary is the part of debug that error handlers use.
func debugLibrary() library {
	return library{
		"traceback": func(th *Thread, args []Value) []Value {
			if len(args) > 0 && args[0].k != KindString && args[0].k != KindNumber && args[0].k != KindNil {
				return th.ret1(args[0])
			}
			b := appendText(nil, arg(args, 1))
			if len(b) > 0 {
				b = append(b, '\n')
			}
			b = append(b, "stack traceback:"...)
			for fr, n := th.cur, 0; fr != nil && n < maxTraceback; fr, n = fr.parent, n+1 {
				b = append(b, "\n\t"+fr.position()+"in function '"+fr.fn.proto.name+"'"...)
			}
			return th.ret1(th.st.text(b))
		},
		"getinfo": func(th *Thread, args []Value) []Value {
			fr := th.cur
			v := arg(args, 1)
			if v.k == KindNumber {
				for n := clampInt(v.num()); n > 1 && fr != nil; n-- {
					fr = fr.parent
				}
				if fr == nil {
					return th.ret1(Nil)
				}
				v = functionValue(fr.fn)
			} else if v.k != KindFunction {
				th.argument(1, "getinfo", "function or level expected")
			} else {
				fr = nil
			}
			return th.ret1(TableValue(debugInfo(th, v, fr)))
		},
	}
}

const maxTraceback = 20 // functions

func debugInfo(th *Thread, v Value, fr *frame) *Table {
	t := &Table{}
	set := func(name string, v Value) { th.rawSet(t, String(name), v) }
	set("func", v)
	p := v.function().proto
	if p == nil {
		set("what", String("C"))
		set("short_src", String("[C]"))
		set("source", String("=[C]"))
		set("currentline", Number(-1))
		set("nparams", Number(0))
		set("isvararg", True)
		return t
	}
	set("what", String("Lua"))
	set("source", String("@"+p.source))
	set("short_src", String(p.source))
	set("linedefined", Number(float64(p.line)))
	set("nparams", Number(float64(p.params)))
	set("isvararg", Bool(p.dots))
	set("nups", Number(float64(len(p.upvalues))))
	set("currentline", Number(-1))
	if fr != nil {
		set("currentline", Number(float64(fr.line)))
		if p.name != "" {
			set("name", String(p.name))
		}
	}
	return t
}
