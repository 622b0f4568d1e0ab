package vm_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/enrich/lua/vm"
)

// run runs a script and returns what it prints.
func run(t testing.TB, name, src string) (output string, err error) {
	t.Helper()
	var out bytes.Buffer
	st := vm.New(vm.Config{Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Output: &out})
	f, err := st.Load(name, src)
	if err != nil {
		return "", err
	}
	err = st.Call(f, nil)
	return out.String(), err
}

// The files *.out are what LuaJIT 2.1 prints. Where there is a luajit, it is asked again.
func TestScriptsPrintWhatLuaJITPrints(t *testing.T) {
	t.Setenv("TZ", "UTC")
	scripts, err := filepath.Glob("testdata/*.lua")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, path := range scripts {
		t.Run(filepath.Base(path), func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(path, ".lua") + ".out")
			if err != nil {
				t.Fatal(err)
			}
			if program, err := exec.LookPath("luajit"); err == nil {
				cmd := exec.Command(program, filepath.Base(path))
				cmd.Dir = filepath.Dir(path)
				if got, err := cmd.CombinedOutput(); err != nil || !bytes.Equal(got, want) {
					t.Errorf("LuaJIT prints (%v):\n%s", err, difference(string(got), string(want)))
				}
			}
			got, err := run(t, filepath.Base(path), string(src))
			if err != nil || got != string(want) {
				t.Errorf("%v\n%s", err, difference(got, string(want)))
			}
		})
	}
}

// difference is the first line that differs.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for n := range w {
		if n >= len(g) || g[n] != w[n] {
			return "got  " + strings.Join(g[min(n, len(g)):min(n+1, len(g))], "") + "\nwant " + w[n]
		}
	}
	return "more than wanted"
}

// Each of these takes all that it can get.
func TestHostileScriptsAreStopped(t *testing.T) {
	for src, want := range map[string]vm.Limit{
		`while true do end`:                                  vm.LimitSteps,
		`repeat until false`:                                 vm.LimitSteps,
		`::a:: goto a`:                                       vm.LimitSteps,
		`for i = 1, 1e300 do end`:                            vm.LimitSteps,
		`for i = 1, 1, 0 do end`:                             vm.LimitSteps,
		`pcall(function() while true do end end)`:            vm.LimitSteps,
		`while true do pcall(error, "x") end`:                vm.LimitSteps,
		`while true do xpcall(error, error) end`:             vm.LimitSteps,
		`coroutine.wrap(function() while true do end end)()`: vm.LimitSteps,
		`string.find(string.rep("a", 1e5), ".-.-.-.-.-b")`:   vm.LimitSteps,
		`string.find(string.rep("a", 30), string.rep("a?", 30) .. string.rep("a", 30) .. "$")`:    vm.LimitSteps,
		`string.match(string.rep("(", 1e6), string.rep("%b()", 50))`:                              vm.LimitSteps,
		`local t = {} for i = 1, 3e4 do t[i] = i end for i = 1, 3e4 do table.insert(t, 1, i) end`: vm.LimitSteps,
		`local x = ("x"):rep(4e6) while true do x = x:upper() end`:                                vm.LimitSteps,
		`while true do string.format("%99.99f", 1e300) end`:                                       vm.LimitSteps,
		`string.rep("x", 1e9)`:                                                                 vm.LimitString,
		`string.rep("x", 1e9, "y")`:                                                            vm.LimitString,
		`local s = "x" while true do s = s .. s end`:                                           vm.LimitString,
		`local s = "x" while true do s = s:gsub(".", "%0%0") end`:                              vm.LimitSteps,
		`local s = ("x"):rep(1e5) local t = {} for i = 1, 100 do t[i] = s end table.concat(t)`: vm.LimitString,
		`os.date(("%c"):rep(1e6))`:                                                             vm.LimitString,
		`loadstring(("x=1 "):rep(1e6))`:                                                        vm.LimitString,
		`load(function() return ("x"):rep(1e5) end)`:                                           vm.LimitString,
		`local t = {} while true do t[#t + 1] = {} end`:                                        vm.LimitMemory,
		`local t = {} for i = 1, 1e9 do t[i] = i end`:                                          vm.LimitMemory,
		`local t = {} for i = 1, 1e9 do t["k" .. i] = i end`:                                   vm.LimitMemory,
		`local t = {} for i = 1, 1e9 do t = { t } end`:                                         vm.LimitMemory,
		`local s = ("x"):rep(1e6) t = {} for i = 1, 1e9 do t[i] = s .. i end`:                  vm.LimitMemory,
		`local f = function() end while true do local g = f f = function() return g() end end`: vm.LimitMemory,
		`local x = ("x"):rep(1e5) local t = {} for i = 1, 1e5 do t[i] = x:sub(i) end`:          vm.LimitMemory,
		`local cs = {} while true do local c = coroutine.create(function() coroutine.yield() end) coroutine.resume(c) cs[#cs + 1] = c end`: vm.LimitCoroutines,
		`local function g() return coroutine.wrap(g)() end g()`:                                                                            vm.LimitCoroutines,
	} {
		begun := time.Now()
		_, err := run(t, "x", src)
		e, _ := err.(*vm.Error)
		if took := time.Since(begun); took > 30*vm.MaxTime { // a machine may be busy
			t.Errorf("%s ran for %v", src, took)
		}
		if e == nil || e.Limit != want && e.Limit != vm.LimitTime {
			t.Errorf("%s: got %v, want %q", src, err, want)
		}
	}
}

// These are errors, which a script may catch, and none of the program.
func TestDeepRecursionIsAnError(t *testing.T) {
	for _, src := range []string{
		`local function f() return 1 + f() end f()`,
		`local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x`,
		`local t = setmetatable({}, {__newindex = function(t, k, v) t[k] = v end}) t.x = 1`,
		`local t = setmetatable({}, {__call = function(t) return 1 + t() end}) t()`,
		`tostring(setmetatable({}, {__tostring = tostring}))`,
		`local function f() string.gsub("x", "x", f) end f()`,
		`local function f() table.sort({1, 2}, f) end f()`,
		`local function f() pcall(f) error("x") end f()`,
		`local function f() local ok, e = pcall(f) if not ok then error(e) end end f()`,
		`coroutine.wrap(function() local function f() return 1 + f() end f() end)()`,
		`local a, b = setmetatable({}, {}), setmetatable({}, {}) getmetatable(a).__index = b getmetatable(b).__index = a return a.x`,
		`string.find(string.rep("x", 300), string.rep("x?", 300))`, `string.find("x", string.rep("(", 1e5))`,
		`assert(loadstring(string.rep("(", 1e5)))`, `assert(loadstring("return " .. string.rep("1+", 1e5) .. "1"))`,
		`assert(loadstring("return " .. string.rep("{", 1e5)))`, `assert(loadstring(string.rep("do ", 1e5)))`,
		`assert(loadstring("return " .. string.rep("-", 1e5):gsub("-", "- ") .. "1"))`,
		`assert(loadstring("x" .. string.rep(".x", 1e5) .. " = 1"))`, `assert(loadstring("return " .. string.rep("x..", 1e3) .. "x", "=c"))()`,
		`return unpack({}, 1, 1e9)`, `error()`, `error({})`, `error(setmetatable({}, {__tostring = function() error("x") end}))`,
		`for k in pairs(_G) do _G[k] = nil end`, `getmetatable("").__index = nil return ("x"):rep(1)`,
		`local s = {} for i = 1, 300 do s[i] = "local a" .. i end assert(loadstring(table.concat(s, " ")))`,
	} {
		_, err := run(t, "x", src)
		if e, ok := err.(*vm.Error); !ok || e.Limit != "" || strings.Contains(e.Text, "internal") {
			t.Errorf("%s: got %v, want an error of the script", src, err)
		}
	}
}

func TestScriptsReachNoFilesAndProcesses(t *testing.T) {
	for _, src := range []string{
		`io.open("/etc/passwd")`, `io.popen("id")`, `io.lines("/etc/passwd")`, `io.write("x")`, `os.execute("id")`, `os.remove("/tmp/x")`,
		`os.rename("a", "b")`, `os.exit()`, `os.tmpname()`, `dofile("/etc/passwd")`, `loadfile("/etc/passwd")`, `package.loadlib("x", "y")`,
	} {
		if _, err := run(t, "x.lua", src); err == nil || !strings.Contains(err.Error(), "x.lua:1: ") || !strings.Contains(err.Error(), "no access to files and processes") {
			t.Errorf("%s: got %v", src, err)
		}
	}
	if _, err := run(t, "x", `require("socket")`); err == nil || !strings.Contains(err.Error(), "module 'socket' not found") {
		t.Errorf("got %v", err)
	}
	if out, err := run(t, "x", `print(require("bit") == bit, require("string") == string)`); err != nil || out != "true\ttrue\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

// What a script keeps between calls is counted as long as it keeps it.
func TestMemoryIsWhatIsKept(t *testing.T) {
	st := vm.New(vm.Config{Now: time.Now, Output: &bytes.Buffer{}})
	f, err := st.Load("x", `
		kept = {}
		function use() local t = {} for i = 1, 1000 do t[i] = ("x"):rep(1000) .. i end end
		function keep() kept[#kept + 1] = ("x"):rep(100000) .. #kept end`)
	if err == nil {
		err = st.Call(f, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := st.Call(st.Global("use"), nil); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 200 {
		if err := st.Call(st.Global("keep"), nil); err != nil {
			if kept := n * 100_000; kept < vm.MaxMemory*3/4 || kept > vm.MaxMemory*2 {
				t.Errorf("stopped with %d bytes kept: %v", kept, err)
			}
			return
		}
	}
	t.Error("20 MB are kept")
}

func TestSyntaxErrorsHaveAPlace(t *testing.T) {
	for src, want := range map[string]string{
		"x = = 1":                  "s.lua:1: unexpected symbol near '='",
		"\n\nfoo bar":              "s.lua:3: '=' expected near 'bar'",
		"if x then":                "s.lua:1: 'end' expected near '<eof>'",
		"if x then\n\ny()":         "s.lua:3: 'end' expected (to close 'if' at line 1) near '<eof>'",
		"x = 'abc":                 "s.lua:1: unfinished string near '<eof>'",
		"x = [[abc":                "s.lua:1: unfinished long string or comment near '<eof>'",
		"break":                    "s.lua:1: no loop to break near '<eof>'",
		"x = 3x":                   "s.lua:1: malformed number near '3x'",
		"f() = 1":                  "s.lua:1: syntax error: cannot assign to this expression near '='",
		"function f() x = ... end": "s.lua:1: cannot use '...' outside a vararg function near '...'",
	} {
		_, err := run(t, "s.lua", src)
		if _, ok := err.(*vm.SyntaxError); !ok || err.Error() != want {
			t.Errorf("%q: got %v, want %s", src, err, want)
		}
	}
}

func FuzzScript(f *testing.F) {
	for _, src := range []string{
		`return 1`, `local t = {1, 2, x = "y", [3] = function(...) return ... end} for k, v in pairs(t) do t[k] = nil end`,
		`print(("a b"):gsub("%w", function(c) return c:upper() end))`, `goto a ::a:: while true do break end`,
		`print(string.format("%5.2f %s %q", 1, {}, "\n"))`, `local co = coroutine.wrap(function() coroutine.yield(1) end) co()`,
		`--[==[ x ]==] return #[[x]], -1 ^ 2, not nil, "a" .. 1 .. {}`, `print(pcall(error, setmetatable({}, {__index = print})))`,
	} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if _, err := run(t, "f", src); err != nil && strings.Contains(err.Error(), "internal error") {
			t.Error(err)
		}
	})
}
