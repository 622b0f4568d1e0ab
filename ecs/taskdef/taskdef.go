// Package taskdef reads ECS task definitions wherever they are written, with the place of each value, and renders the log
// router's configuration as the ECS agent does.
package taskdef

import (
	"strings"

	"github.com/firelane/firelane/config"
)

// A Place is where a value is written.
type Place struct {
	config.Pos        // file and line
	Path       string // within the file: containerDefinitions[1].logConfiguration.options.Host
}

// A Value is a text and its place.
type Value struct {
	Text    string
	Unknown bool // a plan or a template doesn't tell the text: it is known only when it is applied
	Place
}

// A Definition is a task definition, as far as it matters for logs.
type Definition struct {
	Family        Value
	NetworkMode   Value    // awsvpc, bridge, host, none; "" is bridge
	LaunchTypes   []string // requiresCompatibilities
	TaskRole      Value
	ExecutionRole Value
	Memory        int // of the whole task, MiB; 0: none
	Containers    []Container
	Volumes       []Volume
	ARN, Revision string // of one that is registered
	Region        string // as far as the definition tells it: by an ARN, awslogs-region or an image; "" if it doesn't
	Generated     bool   // a program has written the file, such as a plan: nobody edits its lines
	Partial       bool   // the file has its containers alone: what else it says isn't known
	Place

	keys map[string]Place
}

// Has reports whether a key of the API is written in the task definition, even if its value isn't known.
func (d *Definition) Has(key string) bool {
	_, ok := d.keys[key]
	return ok
}

// The types of log router.
const (
	Fluentbit = "fluentbit"
	Fluentd   = "fluentd"
)

// A Container is one of containerDefinitions.
type Container struct {
	Name, Image         Value
	Essential           bool // true by default
	Memory              int  // MiB; 0: none
	MemoryReservation   int  // MiB; 0: none
	StopTimeout         int  // seconds; 0: the agent's default, 30
	User                Value
	ReadOnlyRoot        bool
	EntryPoint, Command []Value
	Environment         []Option
	EnvironmentFiles    []Value
	Secrets             []Option // Value is the ARN or the name that it comes from
	DependsOn           []Dependency
	MountPoints         []Mount
	Ports               []Port  // portMappings
	HealthCheck         []Value // its command; nil: none
	Log                 *Log
	FireLens            *FireLens
	Restarts            bool // its restartPolicy is enabled
	VolumesFrom         bool // it has the volumes of other containers
	Place

	keys map[string]Place
}

// Has reports whether a key of the API is written in the container, even if its value isn't known.
func (c *Container) Has(key string) bool {
	_, ok := c.keys[key]
	return ok
}

// At is the place of a key of the API. Of one that isn't written it is the line in which the container begins.
func (c *Container) At(key string) Place {
	if at, ok := c.keys[key]; ok {
		return at
	}
	at := c.Place
	if strings.Contains(at.Path, "ContainerDefinitions") { // CloudFormation's names
		key = strings.ToUpper(key[:1]) + key[1:]
	}
	at.Path += "." + key
	return at
}

// An Option is a named value.
type Option struct {
	Name string
	Value
}

// A Dependency is one of a container's dependsOn.
type Dependency struct {
	Container, Condition Value
}

// A Mount is one of a container's mountPoints.
type Mount struct {
	Volume, Path string
	ReadOnly     bool
	ReadOnlyAt   Place // where readOnly is written
	Place
}

// A Port is one of a container's portMappings.
type Port struct {
	Container, Host int // Host is 0 if the instance's port is another at each start
	Place
}

// Log is a container's logConfiguration.
type Log struct {
	Driver  Value
	Options []Option // in the order in which they are written
	Secrets []Option // secretOptions
	Place
}

// FireLens is a container's firelensConfiguration: the container is the log router.
type FireLens struct {
	Type    Value // fluentbit or fluentd
	Options []Option
	Place
}

// A Rendered is the configuration that the agent writes into the router's container.
type Rendered struct {
	*Definition
	Router      *Container
	File        string            // its path in the container: /fluent-bit/etc/fluent-bit.conf
	Text        string            // what the agent writes
	Lines       []Place           // where each line of Text comes from
	Files       map[string]string // what the task's configuration includes, where it can be had: path in the container to text
	Local       map[string]string // the local copies of Files: path in the container to the file's name here
	Environment map[string]string // of the router, as far as the definition tells it; secrets are ""
	Problems    []Problem         // what keeps the agent from writing it
}

// Find returns the option of that name, as written; ok is false if there is none.
func Find(options []Option, name string) (o Option, ok bool) {
	for _, o := range options {
		if o.Name == name {
			return o, true
		}
	}
	return Option{}, false
}
