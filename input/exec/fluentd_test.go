package exec

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/parse"
)

// runFluentd runs an input of Fluentd until it has n lines and rejects.
func runFluentd(t *testing.T, o *FluentdOptions, n int) (events, rejects []string) {
	t.Helper()
	if err := o.Check(config.Fluentd); err != nil {
		t.Fatal(err)
	}
	in, err := NewFluentd(o, config.Fluentd, input.Env{ID: "exec.0", AllowExec: true, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{n: n, done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx, func() input.Receiver { return c }) }()
	select {
	case <-c.done:
	case <-ctx.Done():
		t.Error("timed out")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return c.events, c.rejects
}

func TestLinesOfACommandInFluentdsFormats(t *testing.T) {
	json := &parse.Spec{Type: "json"}
	for name, c := range map[string]struct {
		o       FluentdOptions
		events  []string
		rejects []string
	}{
		"tsv unless written": {FluentdOptions{Tag: "t", Command: `printf 'a\tb\n'`, Keys: []string{"x", "y"}}, []string{`t {"x":"a","y":"b"}`}, nil},
		"again":              {FluentdOptions{Tag: "t", Command: "echo a", Format: "none", Interval: time.Millisecond}, []string{`t {"message":"a"}`, `t {"message":"a"}`}, nil},
		"standard error":     {FluentdOptions{Tag: "t", Command: "echo a >&2", Format: "none", Mode: "read_with_stderr"}, []string{`t {"message":"a"}`}, nil},
		"the record's tag":   {FluentdOptions{TagKey: "k", Command: `echo '{"k":"own","a":1}'; echo '{"a":2}'`, Parse: json}, []string{`own {"a":1}`}, []string{"1 " + untagged}},
		"JSON of several lines": {FluentdOptions{Tag: "t", Command: `printf '{\n"a": "{\\"",\n"b": [\n1]}\n\n{"c":2}\n'`, Parse: json},
			[]string{`t {"a":"{\"","b":[1]}`, `t {"c":2}`}, nil},
		"JSON without an end": {FluentdOptions{Tag: "t", Command: `printf '{"a":1}\n{"b":\n'`, Parse: json}, []string{`t {"a":1}`}, []string{"1 " + unparsed}},
		"JSON that isn't any": {FluentdOptions{Tag: "t", Command: `printf 'x}\n{"a":1}\n'`, Parse: json}, []string{`t {"a":1}`}, []string{"1 " + unparsed}},
	} {
		t.Run(name, func(t *testing.T) {
			events, rejects := runFluentd(t, &c.o, len(c.events)+len(c.rejects))
			if !slices.Equal(events[:min(len(events), len(c.events))], c.events) || !slices.Equal(rejects, c.rejects) {
				t.Errorf("got %q and rejects %q, want %q and %q", events, rejects, c.events, c.rejects)
			}
		})
	}
}

// A value that never ends doesn't take more memory than a line may have.
func TestAValueOfJSONIsBounded(t *testing.T) {
	o := &FluentdOptions{Tag: "t", Command: `printf '{"a":[\n'; head -c 3000000 /dev/zero | tr '\0' 1 | fold -w 1000; printf '\n{"b":1}\n'`, Parse: &parse.Spec{Type: "json"}}
	_, rejects := runFluentd(t, o, 3)
	if len(rejects) < 2 {
		t.Errorf("got rejects %q, want the value in pieces", rejects)
	}
}

func TestWithoutATagAnExecIsRefused(t *testing.T) {
	o := &FluentdOptions{Command: "true", Format: "none"}
	if err := o.Check(config.Fluentd); err == nil || !strings.Contains(err.Error(), "tag") {
		t.Errorf("got %v, want an error about the tag", err)
	}
}
