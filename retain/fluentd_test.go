package retain

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/retain/retaintest"
)

const (
	legacyFile     = `{"index_patterns": ["<<TAG>>-*"], "settings": {"number_of_shards": 2}}`
	composableFile = `{"index_patterns": ["<<TAG>>-*"], "template": {"settings": {"number_of_shards": 2}}}`
)

// fluentd is a configuration of Fluentd with a template in a file.
func fluentd(t *testing.T, file, lines string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "template.json")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return "template_name t\ntemplate_file " + path + "\n" + lines
}

func TestFluentdsTemplateIsInstalledOnceWithItsTextsReplaced(t *testing.T) {
	for _, tt := range []struct{ file, path string }{{legacyFile, "PUT /_template/t"}, {composableFile, "PUT /_index_template/t"}} {
		s, base := newCluster(t, retaintest.Options{})
		lines := fluentd(t, tt.file, `customize_template {"<<TAG>>": "WEB"}`)
		r := destination(t, config.Fluentd, base, lines)
		checkLines(t, apply(t, r, false), "index template t: created")
		checkLines(t, apply(t, r, false), "index template t: is there already")
		if got := s.Writes(); !slices.Equal(got, []string{tt.path}) {
			t.Errorf("it wrote %q, want %s", got, tt.path)
		}
		stored := s.Template("t")
		if stored == nil {
			stored = s.LegacyTemplate("t")
		}
		if got := fmt.Sprint(stored["index_patterns"]); got != "[web-*]" {
			t.Errorf("the pattern is %s, want [web-*]", got)
		}
		over := destination(t, config.Fluentd, base, lines+"\ntemplate_overwrite true")
		checkLines(t, apply(t, over, false), "index template t: updated")
	}
}

func TestFluentdsSeveralTemplates(t *testing.T) {
	s, base := newCluster(t, retaintest.Options{})
	one := fluentd(t, strings.ReplaceAll(legacyFile, "<<TAG>>", "one"), "")
	file := strings.Fields(one)[3]
	r := destination(t, config.Fluentd, base, `templates {"a": "`+file+`", "b": "`+file+`"}`)
	checkLines(t, apply(t, r, false), "index template a: created", "index template b: created")
	if len(s.Writes()) != 2 {
		t.Errorf("it wrote %q", s.Writes())
	}
}

func TestFluentdsRolloverIndexIsMadeWithItsAlias(t *testing.T) {
	s, base := newCluster(t, retaintest.Options{})
	for _, tt := range []struct{ lines, alias, index string }{
		{"index_name Web\nrollover_index true", "web", "/%3Cweb-default-%7Bnow%2Fd%7D-000001%3E"},
		{"index_name app\nrollover_index true\ndeflector_alias logs\napplication_name Shop\nindex_date_pattern \"\"", "logs", "/%3Capp-shop-000001%3E"},
	} {
		r := destination(t, config.Fluentd, base, fluentd(t, composableFile, "template_overwrite true\n"+tt.lines))
		results := apply(t, r, false)
		if last := results[len(results)-1]; last != "alias "+tt.alias+": created" {
			t.Errorf("got %q", last)
		}
		if got := s.Writes()[len(s.Writes())-1]; got != "PUT "+tt.index {
			t.Errorf("it wrote %s, want %s", got, tt.index)
		}
		results = apply(t, r, false)
		if last := results[len(results)-1]; last != "alias "+tt.alias+": is there already" {
			t.Errorf("the second time: got %q", last)
		}
	}
	s.AddIndex("plain", now)
	r := destination(t, config.Fluentd, base, fluentd(t, composableFile, "index_name plain\nrollover_index true"))
	results := apply(t, r, false)
	if last := results[len(results)-1]; !strings.HasPrefix(last, "alias plain: refused: ") || !strings.Contains(last, "an index exists with the same name as the alias") {
		t.Errorf("got %q", last)
	}
}

const ilmPolicy = `{"policy":{"phases":{"hot":{"actions":{"rollover":{"max_size":"10gb","max_age":"1d"}}},"warm":{"actions":{"forcemerge":{"max_num_segments":1}}},"delete":{"min_age":"14d","actions":{"delete":{}}}}}}`

func TestFluentdsPolicyIsInstalledAndNamedByTheTemplate(t *testing.T) {
	for _, file := range []string{legacyFile, composableFile} {
		s, base := newCluster(t, retaintest.Options{Elasticsearch: true})
		r := destination(t, config.Fluentd, base, fluentd(t, file, "index_name web\nenable_ilm true\nilm_policy_id two-weeks\nilm_policy "+ilmPolicy+"\nilm_policies {\"other\": "+ilmPolicy+"}"))
		checkLines(t, apply(t, r, false), "index policy two-weeks: created", "index policy other: created", "index template t: created", "alias web: created")
		text, _ := json.Marshal([]any{s.Template("t"), s.LegacyTemplate("t")})
		for _, want := range []string{`"index_patterns":["web-*"]`, `two-weeks`, `"rollover_alias`} {
			if !strings.Contains(strings.ReplaceAll(string(text), "index.lifecycle.rollover_alias", "rollover_alias"), want) {
				t.Errorf("the template is %s, want %s", text, want)
			}
		}
		if p := fmt.Sprint(s.Policy("two-weeks")); !strings.Contains(p, "forcemerge") || !strings.Contains(p, "max_size:10gb") {
			t.Errorf("the policy is %s, want it as it was written", p)
		}
		writes := len(s.Writes())
		apply(t, r, false)
		if got := s.Writes()[writes:]; len(got) > 0 {
			t.Errorf("the second time it wrote %q", got)
		}
	}
}

func TestFluentdsPolicyIsTranslatedForOpenSearch(t *testing.T) {
	s, base := newCluster(t, retaintest.Options{})
	r := destination(t, config.Fluentd, base, fluentd(t, composableFile, "index_name web\nenable_ilm true\nilm_policy_id two-weeks\nilm_policy "+ilmPolicy))
	lines := apply(t, r, false)
	checkLines(t, lines, "index policy two-weeks: created: without what ISM can't do or firelane doesn't translate: warm.forcemerge", "index template t: created", "alias web: created")
	text := fmt.Sprint(s.Policy("two-weeks"))
	for _, want := range []string{"min_index_age:1d", "min_size:10gb", "min_index_age:14d"} {
		if !strings.Contains(text, want) {
			t.Errorf("the policy is %s, want %s", text, want)
		}
	}
	if text := fmt.Sprint(s.Template("t")); !strings.Contains(text, "rollover_alias:web") {
		t.Errorf("the template is %s, want the alias for ISM", text)
	}
	writes := len(s.Writes())
	apply(t, r, false)
	if got := s.Writes()[writes:]; len(got) > 0 {
		t.Errorf("the second time it wrote %q", got)
	}
}

// Daily indices roll over by their date: a rollover would fail without an alias.
func TestFluentdsPolicyForDailyIndicesHasNoRollover(t *testing.T) {
	s, base := newCluster(t, retaintest.Options{Elasticsearch: true})
	r := destination(t, config.Fluentd, base, fluentd(t, composableFile, "logstash_format true\nlogstash_prefix web\nenable_ilm true\nilm_policy "+ilmPolicy))
	checkLines(t, apply(t, r, false), "index policy logstash-policy: created", "index template t: created")
	if text := fmt.Sprint(s.Policy("logstash-policy")); strings.Contains(text, "rollover") || !strings.Contains(text, "14d") {
		t.Errorf("the policy is %s, want it without rollover", text)
	}
}
