package vm

import "math"

// A library has its functions by name.
type library map[string]func(*Thread, []Value) []Value

// openLibrary makes the global variables.
func (st *State) openLibrary() {
	g := st.Globals
	st.register(g, "", baseLibrary())
	st.register(g, "", membersLibrary())
	st.register(g, "", loadLibrary())
	g.Set(String("_G"), TableValue(g))
	g.Set(String("_VERSION"), String("Lua 5.1"))
	st.next = g.Get(String("next"))
	st.next.function().isNext = true
	st.inext = functionValue(&Function{name: "ipairs", env: g, native: func(th *Thread, args []Value) []Value {
		t, i := checkTable(th, args, 1, "ipairs"), checkInt(th, args, 2, "ipairs")+1
		if v := t.Get(Number(float64(i))); v.k != KindNil {
			return th.returns(Number(float64(i)), v)
		}
		return th.ret1(Nil)
	}})
	text := st.library("string", stringLibrary())
	st.register(text, "string.", patternLibrary())
	st.stringMeta = &Table{}
	st.stringMeta.Set(String("__index"), TableValue(text))
	st.library("table", tableLibrary())
	m := st.library("math", mathLibrary())
	m.Set(String("pi"), Number(math.Pi))
	m.Set(String("huge"), Number(math.Inf(1)))
	st.library("bit", bitLibrary())
	st.library("os", osLibrary())
	st.library("coroutine", coroutineLibrary())
	st.library("debug", debugLibrary())
	if st.cfg.Files {
		st.openFiles()
	} else {
		st.denyFiles()
	}
	st.deny(g.Get(String("os")).Table(), "os.exit")
	st.deny(g.Get(String("os")).Table(), "os.setlocale")
	loaded := &Table{}
	for _, name := range []string{"string", "table", "math", "bit", "os", "coroutine", "debug", "_G"} {
		loaded.Set(String(name), g.Get(String(name)))
	}
	p := st.library("package", nil)
	p.Set(String("loaded"), TableValue(loaded))
	p.Set(String("preload"), TableValue(&Table{}))
	p.Set(String("path"), String(st.modulePath()))
	p.Set(String("cpath"), String(""))
	st.deny(p, "package.loadlib")
}

// denyFiles defines the functions for files and commands, so that calling them is an error.
func (st *State) denyFiles() {
	for _, name := range []string{"os.execute", "os.remove", "os.rename", "os.tmpname"} {
		st.deny(st.Globals.Get(String("os")).Table(), name)
	}
	io := st.library("io", nil)
	for _, name := range []string{"io.open", "io.popen", "io.lines", "io.read", "io.write", "io.input", "io.output", "io.close", "io.tmpfile"} {
		st.deny(io, name)
	}
	for _, name := range []string{"dofile", "loadfile"} {
		st.deny(st.Globals, name)
	}
}

// library makes a global table of functions.
func (st *State) library(name string, functions library) *Table {
	t := &Table{}
	st.register(t, name+".", functions)
	st.Globals.Set(String(name), TableValue(t))
	return t
}

func (st *State) register(t *Table, prefix string, functions library) {
	for name, f := range functions {
		t.Set(String(name), functionValue(&Function{native: f, name: prefix + name, env: st.Globals}))
	}
}

// deny defines a function that fails with "is not available". name is as a script writes it.
func (st *State) deny(t *Table, name string) {
	short := name
	for i := range name {
		if name[i] == '.' {
			short = name[i+1:]
		}
	}
	t.Set(String(short), functionValue(&Function{name: name, env: st.Globals, native: func(th *Thread, _ []Value) []Value {
		th.fail("%s is not available: a script has no access to files and processes", name)
		return nil
	}}))
}

// SetGlobal sets a global variable.
func (st *State) SetGlobal(name string, v Value) { st.Globals.Set(String(name), v) }

// Global returns a global function, nil if there is none of that name.
func (st *State) Global(name string) *Function {
	if v := st.Globals.Get(String(name)); v.k == KindFunction {
		return v.function()
	}
	return nil
}

// The functions below read arguments. name is that of the function, for errors; the first argument is 1.

func arg(args []Value, n int) Value {
	if n > len(args) {
		return Nil
	}
	return args[n-1]
}

func typeName(args []Value, n int) string {
	if n > len(args) {
		return "no value"
	}
	return args[n-1].k.String()
}

func checkTable(th *Thread, args []Value, n int, name string) *Table {
	if t := arg(args, n).Table(); t != nil {
		return t
	}
	th.argument(n, name, "table expected, got "+typeName(args, n))
	return nil
}

func checkFunction(th *Thread, args []Value, n int, name string) *Function {
	if v := arg(args, n); v.k == KindFunction {
		return v.function()
	}
	th.argument(n, name, "function expected, got "+typeName(args, n))
	return nil
}

func checkNumber(th *Thread, args []Value, n int, name string) float64 {
	f, ok := arg(args, n).ToNumber()
	if !ok {
		th.argument(n, name, "number expected, got "+typeName(args, n))
	}
	return f
}

func optNumber(th *Thread, args []Value, n int, name string, otherwise float64) float64 {
	if arg(args, n).k == KindNil {
		return otherwise
	}
	return checkNumber(th, args, n, name)
}

// checkInt returns an integer within the range of 32 bits, which is enough for places in strings and tables.
func checkInt(th *Thread, args []Value, n int, name string) int {
	return clampInt(checkNumber(th, args, n, name))
}

func optInt(th *Thread, args []Value, n int, name string, otherwise int) int {
	if arg(args, n).k == KindNil {
		return otherwise
	}
	return checkInt(th, args, n, name)
}

func clampInt(f float64) int {
	return int(min(max(toInt(f), math.MinInt32), math.MaxInt32))
}

// checkText returns a string, or a number as a string.
func checkText(th *Thread, args []Value, n int, name string) string {
	switch v := arg(args, n); v.k {
	case KindString:
		return v.str()
	case KindNumber:
		return string(appendNumber(nil, v.num()))
	}
	th.argument(n, name, "string expected, got "+typeName(args, n))
	return ""
}
