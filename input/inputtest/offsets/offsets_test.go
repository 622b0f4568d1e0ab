package offsets

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
)

// file is a file that lines are appended to.
type file struct{ opts Options }

func newFile(t *testing.T) *file {
	t.Helper()
	dir := t.TempDir()
	f := &file{Options{Path: filepath.Join(dir, "lines"), Offset: filepath.Join(dir, "offset")}}
	if err := os.WriteFile(f.opts.Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *file) open(t *testing.T) input.Input {
	t.Helper()
	in, err := New(&f.opts, config.FluentBit, input.Env{ID: "offsets.0"})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func (f *file) Send(t *testing.T, text string) {
	t.Helper()
	out, err := os.OpenFile(f.opts.Path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := out.WriteString(text + "\n"); err != nil {
		t.Fatal(err)
	}
}

// Acked counts the lines before the saved offset.
func (f *file) Acked(t *testing.T) int {
	t.Helper()
	at, err := savedOffset(f.opts.Offset)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.opts.Path)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range b[:at] {
		if c == '\n' {
			n++
		}
	}
	return n
}

func (f *file) Close() {}

func TestPromises(t *testing.T) {
	inputtest.Run(t, inputtest.Subject{Acks: true, Open: func(t *testing.T) (input.Input, inputtest.Source) {
		f := newFile(t)
		return f.open(t), f
	}})
}

// TestNextRunGoesOnAtTheOffset: what was flushed isn't read again, what was not is.
func TestNextRunGoesOnAtTheOffset(t *testing.T) {
	f := newFile(t)
	var all []string
	for _, text := range []string{"one", "two", "three"} {
		f.Send(t, text)
		in, rec := f.open(t), new(inputtest.Recorder)
		ended := make(chan error, 1)
		go func() { ended <- in.Run(context.Background(), rec.Receiver) }()
		if err := in.WaitIdle(t.Context()); err != nil {
			t.Error(err)
		}
		in.Close()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		all = append(all, rec.Flushed()...)
	}
	if want := []string{"one", "two", "three"}; !slices.Equal(all, want) {
		t.Errorf("got %q, want %q", all, want)
	}
}

func TestEventsOfAFailedFlushAreOfferedAgain(t *testing.T) {
	f := newFile(t)
	f.Send(t, "one")
	in := f.open(t)
	if err := in.Run(context.Background(), func() input.Receiver { return failing{new(inputtest.Recorder).Receiver()} }); err == nil {
		t.Error("got no error from Run, want that of the flush")
	}
	in.Close()
	in, rec := f.open(t), new(inputtest.Recorder)
	go in.Run(t.Context(), rec.Receiver)
	if err := in.WaitIdle(t.Context()); err != nil {
		t.Error(err)
	}
	in.Close()
	if got := rec.Flushed(); !slices.Equal(got, []string{"one"}) {
		t.Errorf("got %q, want the first line alone", got)
	}
}

type failing struct{ input.Receiver }

func (failing) Flush(context.Context) error { return os.ErrClosed }
