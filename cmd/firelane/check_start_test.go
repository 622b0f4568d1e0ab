package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/ecs/taskdef"
)

// rendered is the router of a task definition whose environment that is.
func rendered(t *testing.T, kind, environment string) *taskdef.Rendered {
	t.Helper()
	list, _, err := taskdef.Read("task.json", []byte(`[{"name": "r", "image": "f", "firelensConfiguration": {"type": "`+kind+`"}, "environment": [`+environment+`]}]`))
	if err != nil {
		t.Fatal(err)
	}
	return taskdef.Render(list[0], true, nil)
}

func TestACommandOfATaskDefinitionIsFollowedWithoutRunningIt(t *testing.T) {
	made := filepath.Join(t.TempDir(), "made")
	for _, tt := range []struct{ kind, environment, command, file, told string }{
		{"fluentbit", "", "", "", ""},
		{"fluentbit", "", "/entrypoint.sh", "", ""},
		{"fluentbit", "", "/fluent-bit/bin/fluent-bit|-c|/own.conf", "/own.conf", ""},
		{"fluentbit", "", "/fluent-bit/bin/fluent-bit|-w|/conf|-c|own.conf", "/conf/own.conf", ""},
		{"fluentbit", "", "tini|--|/fluent-bit/bin/fluent-bit|--config=/own.conf", "/own.conf", ""},
		{"fluentbit", "", "tini|-s|-e|143|-p|SIGTERM|--|/fluent-bit/bin/fluent-bit|-c|/own.conf", "/own.conf", ""},
		{"fluentbit", "", "dumb-init|--rewrite|15:3|-v|fluent-bit|-c|/own.conf", "/own.conf", ""},
		{"fluentbit", "", "env|A=b|firelane|run|-c|/own.conf", "/own.conf", ""},
		{"fluentbit", "", "sh|-c|exec /fluent-bit/bin/fluent-bit -c /own.conf", "/own.conf", ""},
		{"fluentbit", "", "sh|-c|touch " + made + "; /entrypoint.sh", "", "what the script of the command does"},
		{"fluentbit", "", "sh|-c|touch " + made, "", "what the script of the command does"},
		{"fluentbit", "", "/start.sh", "", "what the script of the command does"},
		{"fluentbit", "", "/fluent-bit/bin/fluent-bit|-i|dummy|-o|null", "(command line)", ""},
		{"fluentbit", "", "/fluent-bit/bin/fluent-bit|--dry-run", "", "does not start the router"},
		{"fluentbit", "", "/fluent-bit/bin/fluent-bit|--nothing", "", "unknown option --nothing"},
		{"fluentbit", "", "healthcheck", "", "does not start the router"},
		{"fluentbit", "", "dead|list", "", "does not start the router"},
		{"fluentbit", "", "curl|http://127.0.0.1:1/", "", "what the script of the command does"},
		{"fluentd", "", "", "", ""},
		{"fluentd", `{"name": "FLUENTD_CONF", "value": "own.conf"}`, "", "/fluentd/etc/own.conf", ""},
		{"fluentd", "", "fluentd|-c|/own.conf|-p|/plugins", "/own.conf", "-p /plugins is ignored"},
	} {
		var words []string
		if tt.command != "" {
			words = strings.Split(tt.command, "|")
		}
		s := startOf(words, rendered(t, tt.kind, tt.environment))
		told := strings.Join(append(s.Notes, s.Wrong), "; ")
		if s.File != tt.file || !strings.Contains(told, tt.told) || tt.told == "" && strings.Trim(told, "; ") != "" {
			t.Errorf("%s: got %q and %q, want %q and %q", tt.command, s.File, told, tt.file, tt.told)
		}
	}
	if _, err := os.Stat(made); err == nil {
		t.Error("a command was run")
	}
}
