// Package shell is the shell of the image, and the small programs that health checks and scripts call.
//
// The image is FROM scratch: it has one static program, firelane, and links to it. Task definitions check a router's health with a
// shell ("echo '{"health": "check"}' | nc 127.0.0.1 8877 || exit 1", "curl -f http://127.0.0.1:2020/api/v1/uptime || exit 1"), and ECS
// stops a task whose health check can't run. Images that are made of AWS's start the router by a script, which may write a
// configuration first. And a person looks around in a running task by ECS Exec. The language is Bash's, by mvdan.cc/sh; programs run
// in this process, where they aren't files of the image.
//
// Nothing here runs for ever, or takes all memory: a shell without a terminal ends after maxRun, and each at maxMemory, except while it
// runs the router.
package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// Exit codes, as the real programs have them.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitNotFound = 127 // sh: no such command
)

const (
	// maxDepth is how many scripts may run one another.
	maxDepth = 10
	// maxScript is how long a line or a script may be, in bytes.
	maxScript = 256 << 10
	// maxRun is how long a shell or a program without a terminal runs, apart from the time in which it runs the router.
	maxRun = 10 * time.Minute
	// maxMemory is how many bytes of memory a shell may take, besides what the program has at its start. The router is in the same container.
	maxMemory = 64 << 20
	// memoryEvery is how often that is checked, and memoryTries how many checks find too much before the process ends at once.
	memoryEvery = 50 * time.Millisecond
	memoryTries = 20
	// maxStack is the stack of a goroutine in bytes, which a function that calls itself for ever would fill.
	maxStack = 64 << 20
)

// A Shell runs lines, scripts and the small programs.
type Shell struct {
	Stdin          *os.File // may be nil: empty
	Stdout, Stderr io.Writer
	// Environ is the environment, as NAME=value.
	Environ func() []string
	// Program runs a program of firelane's, such as the router, until it ends. ok is false if there is none of that name.
	Program func(p Program) (status int, ok bool)
	// BuiltIn returns a file that doesn't exist on disk.
	BuiltIn func(name string) (text string, ok bool)
	// Roots makes certificate authorities known to the process; it is called before the first request with TLS.
	Roots func()

	programs *programs
}

// programs are those of firelane's that are running. While there is one, the shell's time stands still: the router runs as long as the
// task.
type programs struct {
	mu    sync.Mutex
	n     int
	clock *time.Timer // ends the shell; nil at a terminal
}

// add counts a program that begins (1) or ends (-1).
func (p *programs) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n += n
	switch {
	case p.clock == nil:
	case p.n > 0:
		p.clock.Stop()
	default:
		p.clock.Reset(maxRun)
	}
}

// any reports whether one is running.
func (p *programs) any() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n > 0
}

// A Program is a call of a program.
type Program struct {
	Context        context.Context // ends with the command: by an interrupt, or by timeout
	Path           string
	Args           []string // without the name
	Environ        []string // the exported variables, as NAME=value
	Stdout, Stderr io.Writer
}

// A call is the run of one command.
type call struct {
	shell          *Shell
	ctx            context.Context
	name           string
	args           []string          // without the name
	values         map[byte][]string // of the options that flags has read, each as often as it was given
	stdin          *os.File
	stdout, stderr io.Writer
	dir            string
	env            []string
	depth          int // of scripts that run scripts
}

// Errors that end a shell.
var (
	errTooLong  = fmt.Errorf("ended after %v, the limit without a terminal", maxRun)
	errTooLarge = fmt.Errorf("ended: it took more than %d MiB of memory", maxMemory>>20)
)

// Run runs sh or one of the small programs and returns its exit code.
func (s Shell) Run(name string, args []string) int {
	debug.SetMaxStack(maxStack)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	s.programs = new(programs)
	if !IsTerminal(s.Stdin) {
		clock := time.AfterFunc(maxRun, func() { cancel(errTooLong) })
		defer clock.Stop()
		s.programs.clock = clock
	}
	done := make(chan struct{})
	defer close(done)
	go s.watchMemory(cancel, done)
	c := &call{shell: &s, ctx: ctx, name: name, args: args, stdin: s.Stdin, stdout: s.Stdout, stderr: s.Stderr}
	if s.Environ != nil {
		c.env = s.Environ()
	}
	var err error
	if c.dir, err = os.Getwd(); err != nil {
		return c.fail(exitFailed, "%v", err)
	}
	run := applet(name)
	if run == nil {
		return c.fail(exitNotFound, "not found")
	}
	status := run(c)
	if err := context.Cause(ctx); err != nil {
		return c.fail(exitFailed, "%v", err)
	}
	return status
}

// watchMemory ends the shell if it takes too much memory; the process, if that doesn't help.
func (s *Shell) watchMemory(end func(error), done <-chan struct{}) {
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	for tries := 0; ; {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		if s.programs.any() {
			continue
		}
		if !isTooLarge() || !isTooLargeAfterGC() {
			continue
		}
		end(errTooLarge)
		if tries++; tries == memoryTries {
			fmt.Fprintf(s.Stderr, "sh: %v\n", errTooLarge)
			os.Exit(exitFailed)
		}
	}
}

// isTooLarge reports whether memory is beyond maxMemory, garbage included.
func isTooLarge() bool {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc+m.StackInuse > maxMemory
}

func isTooLargeAfterGC() bool {
	runtime.GC()
	return isTooLarge()
}

// fail prints what is wrong and returns the exit code.
func (c *call) fail(status int, format string, args ...any) int {
	fmt.Fprintf(c.stderr, "%s: %s\n", c.name, fmt.Sprintf(format, args...))
	return status
}

// sh is "sh -c LINE", "sh FILE ARGUMENTS", "sh" with a script on standard input, or an interactive shell.
func (c *call) sh() int {
	options, line, args, err := shellOptions(c.args)
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	switch {
	case line:
		if len(args) == 0 {
			return c.fail(exitUsage, "want a line after -c")
		}
		return c.text("", args[0], options, args[min(2, len(args)):])
	case len(args) > 0:
		return c.file(args[0], options, args[1:])
	case IsTerminal(c.stdin):
		return c.interactive()
	}
	text, err := io.ReadAll(io.LimitReader(c.input(), maxScript+1))
	if err != nil {
		return c.fail(exitFailed, "reading standard input: %v", err)
	}
	return c.text("", string(text), options, nil)
}

// shellOptions parses "-ec", "-o pipefail" and the like. line reports whether -c is among them.
func shellOptions(args []string) (options []string, line bool, rest []string, err error) {
	for len(args) > 0 && len(args[0]) > 1 && (args[0][0] == '-' || args[0][0] == '+') {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return options, line, args, nil
		case strings.HasPrefix(arg, "--"): // --login, --norc, --posix
			continue
		}
		for _, ch := range arg[1:] {
			switch ch {
			case 'c':
				line = true
			case 'i', 'l', 's': // an interactive shell is one at a terminal, and there is no profile
			case 'o':
				if len(args) == 0 {
					return nil, false, nil, errors.New("want the name of an option after -o")
				}
				options, args = append(options, arg[:1]+"o", args[0]), args[1:]
			default:
				options = append(options, arg[:1]+string(ch))
			}
		}
	}
	return options, line, args, nil
}

// file runs a script, or one of the entry points of the images that firelane replaces, which are programs.
func (c *call) file(name string, options, args []string) int {
	if text, err := c.script(name); err == nil {
		return c.text(name, text, options, args)
	} else if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, errProgram) {
		return c.fail(exitFailed, "%v", err)
	}
	if status, ok := c.program(name, args); ok {
		return status
	}
	return c.fail(exitNotFound, "there is no script %s", name)
}

// text runs a line or a script.
func (c *call) text(name, text string, options, args []string) int {
	switch {
	case len(text) > maxScript:
		return c.fail(exitUsage, "the script is longer than %d KiB", maxScript>>10)
	case c.depth >= maxDepth:
		return c.fail(exitFailed, "%s: scripts run one another more than %d deep", name, maxDepth)
	}
	file, err := syntax.NewParser().Parse(strings.NewReader(text), name)
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	r, err := c.runner(append(slices.Clone(options), append([]string{"--"}, args...)...))
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	return c.status(r.Run(c.ctx, file))
}

// status is the exit code of what the interpreter has run.
func (c *call) status(err error) int {
	var status interp.ExitStatus
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	case c.ctx.Err() == nil:
		return c.fail(exitFailed, "%v", err)
	}
	return exitFailed
}

// runner makes an interpreter with the surroundings of the call.
func (c *call) runner(params []string) (*interp.Runner, error) {
	below := *c
	below.depth++
	return interp.New(
		interp.Env(expand.ListEnviron(c.env...)), interp.Dir(c.dir), interp.StdIO(c.stdin, c.stdout, c.stderr), interp.Params(params...),
		interp.CallHandler(c.replaceBuiltin), interp.OpenHandler(c.shell.open),
		interp.ExecHandlers(func(next interp.ExecHandlerFunc) interp.ExecHandlerFunc {
			return func(ctx context.Context, args []string) error { return below.exec(ctx, args, next) }
		}),
	)
}

// replaceBuiltin replaces the shell's own commands that the interpreter lacks.
func (c *call) replaceBuiltin(ctx context.Context, args []string) ([]string, error) {
	switch args[0] {
	case "umask", "ulimit", "hash": // they change nothing that matters here
		return []string{"true"}, nil
	case "kill":
		return append([]string{"/bin/kill"}, args[1:]...), nil
	case ".", "source": // of an entry point of the images that firelane replaces, which is a program
		if len(args) > 1 {
			if _, err := c.script(args[1]); err != nil && strings.Contains(args[1], "/") {
				return args[1:], nil
			}
		}
	case "echo", "printf":
		if isBroken(interp.HandlerCtx(ctx).Stdout) { // the interpreter would write on; a signal ends a real shell
			return []string{"exit", strconv.Itoa(exitBrokenPipe)}, nil
		}
		if args[0] == "printf" {
			break
		}
		// The interpreter doesn't take -ne.
		for i, arg := range args[1:] {
			if len(arg) < 2 || arg[0] != '-' || strings.Trim(arg[1:], "neE") != "" {
				break
			}
			if len(arg) > 2 {
				list := slices.Clone(args[:1+i])
				for _, ch := range arg[1:] {
					list = append(list, "-"+string(ch))
				}
				return c.replaceBuiltin(ctx, append(list, args[2+i:]...))
			}
		}
	}
	return args, nil
}

// exitBrokenPipe is the exit code of a program that a signal has ended because nobody reads what it writes.
const exitBrokenPipe = 141

// isBroken reports whether w is a pipe that nobody reads any more.
func isBroken(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	broken := false
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			fds := []unix.PollFd{{Fd: int32(fd)}}
			n, _ := unix.Poll(fds, 0)
			broken = n > 0 && fds[0].Revents&unix.POLLERR != 0
		})
	}
	return broken
}

// IsTerminal reports whether f is a terminal, where a person may read and interrupt what takes long. /dev/null isn't one.
func IsTerminal(f *os.File) bool {
	if f == nil {
		return false
	}
	terminal := false
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ)
			terminal = err == nil
		})
	}
	return terminal
}
