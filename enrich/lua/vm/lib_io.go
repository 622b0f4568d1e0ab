package vm

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// openFiles makes the functions that read and write files, and run commands.
func (st *State) openFiles() {
	lib := st.library("io", ioLibrary())
	st.fileMeta = &Table{}
	methods := &Table{}
	st.register(methods, "file:", fileMethods())
	st.fileMeta.Set(String("__index"), TableValue(methods))
	st.deny(lib, "io.input")
	st.deny(lib, "io.output")
	st.deny(lib, "io.tmpfile")
	st.register(st.Globals.Get(String("os")).Table(), "os.", processLibrary())
	st.register(st.Globals, "", library{
		"loadfile": func(th *Thread, args []Value) []Value {
			f, err := th.loadFile(checkText(th, args, 1, "loadfile"))
			if err != nil {
				return th.failure(err)
			}
			return th.ret1(functionValue(f))
		},
		"dofile": func(th *Thread, args []Value) []Value {
			f, err := th.loadFile(checkText(th, args, 1, "dofile"))
			if err != nil {
				panic(&thrown{value: String(err.Error())})
			}
			return th.call(f, nil)
		},
	})
}

func ioLibrary() library {
	return library{
		"open": func(th *Thread, args []Value) []Value {
			mode := "r"
			if arg(args, 2).k != KindNil {
				mode = checkText(th, args, 2, "open")
			}
			f, err := th.st.open(checkText(th, args, 1, "open"), mode)
			if err != nil {
				return th.failure(err)
			}
			return th.ret1(fileValue(f))
		},
		"popen": func(th *Thread, args []Value) []Value {
			if mode := arg(args, 2).Text(); mode != "" && mode != "r" {
				th.fail("io.popen: mode '%.10s' is not available; only 'r' is", mode)
			}
			f, err := th.st.command(checkText(th, args, 1, "popen"))
			if err != nil {
				return th.failure(err)
			}
			return th.ret1(fileValue(f))
		},
		"lines": func(th *Thread, args []Value) []Value {
			f, err := th.st.open(checkText(th, args, 1, "lines"), "r")
			if err != nil {
				th.fail("%s", th.failure(err)[1].str())
			}
			return th.ret1(th.lines(f, true))
		},
		"write": func(th *Thread, args []Value) []Value {
			for i := range args {
				_, _ = io.WriteString(th.st.cfg.Output, checkText(th, args, i+1, "write"))
			}
			return th.ret1(True)
		},
		"read":  func(th *Thread, _ []Value) []Value { return th.ret1(Nil) },
		"close": fileClose,
		"type": func(th *Thread, args []Value) []Value {
			switch v := arg(args, 1); {
			case v.k != kindFile:
				return th.ret1(Nil)
			case v.file().closed:
				return th.ret1(String("closed file"))
			}
			return th.ret1(String("file"))
		},
	}
}

func processLibrary() library {
	return library{
		"execute": func(th *Thread, args []Value) []Value {
			if len(args) == 0 {
				return th.ret1(Number(1))
			}
			f, err := th.st.command(checkText(th, args, 1, "execute"))
			if err != nil {
				return th.ret1(Number(-1))
			}
			_ = th.st.close(f)
			return th.ret1(Number(float64(f.status * 256))) // as wait(2) has it
		},
		"remove": func(th *Thread, args []Value) []Value {
			if err := os.Remove(checkText(th, args, 1, "remove")); err != nil {
				return th.failure(err)
			}
			return th.ret1(True)
		},
		"rename": func(th *Thread, args []Value) []Value {
			if err := os.Rename(checkText(th, args, 1, "rename"), checkText(th, args, 2, "rename")); err != nil {
				return th.failure(err)
			}
			return th.ret1(True)
		},
		"tmpname": func(th *Thread, _ []Value) []Value {
			f, err := os.CreateTemp("", "lua_")
			if err != nil {
				return th.failure(err)
			}
			defer f.Close()
			return th.ret1(String(f.Name()))
		},
	}
}

// checkFile returns the file that a method is called with.
func checkFile(th *Thread, args []Value, name string) *file {
	if len(args) == 0 || args[0].k != kindFile {
		th.argument(1, name, "file expected")
	}
	if args[0].file().closed {
		th.fail("attempt to use a closed file")
	}
	return args[0].file()
}

func fileClose(th *Thread, args []Value) []Value {
	if err := th.st.close(checkFile(th, args, "close")); err != nil {
		return th.failure(err)
	}
	return th.ret1(True)
}

func fileMethods() library {
	return library{
		"close": fileClose,
		"read":  fileRead,
		"lines": func(th *Thread, args []Value) []Value { return th.ret1(th.lines(checkFile(th, args, "lines"), false)) },
		"write": func(th *Thread, args []Value) []Value {
			f := checkFile(th, args, "write")
			if f.f == nil {
				return th.failure(fmt.Errorf("a command's output can't be written to"))
			}
			if n := f.r.Buffered(); n > 0 { // seek from the position after what was read, not after what was buffered
				if _, err := f.f.Seek(int64(-n), io.SeekCurrent); err != nil {
					return th.failure(err)
				}
				f.r.Reset(f.f)
			}
			for i := range args[1:] {
				text := checkText(th, args, i+2, "write")
				th.st.work(len(text))
				if _, err := f.f.WriteString(text); err != nil {
					return th.failure(err)
				}
			}
			return th.ret1(args[0])
		},
		"seek": func(th *Thread, args []Value) []Value {
			f := checkFile(th, args, "seek")
			whence, ok := map[string]int{"set": io.SeekStart, "": io.SeekCurrent, "cur": io.SeekCurrent, "end": io.SeekEnd}[arg(args, 2).Text()]
			if !ok || f.f == nil {
				return th.failure(fmt.Errorf("the file can't be positioned there"))
			}
			offset := toInt(optNumber(th, args, 3, "seek", 0))
			if whence == io.SeekCurrent {
				offset -= int64(f.r.Buffered())
			}
			at, err := f.f.Seek(offset, whence)
			if err != nil {
				return th.failure(err)
			}
			f.r.Reset(f.f)
			return th.ret1(Number(float64(at)))
		},
		"flush":   func(th *Thread, args []Value) []Value { checkFile(th, args, "flush"); return th.ret1(True) },
		"setvbuf": func(th *Thread, args []Value) []Value { checkFile(th, args, "setvbuf"); return th.ret1(True) },
	}
}

// fileRead reads what its arguments say: "*l" a line, "*a" all, "*n" a number in a line of its own, or a number of bytes.
func fileRead(th *Thread, args []Value) []Value {
	f := checkFile(th, args, "read")
	formats := args[1:]
	if len(formats) == 0 {
		formats = []Value{String("*l")}
	}
	var values []Value
	for i, format := range formats {
		var v Value
		ok := true
		if n, is := format.ToNumber(); is {
			v, ok = th.st.read(f, max(clampInt(n), 0))
		} else {
			switch strings.TrimPrefix(format.Text(), "*") {
			case "a":
				v, ok = th.st.read(f, -1)
			case "l":
				v, ok = th.st.line(f, false)
			case "L":
				v, ok = th.st.line(f, true)
			case "n":
				if v, ok = th.st.line(f, false); ok {
					var n float64
					n, ok = v.ToNumber()
					v = Number(n)
				}
			default:
				th.argument(i+1, "read", "invalid format")
			}
		}
		if !ok {
			values = append(values, Nil)
			break
		}
		values = append(values, v)
	}
	return th.returns(values...)
}

// lines returns an iterator over a file's lines. whole closes the file at the end.
func (th *Thread) lines(f *file, whole bool) Value {
	return functionValue(&Function{name: "lines", env: th.st.Globals, native: func(th *Thread, _ []Value) []Value {
		if f.closed {
			th.fail("file is already closed")
		}
		v, ok := th.st.line(f, false)
		if !ok && whole {
			_ = th.st.close(f)
		}
		return th.ret1(v)
	}})
}

// loadFile compiles a file.
func (th *Thread) loadFile(name string) (*Function, error) {
	f, err := th.st.open(name, "r")
	if err != nil {
		return nil, err
	}
	src, _ := th.st.read(f, -1)
	if err := th.st.close(f); err != nil {
		return nil, err
	}
	th.st.work(len(src.str()) * bytesPerStep)
	th.st.allocate(len(src.str()) * compiledBytes)
	return th.st.Load(name, src.str())
}

// modulePath is package.path.
func (st *State) modulePath() string {
	if !st.cfg.Files {
		return ""
	}
	return st.cfg.Dir + "/?.lua;./?.lua"
}

// requireFile loads a module for require. p is the table package.
func (th *Thread) requireFile(p *Table, name string) []Value {
	if !th.st.cfg.Files || p == nil {
		th.fail("module '%.100s' not found: a script has no access to files", name)
	}
	var tried []string
	for path := range strings.SplitSeq(p.Get(String("path")).Text(), ";") {
		path = strings.ReplaceAll(path, "?", strings.ReplaceAll(name, ".", "/"))
		if _, err := os.Stat(path); err != nil {
			tried = append(tried, path)
			continue
		}
		f, err := th.loadFile(path)
		if err != nil {
			th.fail("error loading module '%.100s': %v", name, err)
		}
		v := True
		if r := th.call(f, []Value{String(name)}); len(r) > 0 && r[0].k != KindNil {
			v = r[0]
		}
		if loaded := p.Get(String("loaded")).Table(); loaded != nil {
			th.rawSet(loaded, String(name), v)
		}
		return th.ret1(v)
	}
	th.fail("module '%.100s' not found: no file %s", name, strings.Join(tried, ", "))
	return nil
}
