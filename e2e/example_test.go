package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/firelane/firelane/e2e/servers"
)

// What the ECS agent makes of the example in deploy/ compiles.
func TestExampleTaskDefinitionIsUnderstood(t *testing.T) {
	text, err := os.ReadFile("../deploy/task-definition.json")
	if err != nil {
		t.Fatal(err)
	}
	var example struct{ ContainerDefinitions json.RawMessage }
	if err := json.Unmarshal(text, &example); err != nil {
		t.Fatal(err)
	}
	d, err := definitionOf(example.ContainerDefinitions)
	if err != nil {
		t.Fatal(err)
	}
	d.isUnderstood(t)
}

// definitionOf is the task definition that has these container definitions, of which one is the log router, and one sends its
// logs there.
func definitionOf(containers []byte) (d taskDefinition, err error) {
	var list []struct {
		FirelensConfiguration struct{ Type string }
		Environment           []struct{ Name, Value string }
		LogConfiguration      struct {
			LogDriver string
			Options   map[string]string
		}
	}
	if err := json.Unmarshal(containers, &list); err != nil {
		return d, err
	}
	for _, c := range list {
		if c.FirelensConfiguration.Type != "" {
			d.Type = c.FirelensConfiguration.Type
			for _, v := range c.Environment {
				d.RouterOptions = append(d.RouterOptions, "-e", v.Name+"="+v.Value)
			}
		}
		if c.LogConfiguration.LogDriver == "awsfirelens" {
			d.LogOptions = c.LogConfiguration.Options
		}
	}
	return d, nil
}

// isUnderstood checks the configuration that the agent writes.
func (d taskDefinition) isUnderstood(t *testing.T) {
	t.Helper()
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

func TestCloudFormationTemplateIsValid(t *testing.T) {
	if err := servers.Lint("../deploy/cloudformation/service.yaml"); err != nil {
		t.Error(err)
	}
}
