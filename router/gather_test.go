package router

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/gather"
)

// shelfOptions are those of a store in memory.
type shelfOptions struct{ sink.OutputOptions }

// A shelf is a store in memory.
type shelf struct {
	mu      sync.Mutex
	objects map[string]string
}

func newShelf(*shelfOptions, config.Dialect, sink.Env) (gather.Store, error) {
	return &shelf{objects: make(map[string]string)}, nil
}

func (s *shelf) Key(dst []byte, r *sink.Record) []byte { return append(dst, r.Tag...) }

func (s *shelf) Append(body []byte, r *sink.Record) ([]byte, error) {
	v, ok := record.Find(r.Body, "log")
	if !ok {
		return body, fmt.Errorf("no log")
	}
	return append(record.AppendText(body, v), '\n'), nil
}

func (s *shelf) Create(first *sink.Record, _ gather.Start) gather.Object {
	return &shelfObject{s: s, name: first.Tag + "/" + first.ID.String()}
}
func (s *shelf) Abandon(context.Context, string, string) sink.Reply { return sink.Reply{} }
func (s *shelf) Close() error                                       { return nil }
func (s *shelf) Limits() gather.Limits {
	return gather.Limits{ObjectBytes: 1 << 20, PartBytes: 1 << 20, MaxAge: time.Hour, Memory: 1 << 20}
}

type shelfObject struct {
	s          *shelf
	name, body string
}

func (o *shelfObject) Write(_ context.Context, body []byte) sink.Reply {
	o.body += string(body)
	return sink.Reply{}
}
func (o *shelfObject) Saved() bool           { return o.body == "" }
func (o *shelfObject) Size() int64           { return int64(len(o.body)) }
func (o *shelfObject) Rewind()               { o.body = "" }
func (o *shelfObject) Abort(context.Context) {}
func (o *shelfObject) Name() string          { return o.name }
func (o *shelfObject) Finish(context.Context) sink.Reply {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	o.s.objects[o.name] = o.body
	return sink.Reply{}
}

// An output whose constructor returns a gather.Store is one like any other: its accounts add up, a stop finishes its objects,
// and its dead letters are counted.
func TestAStoreIsAnOutputLikeAnyOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "test.conf")
	conf := fmt.Sprintf("[INPUT]\n    Name forward\n    unix_path %s/s\n[OUTPUT]\n    Name shelf\n    Match *\n", dir)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, diags := config.Compile(file, append(Catalogue(), Row(config.KindOutput, "shelf", "", newShelf, "an example")), func(string) (string, bool) { return "", false })
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	r, diags := New(plan, Env{Log: zerolog.Nop()})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if err := r.openIn(r.outputs[0], buffer.Options{Name: "t", Log: zerolog.Nop()}, ""); err != nil {
		t.Fatal(err)
	}
	defer r.closeQueues(r.outputs)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.outputs[0].loop.Run(context.Background())
	}()
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "a", "b")
	i.addLogs("web", "c")
	i.Add([]byte("web"), record.Time{Sec: 1}, record.AppendMapHeader(nil, 0)) // it has no log
	flush(t, i)
	if a := r.Status().Outputs[0].Account; a.Received != 4 || a.Buffered != 4 || a.Unaccounted != 0 {
		t.Errorf("got %+v, want 4 received and buffered, since objects are open for an hour", a)
	}
	r.outputs[0].loop.Drain()
	<-ended
	if a := r.Status().Outputs[0].Account; a.Received != 4 || a.Delivered != 3 || a.Dead != 1 || a.Buffered != 0 || a.Unaccounted != 0 {
		t.Errorf("got %+v, want 3 delivered and one dead letter", a)
	}
	s := r.outputs[0].store.(*shelf)
	var bodies []string
	for _, body := range s.objects {
		bodies = append(bodies, body)
	}
	if len(bodies) != 2 || bodies[0]+bodies[1] != "a\nb\nc\n" && bodies[0]+bodies[1] != "c\na\nb\n" {
		t.Errorf("got objects %q, want one for each tag", bodies)
	}
}
