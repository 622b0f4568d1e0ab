package check_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/firelane/firelane/internal/race"
)

// Whatever a configuration says, its report has a bounded size, and is there in a bounded time.
func TestAHostileConfigurationHasAReportOfBoundedSize(t *testing.T) {
	const input = "[INPUT]\n    Name forward\n    Tag a\n"
	const output = "[OUTPUT]\n    Name null\n    Match *\n"
	rules := func(n int, rule func(i int) string) string {
		var b strings.Builder
		b.WriteString("[FILTER]\n    Name rewrite_tag\n    Match *\n")
		for i := range n {
			fmt.Fprintf(&b, "    Rule $a x %s false\n", rule(i))
		}
		return b.String()
	}
	var filters, containers strings.Builder
	for range 1000 {
		filters.WriteString("[FILTER]\n    Name grep\n    Match *\n    Exclude log " + strings.Repeat("x", 300) + "\n")
	}
	for i := range 500 {
		fmt.Fprintf(&containers, `{"name": "app%d", "image": "x", "logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "http", "Host": "h%d"}}},`+"\n", i, i)
	}
	for name, file := range map[string]string{
		"many tags":      input + rules(1000, func(i int) string { return fmt.Sprintf("$TAG.%d", i) }) + output,
		"growing tags":   input + rules(5, func(i int) string { return strings.Repeat("$TAG.", 20) + fmt.Sprint(i) }) + output,
		"many filters":   input + rules(300, func(i int) string { return fmt.Sprintf("b.%d", i) }) + filters.String() + output,
		"braces":         "<source>\n  @type forward\n</source>\n<match " + strings.Repeat("{a,b}", 50_000) + ">\n  @type null\n</match>\n",
		"many copies":    "<source>\n  @type forward\n</source>\n<match a.**>\n  @type copy\n" + strings.Repeat("  <store>\n    @type stdout\n  </store>\n", 2000) + "</match>\n",
		"long names":     strings.ReplaceAll(input+output, "null", "null\n    Alias "+strings.Repeat("n", 100_000)),
		"many variables": input + rules(1, func(int) string { return strings.Repeat("$x", 100_000) }) + output,
		"containers": `{"family": "f", "containerDefinitions": [` + containers.String() +
			`{"name": "r", "image": "firelane", "firelensConfiguration": {"type": "fluentbit"}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			file, kind := file, "f.conf"
			if file[0] == '{' {
				kind = "f.json"
			}
			started := time.Now()
			r := report(t, &txtar.Archive{Files: []txtar.File{{Name: kind, Data: []byte(file)}}})
			for form, write := range map[string]func(*bytes.Buffer) error{
				"text": func(b *bytes.Buffer) error { return r.Text(b) }, "JSON": func(b *bytes.Buffer) error { return r.JSON(b) },
				"GitHub": func(b *bytes.Buffer) error { return r.GitHub(b) }, "IAM": func(b *bytes.Buffer) error { return r.IAM(b) },
			} {
				var got bytes.Buffer
				if err := write(&got); err != nil {
					t.Fatal(err)
				}
				if got.Len() > 16<<20 {
					t.Errorf("%s: got %d bytes, want at most 16 MiB", form, got.Len())
				}
			}
			if d := time.Since(started); d > race.Slowdown*20*time.Second {
				t.Errorf("took %s, want at most 20 s", d)
			}
		})
	}
}
