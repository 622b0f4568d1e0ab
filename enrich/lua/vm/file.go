package vm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Limits of a script that may use files.
const (
	maxFiles     = 16          // that are open at once
	fileBuffer   = 4 << 10     // bytes
	commandGrace = time.Second // for the output of processes that a command left running
)

// A file is one that a script has opened, or the output of a command. It isn't safe for concurrent use, as the State.
type file struct {
	f      *os.File // nil: the output of a command, which is in r
	r      *bufio.Reader
	mark   uint32
	closed bool
	status int // of a command
}

// open opens a regular file. Anything else is an error, since it might block for ever.
func (st *State) open(name, mode string) (*file, error) {
	flag, ok := map[string]int{
		"r": os.O_RDONLY, "w": os.O_WRONLY | os.O_CREATE | os.O_TRUNC, "a": os.O_WRONLY | os.O_CREATE | os.O_APPEND,
		"r+": os.O_RDWR, "w+": os.O_RDWR | os.O_CREATE | os.O_TRUNC, "a+": os.O_RDWR | os.O_CREATE | os.O_APPEND,
	}[string(bytes.ReplaceAll([]byte(mode), []byte("b"), nil))]
	if !ok {
		return nil, fmt.Errorf("%s: invalid mode %q", name, mode)
	}
	if err := st.makeRoomForFile(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, flag|syscall.O_NONBLOCK, 0o666)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	return st.keepFile(&file{f: f, r: bufio.NewReaderSize(f, fileBuffer)}), nil
}

func (st *State) keepFile(f *file) *file {
	st.allocate(fileBuffer)
	st.files = append(st.files, f)
	return f
}

// makeRoomForFile closes files that the script can't reach any more, if maxFiles are open.
func (st *State) makeRoomForFile() error {
	if len(st.files) < maxFiles {
		return nil
	}
	st.Measure()
	for _, f := range append([]*file(nil), st.files...) {
		if f.mark != st.epoch {
			_ = st.close(f)
		}
	}
	if len(st.files) >= maxFiles {
		return fmt.Errorf("%d files are open; close some", maxFiles)
	}
	return nil
}

func (st *State) close(f *file) error {
	for i, other := range st.files {
		if other == f {
			st.files = append(st.files[:i], st.files[i+1:]...)
			break
		}
	}
	f.closed = true
	if f.f == nil {
		return nil
	}
	return f.f.Close()
}

// Close closes the State's files. The State must not be used after that.
func (st *State) Close() {
	for len(st.files) > 0 {
		_ = st.close(st.files[0])
	}
}

// command runs a command line, and returns its output. It kills the command when the call's time is over.
func (st *State) command(line string) (*file, error) {
	if err := st.makeRoomForFile(); err != nil {
		return nil, err
	}
	st.spend(thrownSteps)
	st.checkTime()
	ctx, cancel := context.WithTimeout(context.Background(), st.end.Sub(st.cfg.Now()))
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // to kill also the processes that the command started
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = commandGrace
	out := &limited{}
	cmd.Stdout = out
	err := cmd.Run()
	st.checkTime()
	status := 0
	if e := (*exec.ExitError)(nil); errors.As(err, &e) {
		status = max(e.ExitCode(), 1)
	} else if err != nil {
		return nil, err
	}
	st.allocate(len(out.b))
	return st.keepFile(&file{r: bufio.NewReaderSize(bytes.NewReader(out.b), fileBuffer), status: status}), nil
}

// limited is a Writer that keeps only the beginning of what is written.
type limited struct{ b []byte }

func (l *limited) Write(p []byte) (int, error) {
	if len(l.b)+len(p) > MaxString {
		return 0, errors.New("the output is too long")
	}
	l.b = append(l.b, p...)
	return len(p), nil
}

// line reads a line, with or without its end; ok is false at the end of the file.
func (st *State) line(f *file, keep bool) (s Value, ok bool) {
	var b []byte
	for {
		part, err := f.r.ReadSlice('\n')
		b = append(grow(b, len(part)), part...)
		if len(b) > MaxString {
			panic(&thrown{limit: LimitString})
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if len(b) == 0 {
			return Nil, false
		}
		if n := len(b) - 1; !keep && b[n] == '\n' {
			b = b[:n]
		}
		return st.text(b), true
	}
}

// read reads n bytes at most, or all with n below 0; ok is false at the end of the file, unless all is read.
func (st *State) read(f *file, n int) (s Value, ok bool) {
	limit := min(n, MaxString+1)
	if n < 0 {
		limit = MaxString + 1
	}
	b, _ := io.ReadAll(io.LimitReader(f.r, int64(limit)))
	if len(b) > MaxString {
		panic(&thrown{limit: LimitString})
	}
	if len(b) == 0 && n > 0 {
		return Nil, false
	}
	return st.text(b), true
}

// failure returns the results of an io function that failed: nil and the error's text.
func (th *Thread) failure(err error) []Value {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		err = fmt.Errorf("%s: %w", e.Path, e.Err)
	}
	return th.returns(Nil, String(err.Error()))
}
