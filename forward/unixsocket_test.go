package forward

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// taken collects what an input adds, as JSON, and rejects.
type taken struct{ list []string }

func (s *taken) Add(tag []byte, _ record.Time, body []byte) {
	s.list = append(s.list, string(tag)+" "+string(record.AppendJSON(nil, body)))
}
func (s *taken) Reject(_ int, reason string) { s.list = append(s.list, reason) }
func (s *taken) Flush(context.Context) error { return nil }

func TestDatagramsOfAUnixSocket(t *testing.T) {
	for name, c := range map[string]struct {
		asText bool
		in     string
		want   []string
	}{
		"values":         {false, " {\"a\":1}{\"b\":2}\n[3]\n", []string{`t {"a":1}`, `t {"b":2}`, `t {"msg":[3]}`}},
		"something else": {false, `{"a":1} 17 {"b":2}`, []string{`t {"a":1}`, notJSON}},
		"not JSON":       {false, "hello", []string{notJSON}},
		"cut off":        {false, `{"a":1}{"b":`, []string{`t {"a":1}`, notJSON}},
		"a deep array":   {false, `{"a":1}` + strings.Repeat("[", record.MaxDepth) + strings.Repeat("]", record.MaxDepth), []string{`t {"a":1}`, notJSON}},
		"lines":          {true, "one\n\ntwo", []string{`t {"log":"one"}`, `t {"log":"two"}`}},
	} {
		d := &datagrams{tag: []byte("t"), separator: []byte("\n"), asText: c.asText, log: testEnv(new(lines)).Log}
		got := new(taken)
		d.take(got, []byte(c.in), nil)
		if !slices.Equal(got.list, c.want) {
			t.Errorf("%s: got %q, want %q", name, got.list, c.want)
		}
	}
}

func TestAUnixSocketHasThePermissionsThatAreWritten(t *testing.T) {
	for _, mode := range []string{"STREAM", "DGRAM"} {
		o := &UnixSocketOptions{Path: socketPath(t), Mode: mode, Perm: "0620"}
		if err := o.Check(config.FluentBit); err != nil {
			t.Fatal(err)
		}
		in, err := NewUnixSocket(o, config.FluentBit, testEnv(new(lines)))
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(o.Path)
		if err != nil || info.Mode().Perm() != 0o620 {
			t.Errorf("%s: got %v and error %v, want permissions 0620", mode, info.Mode(), err)
		}
		in.Close()
	}
	if err := (&UnixSocketOptions{Path: "x", Perm: "rw"}).Check(config.FluentBit); err == nil || !strings.Contains(err.Error(), "socket_permissions") {
		t.Errorf("got %v, want an error about socket_permissions", err)
	}
}
