package ecstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	generator "github.com/awslabs/go-config-generator-for-fluentd-and-fluentbit"
)

// A TaskDefinition is the part of one that concerns FireLens, as RegisterTaskDefinition takes it.
type TaskDefinition struct {
	NetworkMode string      `json:"networkMode"`
	Containers  []Container `json:"containerDefinitions"`
}

// A Container is one container definition.
type Container struct {
	Name        string   `json:"name"`
	EntryPoint  []string `json:"entryPoint"`
	Command     []string `json:"command"`
	Environment []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"environment"`
	FireLens *struct {
		Type    string            `json:"type"`
		Options map[string]string `json:"options"`
	} `json:"firelensConfiguration"`
	Log *struct {
		Driver  string            `json:"logDriver"`
		Options map[string]string `json:"options"`
		Secrets []struct {
			Name string `json:"name"`
		} `json:"secretOptions"`
	} `json:"logConfiguration"`
}

// A Rendered is what the ECS agent makes of a task definition.
type Rendered struct {
	Path      string            // where it mounts the configuration
	Text      string            // the configuration
	Variables map[string]string // of the router: its environment, and the secrets of the others' options
	External  string            // where the configuration of config-file-value is; "" for none
}

// The files that the agent mounts.
const (
	fluentBitPath = "/fluent-bit/etc/fluent-bit.conf"
	fluentdPath   = "/fluentd/etc/fluent.conf"
)

// Secret is the value of each secret option.
const Secret = "user:secret"

// Render writes a task's configuration with the agent's own generator, called as the agent's firelens package calls it.
func Render(definition []byte) (*Rendered, error) {
	var d TaskDefinition
	if err := json.Unmarshal(definition, &d); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(d.Containers, func(c Container) bool { return c.FireLens != nil })
	if at < 0 {
		return nil, errors.New("the task definition has no firelensConfiguration")
	}
	router := d.Containers[at]
	k := &rendering{fluentd: router.FireLens.Type == "fluentd", config: generator.New()}
	r := &Rendered{Path: fluentBitPath, Variables: map[string]string{}}
	if k.fluentd {
		r.Path = fluentdPath
	}
	for _, e := range router.Environment {
		r.Variables[e.Name] = e.Value
	}
	k.inputs(d.NetworkMode)
	if router.FireLens.Options["enable-ecs-log-metadata"] != "false" {
		for _, field := range [][2]string{
			{"ecs_cluster", "demo"}, {"ecs_task_arn", "arn:aws:ecs:eu-west-1:123456789012:task/demo/0123456789abcdef"}, {"ecs_task_definition", "web:7"},
		} {
			k.config.AddFieldToRecord(field[0], field[1], k.tag("*"))
		}
	}
	switch router.FireLens.Options["config-file-type"] {
	case "s3":
		r.External = r.Path[:strings.LastIndexByte(r.Path, '/')] + "/external.conf"
	case "file":
		r.External = router.FireLens.Options["config-file-value"]
	}
	if r.External != "" {
		k.config.AddExternalConfig(r.External, generator.AfterFilters)
	}
	for n, c := range d.Containers {
		if c.Log != nil && c.Log.Driver == "awsfirelens" {
			if err := k.output(n, c, r.Variables); err != nil {
				return nil, err
			}
		}
	}
	var text bytes.Buffer
	write := k.config.WriteFluentBitConfig
	if k.fluentd {
		write = k.config.WriteFluentdConfig
	}
	err := write(&text)
	r.Text = text.String()
	return r, err
}

type rendering struct {
	fluentd bool
	config  generator.FluentConfig
}

func (k *rendering) tag(match string) string {
	if k.fluentd {
		return match + "*"
	}
	return match
}

func (k *rendering) inputs(network string) {
	bind := map[string]string{"awsvpc": "127.0.0.1", "bridge": "0.0.0.0", "": "0.0.0.0"}[network]
	if k.fluentd {
		k.config.AddInput("unix", "", map[string]string{"path": "/var/run/fluent.sock"})
		if bind != "" {
			k.config.AddInput("forward", "", map[string]string{"bind": bind, "port": "24224"})
		}
		return
	}
	k.config.AddInput("forward", "", map[string]string{"unix_path": "/var/run/fluent.sock", "Mem_Buf_Limit": "25MB"})
	if bind != "" {
		k.config.AddInput("forward", "", map[string]string{"Listen": bind, "Port": "24224"})
		k.config.AddInput("tcp", "firelens-healthcheck", map[string]string{"Listen": "127.0.0.1", "Port": "8877"})
		k.config.AddOutput("null", "firelens-healthcheck", nil)
	}
}

// output adds the filters and the output of a container. Options that the agent takes for itself are none of the output's.
func (k *rendering) output(n int, c Container, variables map[string]string) error {
	tag, nameOption := k.tag(c.Name+"-firelens*"), "Name"
	if k.fluentd {
		nameOption = "@type"
	}
	options := maps.Clone(c.Log.Options)
	if pattern := options["include-pattern"]; pattern != "" {
		k.config.AddIncludeFilter(pattern, "log", tag)
	}
	if pattern := options["exclude-pattern"]; pattern != "" {
		k.config.AddExcludeFilter(pattern, "log", tag)
	}
	for _, s := range c.Log.Secrets {
		variable := fmt.Sprintf("%s_%d", s.Name, n)
		variables[variable] = Secret
		if options == nil {
			options = map[string]string{}
		}
		options[s.Name] = "${" + variable + "}"
		if k.fluentd {
			options[s.Name] = `"#{ENV['` + variable + `']}"`
		}
	}
	name := options[nameOption]
	for _, own := range []string{nameOption, "include-pattern", "exclude-pattern", "log-driver-buffer-limit"} {
		delete(options, own)
	}
	switch {
	case name != "":
		k.config.AddOutput(name, tag, options)
	case len(options) > 0:
		return fmt.Errorf("container %s: its log options have no %s, which fails the task", c.Name, nameOption)
	}
	return nil
}
