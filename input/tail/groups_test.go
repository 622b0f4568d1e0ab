package tail

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/parse/multiline"
)

// What tells lines apart may be a request's number: then each line has a group of its own.
func TestManyGroupsDoNotSlowReadingDown(t *testing.T) {
	l := newLogs(t)
	l.o.Multiline = []string{"g"}
	const lines = 50_000
	var b strings.Builder
	for n := range lines {
		fmt.Fprintf(&b, `{"log":"x","g":"%08d"}`+"\n", n)
	}
	l.write(t, "app.log", b.String())
	env := input.Env{
		ID: "tail.0", Log: zerolog.Nop(), Parsers: []config.Instance{{Name: "json", ID: "json", Options: &parse.Options{Name: "json", Format: "json"}}},
		Multiline: []config.Instance{{Name: "g", ID: "g", Options: &multiline.Options{Name: "g", Type: "endswith", MatchString: "\n", KeyGroup: "g", KeyContent: "log", Parser: "json"}}},
	}
	in, err := New(&l.o, config.FluentBit, env)
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	r := l.run(t, in)
	r.idle()
	if n := len(r.stop()); n != lines {
		t.Errorf("got %d lines, want %d", n, lines)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("got %d lines in %v, want them in a second", lines, took)
	}
}
