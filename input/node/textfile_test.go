package node

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
)

func TestTextfile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"d/a.prom":     "# TYPE jobs counter\njobs{q=\"mail\"} 7\nplain 3\ntimed 4 1700000000123\n# TYPE lat histogram\nlat_bucket{le=\"1\"} 1\nlat_bucket{le=\"+Inf\"} 2\nlat_sum 3\nlat_count 2\n",
		"d/b.prom":     "other 1\n",
		"d/c.txt":      "left_out 1\n",
		"d/.tmp.prom":  "left_out 1\n",
		"bad/bad.prom": "this is { no metric\ngood 1\n",
		"big/big.prom": strings.Repeat("a 1\n", maxTextFile/4+1),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "d/pipe.prom"), 0o600); err != nil { // must not be waited for
		t.Fatal(err)
	}
	a := []string{`1970-01-01T00:00:09.000000000Z jobs{q="mail"} = 7`, "1970-01-01T00:00:09.000000000Z plain = 3", "2023-11-14T22:13:20.123000000Z timed = 4", "1970-01-01T00:00:09.000000000Z lat = { buckets = { 1=1, +Inf=2 }, sum=3, count=2 }"}
	b := []string{"1970-01-01T00:00:09.000000000Z other = 1"}
	failed := `1970-01-01T00:00:09.000000000Z node_textfile_node_textfile_scrape_error{reason="syntax error"} = 1`
	for path, c := range map[string]struct {
		want []string
		warn string
	}{
		"d": {slices.Concat(a, b), ""}, "*/a*.prom": {a, ""}, "d/b.prom": {b, ""}, "d/c.txt": {[]string{"1970-01-01T00:00:09.000000000Z left_out = 1"}, ""},
		"none": {nil, ""}, "bad": {[]string{"1970-01-01T00:00:09.000000000Z good = 1", failed}, "1 lines of"}, "big": {[]string{failed}, "larger than"},
	} {
		o := Options{Metrics: []string{" textfile"}, Text: filepath.Join(dir, path)}
		n, err := newNode(&o)
		if err != nil {
			t.Fatal(err)
		}
		warned := ""
		n.warn = func(_ string, err error) { warned += err.Error() }
		var got []string
		if err := n.collect(context.Background(), record.Time{Sec: 9}, func(s *metric.Sample, at record.Time) {
			got = append(got, strings.TrimSpace(string(s.AppendLine(nil, at))))
		}); err != nil {
			t.Error(err)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", path, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
		if c.warn == "" && warned != "" || !strings.Contains(warned, c.warn) {
			t.Errorf("%s: got warning %q, want %q", path, warned, c.warn)
		}
	}
	for _, o := range []Options{{Text: "x"}, {Metrics: []string{"textfile"}}} {
		if o.Interval = time.Second; len(o.Warnings()) != 1 {
			t.Errorf("%+v: got %q, want a warning", o, o.Warnings())
		}
	}
	if _, err := newNode(&Options{Text: "["}); err == nil {
		t.Error("a pattern that is none is taken")
	}
}
