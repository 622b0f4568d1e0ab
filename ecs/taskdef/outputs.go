package taskdef

import (
	"fmt"
	"slices"
	"strings"
)

// collect finds the output of each container that logs to the router.
func (r *rendering) collect() {
	for n := range r.Containers {
		c := &r.Containers[n]
		if c.Log == nil {
			continue
		}
		mine := c.Log.Driver.Text == awsfirelens
		if mine || len(c.Log.Secrets) > 0 {
			r.output(n, c, mine)
		}
	}
}

// output makes the output of a container. The agent takes the secret options of every log driver for its own, although only
// awsfirelens is: another driver's secrets then lack a Name, and the task doesn't start.
func (r *rendering) output(n int, c *Container, mine bool) {
	star, nameOption := "*", "Name"
	if r.fluentd {
		star, nameOption = "**", "@type"
	}
	o := output{tag: c.Name.Text + "-firelens" + star, Place: c.Log.Place}
	named := false
	for _, option := range r.given(n, c, mine) {
		switch {
		case r.leaveOut[option.Place] && option.Name != nameOption:
		case option.Name == nameOption:
			named = true
			if !r.leaveOut[option.Place] {
				o.name = option.Value
			}
		case option.Name == includePattern:
			o.include = &option
		case option.Name == excludePattern:
			o.exclude = &option
		default:
			o.options = append(o.options, option)
		}
	}
	slices.SortStableFunc(o.options, func(a, b Option) int { return strings.Compare(a.Name, b.Name) })
	switch {
	case !mine && !named:
		r.problem(c.Log.Place, "the driver %s has secretOptions in a task with a log router: the ECS agent takes them for options of the router's output, misses %s there, and does not start the task",
			shown(c.Log.Driver.Text), nameOption)
		return
	case !named && len(o.options) > 0:
		r.problem(c.Log.Place, "the options have no %s: the ECS agent can't write an output for the container %s, and does not start the task", nameOption, c.Name.Text)
	}
	r.outs = append(r.outs, o)
}

func (r *rendering) problem(at Place, format string, args ...any) {
	r.Problems = append(r.Problems, Problem{at, Wrong, fmt.Sprintf(format, args...)})
}

// given returns the options of a container, and its secret options as references to variables of the router.
func (r *rendering) given(n int, c *Container, mine bool) (list []Option) {
	secret := map[string]int{} // the last one of a name
	for i, s := range c.Log.Secrets {
		secret[s.Name] = i
	}
	for _, o := range c.Log.Options {
		if _, replaced := secret[o.Name]; mine && o.Name != bufferLimit && !replaced {
			list = append(list, o)
		}
	}
	for i, s := range c.Log.Secrets {
		if secret[s.Name] != i {
			continue
		}
		variable := SecretVariable(s.Name, n)
		o := Option{s.Name, Value{Text: "${" + variable + "}", Place: s.Place}}
		if r.fluentd {
			o.Text = `"#{ENV['` + variable + `']}"`
		}
		list = append(list, o)
	}
	return list
}

// SecretVariable is the variable of the router that has the value of a secret option.
func SecretVariable(option string, container int) string {
	return fmt.Sprintf("%s_%d", option, container)
}

// A Task is what only a running task knows, as placeholders.
type Task struct{ Cluster, ID, ARN, Definition, Instance, Region, Revision string }

// Task returns placeholders for what only a running task knows. What the definition tells is as it is there.
func (d *Definition) Task() Task {
	family, revision := d.Family.Text, d.Revision
	if family == "" {
		family = "family"
	}
	if revision == "" {
		revision = "1"
	}
	t := Task{Cluster: placeholderCluster, ID: placeholderTask, Region: d.Region, Definition: family + ":" + revision, Revision: revision}
	if t.Region == "" {
		t.Region = PlaceholderRegion
	}
	owner := placeholderOwner
	if parts := strings.SplitN(d.ARN, ":", 6); len(parts) == 6 && parts[4] != "" {
		owner = parts[4]
	}
	t.ARN = "arn:aws:ecs:" + t.Region + ":" + owner + ":task/" + t.Cluster + "/" + t.ID
	if d.EC2() {
		t.Instance = placeholderEC2
	}
	return t
}

// environment returns the variables of the router: its own, its secrets and those of the log options, whose values are empty,
// and what the agent and the image's entry point set.
func (r *Rendered) environment() map[string]string {
	t := r.Task()
	family, _, _ := strings.Cut(t.Definition, ":")
	launch := "FARGATE"
	if t.Instance != "" {
		launch = "EC2"
	}
	set := map[string]string{
		"AWS_REGION": t.Region, "AWS_DEFAULT_REGION": t.Region, "AWS_AVAILABILITY_ZONE": t.Region + "a", "ECS_CLUSTER": t.Cluster, "ECS_TASK_ARN": t.ARN,
		"ECS_TASK_ID": t.ID, "ECS_FAMILY": family, "ECS_LAUNCH_TYPE": launch, "ECS_REVISION": t.Revision, "ECS_TASK_DEFINITION": t.Definition,
		"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/" + t.ID, "ECS_CONTAINER_METADATA_URI": "http://169.254.170.2/v3/" + t.ID,
		"AWS_EXECUTION_ENV": "AWS_ECS_" + launch, "HOSTNAME": "ip-10-0-0-1.ec2.internal",
	}
	if r.TaskRole.Text != "" {
		set["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/" + t.ID
	}
	if r.Router.FireLens.Type.Text == Fluentd {
		set["FLUENT_UID"] = "0"
	}
	for _, e := range r.Router.Environment {
		set[e.Name] = e.Text
	}
	for _, s := range r.Router.Secrets {
		set[s.Name] = ""
	}
	for n, c := range r.Containers {
		if c.Log != nil && c.Log.Driver.Text == awsfirelens {
			for _, s := range c.Log.Secrets {
				set[SecretVariable(s.Name, n)] = ""
			}
		}
	}
	return set
}
