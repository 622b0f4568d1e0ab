package tail

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
	"github.com/firelane/firelane/parse"
)

// bursts counts those of a Receiver.
type bursts struct {
	input.Receiver
	n *atomic.Int64
}

func (b bursts) Begin() { b.n.Add(1) }
func (b bursts) End()   {}

// A burst is inside the router's gate, and a parser may take 100 ms for each of hundreds of lines that make no record: a reload would
// give up, and all clients wait meanwhile.
func TestLinesAreParsedOutsideOfBursts(t *testing.T) {
	for _, parser := range []string{"", "json"} {
		l := newLogs(t)
		l.o.Parser = parser
		in, err := New(&l.o, config.FluentBit, input.Env{ID: "tail.0", Log: zerolog.Nop(), Parsers: []config.Instance{
			{Name: "json", ID: "json", Options: &parse.Options{Name: "json", Format: "json"}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		l.write(t, "app.log", text(1, 10))
		r := &run{Recorder: new(inputtest.Recorder), t: t, in: in.(*Input), done: make(chan error, 1)}
		var n atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		r.end = cancel
		go func() {
			r.done <- in.Run(ctx, func() input.Receiver { return bursts{r.Receiver(), &n} })
		}()
		r.gets(10)
		r.stop()
		if got := n.Load() > 0; got != (parser == "") {
			t.Errorf("parser %q: bursts: %v", parser, got)
		}
	}
}
