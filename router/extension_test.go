package router

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich/steptest/splitter"
	"github.com/firelane/firelane/input/inputtest/offsets"
	"github.com/firelane/firelane/sink/sinktest/keyed"
)

// A destination is its folder and one row: here the contract tests' example, in a catalogue of the test's own.
func TestADestinationIsItsFolderAndOneRow(t *testing.T) {
	t.Parallel()
	plugins := append(Catalogue(), Row(config.KindOutput, "keyed", "keyed", keyed.New, "an example"))
	file := filepath.Join(t.TempDir(), "test.conf")
	conf := "[INPUT]\n    Name forward\n    unix_path " + t.TempDir() + "/s\n" +
		"[OUTPUT]\n    Name keyed\n    Match *\n    stream_key log\n    retry_limit 3\n"
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, diags := config.Compile(file, plugins, func(string) (string, bool) { return "", false })
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
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "a", "b", "a", strings.Repeat("too long", 100))
	flush(t, i)
	r.outputs[0].loop.Drain()
	r.outputs[0].loop.Run(context.Background())
	streams := r.outputs[0].dest.(*keyed.Streams)
	if a, b := streams.Lines("a"), streams.Lines("b"); len(a) != 2 || len(b) != 1 {
		t.Errorf("got %q in stream a and %q in b, want 2 lines and 1", a, b)
	}
	s := r.Status().Outputs[0]
	if s.Account.Received != 4 || s.Account.Delivered != 3 || s.Account.Dead != 1 || s.Account.Unaccounted != 0 || s.Delivery.Requests != 1 {
		t.Errorf("got %+v, want 4 received, 3 delivered by one request and 1 dead letter", s)
	}
}

// A step and an input are no more: the examples of their contract tests carry a file's lines to an output.
func TestAStepAndAnInputAreTheirFolderAndOneRow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, lines := filepath.Join(dir, "test.conf"), filepath.Join(dir, "lines")
	conf := fmt.Sprintf("[SERVICE]\n    storage.path %s/queue\n[INPUT]\n    Name offsets\n    path %s\n    offset_file %s.offset\n"+
		"[FILTER]\n    Name splitter\n    Match *\n    key log\n    flush_timeout 1s\n[OUTPUT]\n    Name keyed\n    Match *\n", dir, lines, lines)
	for name, text := range map[string]string{file: conf, lines: "one\ntwo\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plugins := append(Catalogue(), Row(config.KindOutput, "keyed", "keyed", keyed.New, "an example"),
		Row(config.KindFilter, "splitter", "splitter", splitter.New, "an example"), Row(config.KindInput, "offsets", "offsets", offsets.New, "an example"))
	plan, diags := config.Compile(file, plugins, func(string) (string, bool) { return "", false })
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	r, diags := New(plan, Env{Log: zerolog.Nop()})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, context.WithoutCancel(ctx)) }()
	streams := r.outputs[0].dest.(*keyed.Streams)
	eventually(t, "the line that the splitter made of both", func() bool {
		return slices.Equal(streams.Lines(r.plan.Inputs[0].ID), []string{"onetwo"})
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if a := r.Status().Outputs[0].Account; a.Received != 2 || a.Delivered != 1 || a.Merged != 1 || a.Unaccounted != 0 {
		t.Errorf("got %+v, want 2 received, 1 delivered and 1 merged", a)
	}
}
