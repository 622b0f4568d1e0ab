package config

import (
	"strings"
	"testing"
)

func TestHOSTNAMEIsTheHostsNameWhereTheEnvironmentHasNone(t *testing.T) {
	for want, env := range map[string]map[string]string{"machine": {}, "other": {"HOSTNAME": "other"}} {
		c := Compiler{Hostname: "machine", Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
			Files: map[string]string{"f.conf": "@SET name=x-${HOSTNAME}\n[SERVICE]\n    Log_Level info\n"}}
		plan, errs := c.Compile("f.conf")
		if got := plan.Variables["name"]; got != "x-"+want || len(errs) > 0 {
			t.Errorf("got %q and %v, want x-%s", got, errs, want)
		}
		for _, w := range plan.Warnings {
			if strings.Contains(w.Text, "HOSTNAME") {
				t.Errorf("got the warning %s, want none", w.Text)
			}
		}
	}
}
