package admin

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// An alert or a panel on a metric that the router doesn't have would be silent for ever.
func TestAlertsAndDashboardNameMetricsThatExist(t *testing.T) {
	_, page := get(t, fullSource(t), "/metrics")
	known := map[string]bool{"up": true}
	for _, m := range regexp.MustCompile(`(?m)^(\w+)[{ ]`).FindAllStringSubmatch(page, -1) {
		known[m[1]] = true
	}
	fates := regexp.MustCompile(`fate="(\w+)"`)
	metric := regexp.MustCompile(`\b((?:firelane|fluentbit|process|go)_\w+|up)\b(?:\{|\s|\)|\[|,|$)`)
	selector, matcher := regexp.MustCompile(`\b(\w+)\{([^}]*)\}`), regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
	grouped := regexp.MustCompile(`\bby\s*\(([^)]+)\)`)
	has := func(metric, label string) bool {
		return regexp.MustCompile(`(?m)^` + metric + `\{[^}]*\b` + label + `="`).MatchString(page)
	}
	for name, expressions := range map[string][]string{"firelane.rules.yml": alerts(t), "firelane.json": panels(t)} {
		if len(expressions) < 8 {
			t.Errorf("%s has %d expressions, want more", name, len(expressions))
		}
		for _, e := range expressions {
			found := metric.FindAllStringSubmatch(e, -1)
			if len(found) == 0 {
				t.Errorf("%s: no metric in %s", name, e)
			}
			for _, m := range found {
				if !known[m[1]] {
					t.Errorf("%s: %s is no metric of the router, in %s", name, m[1], e)
				}
			}
			for _, m := range selector.FindAllStringSubmatch(e, -1) {
				for _, label := range matcher.FindAllStringSubmatch(m[2], -1) {
					if label[1] != "instance" && label[1] != "job" && !has(m[1], label[1]) {
						t.Errorf("%s: %s has no label %s, in %s", name, m[1], label[1], e)
					}
				}
			}
			for _, m := range grouped.FindAllStringSubmatch(e, -1) {
				for label := range strings.SplitSeq(m[1], ",") {
					label = strings.TrimSpace(label)
					ok := label == "instance" || label == "job"
					for _, m := range found {
						ok = ok || has(m[1], label)
					}
					if !ok {
						t.Errorf("%s: no metric has the label %s, in %s", name, label, e)
					}
				}
			}
			for _, m := range fates.FindAllStringSubmatch(e, -1) {
				if !strings.Contains(page, m[0]) {
					t.Errorf("%s: no record has the fate %s", name, m[1])
				}
			}
		}
	}
}

func alerts(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile("../deploy/prometheus/firelane.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Annotations["summary"] == "" {
				t.Errorf("%s has no summary", r.Alert)
			}
			expressions = append(expressions, r.Expr)
		}
	}
	return expressions
}

func panels(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile("../deploy/grafana/firelane.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	var ids []int
	for _, p := range dashboard.Panels {
		if slices.Contains(ids, p.ID) || p.Title == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d, %q, with %d targets; want ids of their own, titles and targets", p.ID, p.Title, len(p.Targets))
		}
		ids = append(ids, p.ID)
		for _, target := range p.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	return expressions
}
