package bulk

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestPatternsAreThoseOfTheOutputsIndices(t *testing.T) {
	for _, tt := range []struct{ lines, pattern, current string }{
		{"logstash_format On", "logstash-*", "logstash-2026.11.26"},
		{"logstash_format On\nlogstash_prefix Web\nlogstash_dateformat %Y-%m", "web-*", "web-2026-11"},
		{"logstash_format On\nlogstash_prefix web\nlogstash_prefix_separator _", "web_*", "web_2026.11.26"},
		{"logstash_format On\nlogstash_prefix web-$app", "web-*", ""},
		{"logstash_format On\nlogstash_prefix web-%Y", "web-*", "web-2026-2026.11.26"},
		{"logstash_format On\nlogstash_prefix_key app\nfirelane_index_pattern a-*, b-*", "a-* b-*", ""},
		{"index web-%Y.%m.%d", "web-*", "web-2026.11.26"},
		{"index <web-{now/d}>", "web-*", ""},
		{"index web-$app-%Y", "web-*", ""},
	} {
		o := sinktest.Bind[Options](t, config.FluentBit, "firelane_bootstrap On\nfirelane_days 30\n"+tt.lines)
		r, err := o.retention(config.FluentBit)
		if err != nil {
			t.Errorf("%s: %v", tt.lines, err)
			continue
		}
		if got := strings.Join(r.Own.Patterns, " "); got != tt.pattern {
			t.Errorf("%s: got the pattern %s, want %s", tt.lines, got, tt.pattern)
		}
		if got := r.Own.Current(time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)); got != tt.current {
			t.Errorf("%s: got the index %q, want %q", tt.lines, got, tt.current)
		}
	}
}

func TestMistakesOfRetentionNameTheirOption(t *testing.T) {
	const on = "firelane_bootstrap On\n"
	for _, tt := range []struct{ lines, option, says string }{
		{on + "index web\nfirelane_days 30", "firelane_days", "no date in its name"},
		{on + "logstash_format On\nlogstash_dateformat x\nfirelane_days 30", "firelane_days", "no date in its name"},
		{on + "logstash_format On\nfirelane_days -1", "firelane_days", "0 to 36500"},
		{on + "logstash_format On\nfirelane_shards 0", "firelane_shards", "1 to 1024"},
		{on + "logstash_format On\nfirelane_replicas 101", "firelane_replicas", "0 to 100"},
		{on + "logstash_format On\nfirelane_rollover_size 5k", "firelane_rollover_size", "30gb"},
		{on + "logstash_format On\nfirelane_data_stream On", "firelane_data_stream", "logstash_format"},
		{on + "index web-%Y\nfirelane_data_stream On", "firelane_data_stream", "no date in its name"},
		{on + "index web\nfirelane_data_stream On\nwrite_operation index", "firelane_data_stream", "write_operation create"},
		{on + "index $app", "firelane_bootstrap", "want firelane_index_pattern"},
		{on + "index %Y.%m.%d", "firelane_bootstrap", "want firelane_index_pattern"},
		{on + "logstash_format On\nlogstash_prefix_key app", "firelane_bootstrap", "want firelane_index_pattern"},
		{on + "logstash_format On\nfirelane_dashboards dashboards:5601", "firelane_dashboards", "isn't a URL"},
		{on + "logstash_format On\nfirelane_dashboards http://me:secret@dashboards:5601", "firelane_dashboards", "without user"},
		{on + "logstash_format On\nfirelane_index_pattern *", "firelane_index_pattern", "other indices"},
		{on + "logstash_format On\nfirelane_index_pattern .kibana*", "firelane_index_pattern", "other indices"},
		{on + "logstash_format On\nfirelane_index_pattern -*", "firelane_index_pattern", "other indices"},
		{on + "logstash_format On\nfirelane_index_pattern Web-*", "firelane_index_pattern", "lower case"},
		{on + "logstash_format On\nfirelane_index_pattern " + strings.Repeat("a*,", maxPatterns+1), "firelane_index_pattern", "at most"},
	} {
		_, errs := sinktest.TryBind[Options](t, config.FluentBit, tt.lines)
		if len(errs) != 1 || !strings.Contains(errs[0].Text, tt.option+": ") || !strings.Contains(errs[0].Text, tt.says) {
			t.Errorf("%q: got %v, want %s and %q", tt.lines, errs, tt.option, tt.says)
		}
	}
}

func TestMistakesOfFluentdsTemplatesNameTheirOption(t *testing.T) {
	dir := t.TempDir()
	bad, large := filepath.Join(dir, "bad"), filepath.Join(dir, "large")
	for file, text := range map[string]string{bad: "[]", large: `{"a":"` + strings.Repeat("x", maxTemplateFile) + `"}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		set          func(*Options)
		option, says string
	}{
		{func(o *Options) { o.TemplateName = "t" }, "template_name", "needs template_file"},
		{func(o *Options) { o.Templates = `{"t": 1}` }, "templates", "JSON object"},
		{func(o *Options) { o.ILMPolicy = `{"phases": {}}` }, "ilm_policy", "not a policy"},
		{func(o *Options) { o.ILMPolicies = `[]` }, "ilm_policies", "not a JSON object"},
	} {
		var oe *config.OptionError
		if err := fluentd(tt.set).Check(config.Fluentd); !errors.As(err, &oe) || oe.Option != tt.option || !strings.Contains(oe.Reason, tt.says) {
			t.Errorf("%s: got %v, want %q", tt.option, err, tt.says)
		}
	}
	// What is wrong with a file is a warning: the router starts.
	for _, tt := range []struct{ file, says string }{
		{filepath.Join(dir, "none"), "no such file"}, {bad, "not a JSON object"}, {large, "more than 1048576 bytes"},
	} {
		o := fluentd(func(o *Options) { o.TemplateName, o.TemplateFile = "t", tt.file })
		if w := strings.Join(o.Warnings(), "\n"); !strings.HasPrefix(w, "template_file: ") || !strings.Contains(w, tt.says) {
			t.Errorf("%s: got %q, want %q", tt.file, w, tt.says)
		}
		if _, err := New(o, config.Fluentd, sink.Env{}); err != nil {
			t.Errorf("%s: %v", tt.file, err)
		}
	}
}

func TestOptionsOfRetentionWithoutEffectAreWarnedOf(t *testing.T) {
	for _, tt := range []struct {
		set  func(*Options)
		want string
	}{
		{func(o *Options) { o.Days = 3 }, "firelane_bootstrap is Off"},
		{func(o *Options) { o.EnableILM = true }, "enable_ilm has no effect"},
		{func(o *Options) { o.Bootstrap, o.Days, o.AWSAuth, o.AWSService = true, 3, true, "aoss" }, "firelane_days has no effect on OpenSearch Serverless"},
	} {
		if got := fluentBit(tt.set).Warnings(); !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, tt.want) }) {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// The output that stores dead letters installs nothing.
func TestDeadLettersHaveNoRetention(t *testing.T) {
	o := sinktest.Bind[Options](t, config.FluentBit, "firelane_bootstrap On\nlogstash_format On")
	if r, err := o.ForDeadLetter("dead").retention(config.FluentBit); r != nil || err != nil {
		t.Errorf("got %v, %v, want nothing", r, err)
	}
}
