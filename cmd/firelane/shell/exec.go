package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
)

// exec runs a command that isn't one of the shell's own: a script, a small program, a program of firelane's, or a file of the image.
func (c call) exec(ctx context.Context, args []string, next interp.ExecHandlerFunc) error {
	hc := interp.HandlerCtx(ctx)
	c.ctx, c.name, c.args = ctx, path.Base(args[0]), args[1:]
	c.stdout, c.stderr, c.dir, c.env = hc.Stdout, hc.Stderr, hc.Dir, exported(hc.Env)
	c.stdin, _ = hc.Stdin.(*os.File)
	status, ok := c.run(args[0])
	switch {
	case ok && status == exitOK:
		return nil
	case ok:
		return interp.ExitStatus(status)
	}
	if _, err := interp.LookPathDir(hc.Dir, hc.Env, args[0]); err == nil {
		return next(ctx, args)
	}
	fmt.Fprintf(hc.Stderr, "sh: this image has no %q; it has the shell's own commands, %s, firelane, fluent-bit and fluentd\n", args[0], strings.Join(Names(), ", "))
	return interp.ExitStatus(exitNotFound)
}

// run runs a command in this process; ok is false if that isn't possible.
func (c *call) run(name string) (status int, ok bool) {
	if strings.Contains(name, "/") {
		if text, err := c.script(name); err == nil {
			return c.text(name, text, nil, c.args), true
		}
	}
	if run := applet(c.name); run != nil {
		return run(c), true
	}
	return c.program(name, c.args)
}

// program runs a program of firelane's.
func (c *call) program(name string, args []string) (status int, ok bool) {
	if c.shell.Program == nil {
		return 0, false
	}
	c.shell.programs.add(1)
	defer c.shell.programs.add(-1)
	return c.shell.Program(Program{Context: c.ctx, Path: name, Args: args, Environ: c.env, Stdout: c.stdout, Stderr: c.stderr})
}

// exported are the variables that a program gets. Each passes a variable as often as it was set or unset; the last time counts.
func exported(env expand.Environ) (list []string) {
	set := map[string]string{}
	env.Each(func(name string, v expand.Variable) bool {
		if delete(set, name); v.Exported && v.IsSet() && v.Kind == expand.String {
			set[name] = v.Str
		}
		return true
	})
	for _, name := range slices.Sorted(maps.Keys(set)) {
		list = append(list, name+"="+set[name])
	}
	return list
}

// lookup is the value of an exported variable.
func (c *call) lookup(name string) string {
	for _, e := range c.env {
		if n, value, _ := strings.Cut(e, "="); n == name {
			return value
		}
	}
	return ""
}

// errProgram means that a file isn't a script for this shell.
var errProgram = errors.New("is a program")

// script reads a script: a text whose first line names this shell, or nothing.
func (c *call) script(name string) (string, error) {
	f, err := os.Open(c.abs(name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errProgram
	}
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	head = head[:n]
	if bytes.IndexByte(head, 0) >= 0 || !forThisShell(head) {
		return "", errProgram
	}
	rest, err := io.ReadAll(io.LimitReader(f, maxScript))
	return string(head) + string(rest), err
}

// forThisShell reports whether a script's first line names sh, bash or ash, or no interpreter.
func forThisShell(head []byte) bool {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	interpreter, ok := bytes.CutPrefix(line, []byte("#!"))
	if !ok {
		return true
	}
	for _, word := range strings.Fields(string(interpreter)) {
		switch path.Base(word) {
		case "env":
			continue
		case "sh", "bash", "ash", "dash":
			return true
		}
		if !strings.HasPrefix(word, "-") {
			return false
		}
	}
	return false
}

// abs is the path of a file, from the call's directory.
func (c *call) abs(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.dir, name)
}

// openFile opens a file to be read: one on disk, or one that is built in.
func (c *call) openFile(name string) (io.ReadCloser, error) {
	f, err := os.Open(c.abs(name))
	if errors.Is(err, os.ErrNotExist) && c.shell.BuiltIn != nil {
		if text, ok := c.shell.BuiltIn(name); ok {
			return io.NopCloser(strings.NewReader(text)), nil
		}
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// open opens the file of a redirection. Folders are made as needed. What is added to a file that is built in follows its text.
// /dev/tcp/HOST/PORT is a connection, as in Bash.
func (s *Shell) open(ctx context.Context, name string, flag int, perm os.FileMode) (io.ReadWriteCloser, error) {
	c := &call{shell: s, ctx: ctx, dir: interp.HandlerCtx(ctx).Dir}
	if address, ok := strings.CutPrefix(name, "/dev/tcp/"); ok {
		host, port, _ := strings.Cut(address, "/")
		conn, err := Dial(ctx, "tcp", net.JoinHostPort(host, port), netTime)
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
		return conn, nil
	}
	if flag&os.O_CREATE == 0 {
		f, err := c.openFile(name)
		if err != nil {
			return nil, err
		}
		if rw, ok := f.(*os.File); ok {
			return rw, nil
		}
		return readOnly{f}, nil
	}
	file := c.abs(name)
	before := ""
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, err
		}
		if flag&os.O_APPEND != 0 && s.BuiltIn != nil {
			before, _ = s.BuiltIn(name)
		}
	}
	f, err := os.OpenFile(file, flag, perm)
	if err == nil && before != "" {
		_, err = f.WriteString(before)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// readOnly is a file that is built in.
type readOnly struct{ io.ReadCloser }

func (readOnly) Write([]byte) (int, error) { return 0, os.ErrPermission }

// input is the call's standard input. A read ends with the call's context.
func (c *call) input() io.Reader {
	if c.stdin == nil {
		return strings.NewReader("")
	}
	return &input{ctx: c.ctx, file: c.stdin}
}

// pollMillis is how often a read that waits checks its context, in ms.
const pollMillis = 100

type input struct {
	ctx  context.Context
	file *os.File
}

// Read implements io.Reader. Terminals and inherited pipes have no deadlines, so it polls.
func (in *input) Read(b []byte) (int, error) {
	raw, err := in.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	for {
		ready := 0
		err := raw.Control(func(fd uintptr) {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			ready, _ = unix.Poll(fds, pollMillis)
		})
		switch {
		case err != nil:
			return 0, err
		case ready > 0:
			return in.file.Read(b)
		case in.ctx.Err() != nil:
			return 0, context.Cause(in.ctx)
		}
	}
}
