package taskdef

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// What the agent sets, in its package firelens.
const (
	socketPath      = "/var/run/fluent.sock"
	healthTag       = "firelens-healthcheck"
	defaultBufLimit = 25 // MB
	bufferLimit     = "log-driver-buffer-limit"
	includePattern  = "include-pattern"
	excludePattern  = "exclude-pattern"

	configFileType   = "config-file-type"
	configFileValue  = "config-file-value"
	enableMetadata   = "enable-ecs-log-metadata"
	awsfirelens      = "awsfirelens"
	placeholderTask  = "0123456789abcdef0123456789abcdef"
	placeholderEC2   = "i-0123456789abcdef0"
	placeholderOwner = "123456789012"
)

// firelensOptions are the options of a firelensConfiguration.
var firelensOptions = []string{enableMetadata, configFileType, configFileValue}

// PlaceholderRegion stands for a region that nothing in the task definition tells.
const PlaceholderRegion = "eu-west-1"

// placeholderCluster stands for the cluster's name.
const placeholderCluster = "cluster"

// The files that the agent mounts.
const (
	fluentBitPath = "/fluent-bit/etc/fluent-bit.conf"
	fluentdPath   = "/fluentd/etc/fluent.conf"
)

// Router returns the log router of a task definition: the container with a firelensConfiguration; nil if there is none.
func (d *Definition) Router() *Container {
	for i := range d.Containers {
		if d.Containers[i].FireLens != nil {
			return &d.Containers[i]
		}
	}
	return nil
}

// EC2 reports whether the tasks run on EC2, where the agent knows the instance: Fargate has only the network mode awsvpc.
func (d *Definition) EC2() bool {
	if slices.Contains(d.LaunchTypes, "FARGATE") || slices.Contains(d.LaunchTypes, "EXTERNAL") {
		return false
	}
	return slices.Contains(d.LaunchTypes, "EC2") || d.NetworkMode.Text != "awsvpc" && !d.NetworkMode.Unknown
}

// External returns the path in the container of the file that the router's options include, and the place of the option that
// names it; "" if there is none. For an object in S3 it is where the agent stores it.
func (r *Rendered) External() (path string, from Value) {
	kind, _ := Find(r.Router.FireLens.Options, configFileType)
	value, ok := Find(r.Router.FireLens.Options, configFileValue)
	if !ok {
		return "", Value{}
	}
	switch kind.Text {
	case "file":
		return value.Text, value.Value
	case "s3":
		return r.File[:strings.LastIndexByte(r.File, '/')] + "/external.conf", value.Value
	}
	return "", Value{}
}

// Render writes the router's configuration as the ECS agent does (1.105; its package firelens and the module
// go-config-generator-for-fluentd-and-fluentbit). The agent writes the outputs in an arbitrary order; here it is the order of
// the containers. What only a running task knows, such as its ARN, has placeholders. leaveOut are places of options that are
// left out; include is false if the file that the router's options name isn't to be included. d must have a router.
//
// What keeps the agent from writing the configuration is in Problems, and the text is as if the agent skipped it.
func Render(d *Definition, include bool, leaveOut map[Place]bool) *Rendered {
	r := &rendering{Rendered: &Rendered{Definition: d, Router: d.Router(), File: fluentBitPath}, leaveOut: leaveOut}
	if r.Router.FireLens.Type.Text == Fluentd {
		r.fluentd, r.File = true, fluentdPath
	}
	r.collect()
	r.inputs()
	r.filters()
	r.metadata()
	if path, from := r.External(); path != "" && include {
		r.external(path, from.Place)
	}
	r.outputs()
	r.Environment = r.environment()
	r.Text = r.text.String()
	return r.Rendered
}

// A rendering is a configuration being written.
type rendering struct {
	*Rendered
	fluentd  bool
	health   bool // there is an input for health checks
	text     strings.Builder
	leaveOut map[Place]bool
	outs     []output
}

// An output is the section of one container.
type output struct {
	tag              string
	name             Value
	options          []Option // sorted by name
	include, exclude *Option
	Place
}

// line writes a line. Its text may have line breaks.
func (r *rendering) line(at Place, format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	r.text.WriteString(s)
	r.text.WriteByte('\n')
	for range strings.Count(s, "\n") + 1 {
		r.Lines = append(r.Lines, at)
	}
}

// section writes a section of an input or an output.
func (r *rendering) section(at Place, kind, tag string, name Value, options []Option) {
	r.line(at, "")
	if r.fluentd {
		element := map[string]string{"INPUT": "source", "OUTPUT": "match"}[kind]
		if kind == "OUTPUT" {
			r.line(at, "<match %s>", tag)
		} else {
			r.line(at, "<source>")
		}
		r.line(name.Place, "    @type %s", name.Text)
		r.lines(options)
		r.line(at, "</%s>", element)
		return
	}
	r.line(at, "[%s]", kind)
	r.line(name.Place, "    Name %s", name.Text)
	switch {
	case kind == "OUTPUT":
		r.line(at, "    Match %s", tag)
	case tag != "":
		r.line(at, "    Tag %s", tag)
	}
	r.lines(options)
}

func (r *rendering) lines(options []Option) {
	for _, o := range options {
		r.line(o.Place, "    %s %s", o.Name, o.Text)
	}
}

// inputs writes the socket of the log driver and, unless the network mode is host or none, a port for applications and Fluent
// Bit's health check.
func (r *rendering) inputs() {
	at := r.Router.FireLens.Place
	set := func(from Place, pairs ...string) (list []Option) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, Option{pairs[i], Value{Text: pairs[i+1], Place: from}})
		}
		return list
	}
	named := func(name string) Value { return Value{Text: name, Place: at} }
	if r.fluentd {
		r.section(at, "INPUT", "", named("unix"), set(at, "path", socketPath))
	} else {
		r.section(at, "INPUT", "", named("forward"), set(at, "Mem_Buf_Limit", r.bufLimit(), "unix_path", socketPath))
	}
	network := at
	if r.NetworkMode.Line > 0 {
		network = r.NetworkMode.Place
	}
	bind := ""
	switch r.NetworkMode.Text {
	case "awsvpc":
		bind = "127.0.0.1"
	case "bridge", "":
		bind = "0.0.0.0"
	default:
		if !r.NetworkMode.Unknown {
			return
		}
		bind = "127.0.0.1"
	}
	if r.fluentd {
		r.section(at, "INPUT", "", named("forward"), set(network, "bind", bind, "port", "24224"))
		return
	}
	r.section(at, "INPUT", "", named("forward"), set(network, "Listen", bind, "Port", "24224"))
	r.health = true
	r.section(at, "INPUT", healthTag, named("tcp"), set(at, "Listen", "127.0.0.1", "Port", "8877"))
}

// bufLimit is half of the container's memory.
func (r *rendering) bufLimit() string {
	memory := r.Router.MemoryReservation
	if memory <= 0 {
		memory = r.Router.Memory
	}
	if memory /= 2; memory <= 0 {
		memory = defaultBufLimit
	}
	return strconv.Itoa(memory) + "MB"
}

// filters writes the patterns of all containers, first those that include.
func (r *rendering) filters() {
	for _, kind := range []string{includePattern, excludePattern} {
		for _, o := range r.outs {
			pattern := o.include
			if kind == excludePattern {
				pattern = o.exclude
			}
			if pattern == nil {
				continue
			}
			at := pattern.Place
			r.line(at, "")
			switch {
			case r.fluentd:
				element := map[string]string{includePattern: "regexp", excludePattern: "exclude"}[kind]
				r.line(at, "<filter %s>\n    @type  grep\n    <%s>\n        key log", o.tag, element)
				r.line(at, "        pattern %s\n    </%s>\n</filter>", pattern.Text, element)
			case kind == includePattern:
				r.line(at, "[FILTER]\n    Name   grep\n    Match %s\n    Regex  log %s", o.tag, pattern.Text)
			default:
				r.line(at, "[FILTER]\n    Name   grep\n    Match %s\n    Exclude log %s", o.tag, pattern.Text)
			}
		}
	}
}

// metadata writes the filter that adds the task's fields.
func (r *rendering) metadata() {
	at := r.Router.FireLens.Place
	if o, ok := Find(r.Router.FireLens.Options, enableMetadata); ok {
		if on, err := strconv.ParseBool(o.Text); err != nil || !on { // the agent takes a value that isn't one for false
			return
		}
		at = o.Place
	}
	t := r.Task()
	r.line(at, "")
	set, end := "    Record", ""
	if r.fluentd {
		r.line(at, "<filter **>\n    @type record_transformer\n    <record>")
		set, end = "       ", "    </record>\n</filter>"
	} else {
		r.line(at, "[FILTER]\n    Name record_modifier\n    Match *")
	}
	if t.Instance != "" {
		r.line(at, "%s ec2_instance_id %s", set, t.Instance)
	}
	r.line(at, "%s ecs_cluster %s", set, t.Cluster)
	r.line(at, "%s ecs_task_arn %s", set, t.ARN)
	r.line(at, "%s ecs_task_definition %s", set, t.Definition)
	if end != "" {
		r.line(at, "%s", end)
	}
}

// external writes the include of the file that the router's options name.
func (r *rendering) external(path string, at Place) {
	r.line(at, "")
	if r.fluentd {
		r.line(at, "@include %s", path)
		return
	}
	r.line(at, "@INCLUDE %s", path)
}

// outputs writes the outputs: that of the health check, and those of the containers.
func (r *rendering) outputs() {
	if at := r.Router.FireLens.Place; r.health {
		r.section(at, "OUTPUT", healthTag, Value{Text: "null", Place: at}, nil)
	}
	for _, o := range r.outs {
		if o.name.Line > 0 {
			r.section(o.Place, "OUTPUT", o.tag, o.name, o.options)
		}
	}
}
