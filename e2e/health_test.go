package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/servers"
)

// The container's health check, and the one of ECS's own example.
func TestHealthcheckTellsARunningRouterFromNone(t *testing.T) {
	search := useSearch(t, servers.OpenSearch2())
	for dialect, name := range map[string]string{"fluentbit": "es", "fluentd": "opensearch"} {
		t.Run(dialect, func(t *testing.T) {
			useSearch(t, servers.OpenSearch2())
			definition := taskDefinition{Type: dialect, LogOptions: logOptions(dialect, name, search), Command: []string{"hello"}}
			task := definition.start(t)
			eventually(t, time.Minute, func() (bool, string) {
				out, err := world.docker.Run("exec", task.router, "/firelane", "healthcheck")
				return err == nil, fmt.Sprint(out, err)
			})
			if dialect == "fluentbit" { // the line of ECS's own example; its record goes nowhere
				docker(t, "exec", task.router, "/bin/sh", "-c", `echo '{"health": "check"}' | nc 127.0.0.1 8877 || exit 1`)
			}
			task.delivers(t, search, 1, time.Minute)
			task.end(t)
			task.delivers(t, search, 1, 0)

			conf := filepath.Join(task.dir, "conf") + ":" + definition.configPath()
			if out, err := world.docker.Run("run", "--rm", "--network", "none", "-v", conf, routerImage, "healthcheck"); err == nil {
				t.Errorf("healthy with no router: %s", out)
			}
		})
	}
}
