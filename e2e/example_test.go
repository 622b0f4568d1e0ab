package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What the ECS agent makes of the example in deploy/ compiles.
func TestExampleTaskDefinitionIsUnderstood(t *testing.T) {
	text, err := os.ReadFile("../deploy/task-definition.json")
	if err != nil {
		t.Fatal(err)
	}
	var example struct {
		ContainerDefinitions []struct {
			Name                  string
			FirelensConfiguration struct{ Type string }
			LogConfiguration      struct {
				LogDriver string
				Options   map[string]string
			}
		}
	}
	if err := json.Unmarshal(text, &example); err != nil {
		t.Fatal(err)
	}
	var d taskDefinition
	for _, c := range example.ContainerDefinitions {
		if c.FirelensConfiguration.Type != "" {
			d.Type = c.FirelensConfiguration.Type
		}
		if c.LogConfiguration.LogDriver == "awsfirelens" {
			d.LogOptions = c.LogConfiguration.Options
		}
	}
	config, err := d.agentConfig()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "fluent-bit.conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(world.binary, "check", "--plan", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, config)
	}
}
