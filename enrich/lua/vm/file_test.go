package vm_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firelane/firelane/enrich/lua/vm"
)

// runAllowed runs a script that may have files, in a folder of its own.
func runAllowed(t *testing.T, dir, src string) (output string, err error) {
	t.Helper()
	var out bytes.Buffer
	st := vm.New(vm.Config{Getenv: os.LookupEnv, Now: time.Now, Output: &out, Files: true, Dir: dir})
	t.Cleanup(st.Close)
	st.SetGlobal("dir", vm.String(dir+"/"))
	f, err := st.Load("x.lua", src)
	if err != nil {
		return "", err
	}
	err = st.Call(f, nil)
	return out.String(), err
}

func TestAllowedScriptHasFilesAndCommands(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "helper.lua"), []byte("loads = (loads or 0) + 1 return {twice = function(n) return 2 * n end, name = ...}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ code, want string }{
		{`local f = io.open(dir .. "a", "w") f:write("one\ntwo\n", 3, "\n") f:close() for l in io.lines(dir .. "a") do print(l) end`, "one\ntwo\n3\n"},
		{`local f = io.open(dir .. "a") print(f:read()) print(f:read("*l", 2)) print(f:read("*a"), f:read("*a"), f:read("*l"), f:read(1))`, "one\ntwo\t3\n\n\t\tnil\tnil\n"},
		{`local f = io.open(dir .. "a", "r+") print(f:seek("end")) f:seek("set", 4) print(f:read("*l"), f:seek()) f:write("3!") f:seek("set") f:write("ONE") f:seek("set") print(f:read("*a"))`, "10\ntwo\t8\nONE\ntwo\n3!\n"},
		{`local f = io.open(dir .. "a", "a") f:write("4") f:close() print(io.type(f), io.type(1), pcall(f.read, f))`, "closed file\tnil\tfalse\tattempt to use a closed file\n"},
		{`print(io.open(dir .. "none"))`, "nil\t" + dir + "/none: no such file or directory\n"},
		{`print(io.open(dir)) print(io.open("/dev/zero"))`, "nil\t" + dir + "/: not a regular file\nnil\t/dev/zero: not a regular file\n"},
		{`print(require("helper").twice(4), require("helper").name, loads)`, "8\thelper\t1\n"},
		{`print(dofile(dir .. "helper.lua").twice(2), loadfile(dir .. "helper.lua") ~= nil, (loadfile(dir .. "none")))`, "4\ttrue\tnil\n"},
		{`print(io.popen("echo out; echo err >&2; exit 3"):read("*a"))`, "out\n\n"},
		{`print(os.execute("exit 3"), os.execute("true"), os.execute("kill -9 $$") ~= 0)`, "768\t0\ttrue\n"},
		{`local n = os.tmpname() print(os.rename(n, dir .. "b"), os.remove(dir .. "b"), (os.remove(dir .. "b")))`, "true\ttrue\tnil\n"},
		{`for i = 1, 100 do io.open(dir .. "a") end print("the unused ones are closed")`, "the unused ones are closed\n"},
		{`local kept = {} for i = 1, 20 do kept[i] = io.open(dir .. "a") end print(#kept, select(2, io.open(dir .. "a")))`, "16\t16 files are open; close some\n"},
		{`io.write("a", 1, "\n")`, "a1\n"},
	} {
		if got, err := runAllowed(t, dir, tt.code); err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.code, got, err, tt.want)
		}
	}
}

func TestFilesOfAnAllowedScriptAreLimited(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, 2*vm.MaxString), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]string{
		`io.open(dir .. "large"):read("*a")`:           string(vm.LimitString),
		`io.open(dir .. "large"):read(1e9)`:            string(vm.LimitString),
		`io.open(dir .. "large"):read("*l")`:           string(vm.LimitString),
		`assert(loadfile(dir .. "large"))`:             string(vm.LimitString),
		`assert(io.open(dir .. "fifo"))`:               "not a regular file",
		`io.popen("sleep 60")`:                         string(vm.LimitTime),
		`for i = 1, 10 do os.execute("sleep 0.9") end`: string(vm.LimitTime),
		`assert(io.popen("cat /dev/zero"))`:            "",
		`os.exit()`:                                    "os.exit is not available",
		`require("none")`:                              "module 'none' not found: no file",
		`io.open(1, {})`:                               "bad argument #2 to 'open'",
		`io.open("x", "q")`:                            "",
	} {
		begun := time.Now()
		_, err := runAllowed(t, dir, code)
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", code, err, want)
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%s took %v", code, took)
		}
	}
}
