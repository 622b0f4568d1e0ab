package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
)

// TaskRules are the rules about task definitions, F501 to F599. canRun reports why firelane's image can't run the command of a health
// check; it may be nil.
func TaskRules(canRun func(command []string) error) []Rule {
	return slices.Concat(nameRules(), fileRules(), secretRules(), driverRules(), lifeRules(canRun), limitRules(), queueRules(), inputRules(), journalRules())
}

// forTask makes the check of a rule that is about task definitions.
func forTask(check func(t *task)) func(*Subject, func(Finding)) {
	return func(s *Subject, tell func(Finding)) {
		if s.Task != nil && s.Task.Definition != nil {
			check(&task{Subject: s, Rendered: s.Task, tell: tell})
		}
	}
}

// A task is a subject that has a task definition, and where findings go.
type task struct {
	*Subject
	*taskdef.Rendered
	tell func(Finding)

	options map[taskdef.Place]config.Given // those that optionAt finds; nil before its first call
}

// say tells a finding with a text.
func (t *task) say(at taskdef.Place, want, format string, args ...any) {
	t.tell(Finding{At: at, Text: fmt.Sprintf(format, args...), Want: want})
}

// sayUnlessFile is say for what a file that isn't here may change: then it is a note.
func (t *task) sayUnlessFile(severity Severity, at taskdef.Place, want, format string, args ...any) {
	f := Finding{Severity: severity, At: at, Text: fmt.Sprintf(format, args...), Want: want}
	if t.incomplete() {
		f.Severity, f.Text = Note, f.Text+" What isn't checked here may change that."
	}
	t.tell(f)
}

// planned reports whether the router starts with the configuration.
func (t *task) planned() bool { return t.Plan != nil && len(t.Errors) == 0 }

// fargate reports whether the task is for Fargate alone.
func (s *Subject) fargate() bool {
	return s.launches("FARGATE") && !slices.ContainsFunc(s.Task.LaunchTypes, func(l string) bool { return !strings.EqualFold(l, "FARGATE") })
}

// launches reports whether requiresCompatibilities has a launch type.
func (s *Subject) launches(kind string) bool {
	return s.Task != nil && s.Task.Definition != nil && slices.ContainsFunc(s.Task.LaunchTypes, func(l string) bool { return strings.EqualFold(l, kind) })
}

// notFargate reports whether the task can't run on Fargate: it names other launch types, or a network mode that Fargate doesn't have.
func (s *Subject) notFargate() bool {
	if s.Task == nil || s.Task.Definition == nil || s.launches("FARGATE") {
		return false
	}
	mode := s.Task.NetworkMode
	return len(s.Task.LaunchTypes) > 0 || mode.Text != "" && mode.Text != "awsvpc" && !mode.Unknown
}

// routers are the containers with a firelensConfiguration.
func (t *task) routers() (list []*taskdef.Container) {
	for i := range t.Containers {
		if t.Containers[i].FireLens != nil {
			list = append(list, &t.Containers[i])
		}
	}
	return list
}

// dialectOf is the option that names an output's plugin in a router of that type, and what it is in the other one.
func dialectOf(kind string) (name, other string) {
	if kind == taskdef.Fluentd {
		return "@type", "Name"
	}
	return "Name", "@type"
}

// notOptions are log options that the agent doesn't write into the output.
func notOptions(name string) bool {
	return name == "log-driver-buffer-limit" || name == "include-pattern" || name == "exclude-pattern"
}

func nameRules() []Rule {
	return []Rule{
		{"F501", "output-name", Error, "the options of a container on awsfirelens have no Name (@type for Fluentd): ECS doesn't start the task, or writes no output", forTask(outputName)},
		{"F502", "no-router", Error, "a container has the log driver awsfirelens, and no container is a log router", forTask(noRouter)},
		{"F503", "router-unused", Error, "a container is a log router, and no container has the log driver awsfirelens: ECS refuses such a task definition", forTask(routerUnused)},
		{"F504", "two-routers", Error, "two containers are log routers; ECS accepts one", forTask(twoRouters)},
		{"F505", "router-type", Error, "the type of the log router is not the one that the options are written for", forTask(routerType)},
	}
}

// outputName: the agent writes an output section only for options with its Name, spelled so (addOutputSection of the agent).
func outputName(t *task) {
	if t.Router == nil || t.Router.FireLens == nil {
		return
	}
	want, other := dialectOf(t.Router.FireLens.Type.Text)
	for _, c := range t.logged() {
		if _, ok := taskdef.Find(c.Log.Options, want); ok {
			continue
		}
		if _, ok := taskdef.Find(c.Log.Secrets, want); ok {
			continue
		}
		if _, ok := taskdef.Find(c.Log.Options, other); ok {
			continue // F505
		}
		var first *taskdef.Option
		for i := range c.Log.Options {
			o := &c.Log.Options[i]
			if strings.EqualFold(o.Name, want) {
				t.tell(Finding{At: o.Place, Text: fmt.Sprintf("ECS looks for %s, spelled so: without it, the task does not start.", want),
					Want: fmt.Sprintf("%s instead of %s", want, o.Name), Fix: t.fix(o.Place, `"`+o.Name+`"`, `"`+want+`"`)})
				first = nil
				break
			}
			if first == nil && !notOptions(o.Name) {
				first = o
			}
		}
		spelled := slices.ContainsFunc(c.Log.Options, func(o taskdef.Option) bool { return strings.EqualFold(o.Name, want) })
		switch {
		case spelled:
		case first != nil || len(c.Log.Secrets) > 0:
			t.say(c.Log.Place, fmt.Sprintf(`"%s": the output's plugin, such as "opensearch" or "cloudwatch_logs"`, want),
				"The log options of %s have no %s. ECS can't tell which output they are for, and does not start the task.", c.Name.Text, want)
		case t.planned() && !t.incomplete() && t.goesNowhere(c):
			t.say(c.Log.Place, fmt.Sprintf("log options with %s, or an output in a configuration file with a Match for %s-firelens-*", want, c.Name.Text),
				"%s has no log options, so ECS writes no output for it, and no output of a configuration file takes its lines: all of them are dropped.", c.Name.Text)
		}
	}
}

// goesNowhere reports whether no output takes a container's lines.
func (t *task) goesNowhere(c *taskdef.Container) bool {
	r := t.Plan.Route(t.socket(), c.Name.Text+firelen+taskID)
	return len(r.Outputs) == 0 && len(r.Next) == 0
}

func noRouter(t *task) {
	if list := t.logged(); len(list) > 0 && len(t.routers()) == 0 {
		for _, c := range list {
			t.say(c.Log.Driver.Place, `a container with "firelensConfiguration": {"type": "fluentbit"} and the image of firelane`,
				"%s has the log driver awsfirelens, but no container of the task is a log router: ECS refuses the task definition.", c.Name.Text)
		}
	}
}

// routerUnused: "When a firelensConfiguration object is specified, at least one container has to be configured with the awsfirelens log
// driver", says RegisterTaskDefinition.
func routerUnused(t *task) {
	if len(t.logged()) > 0 {
		return
	}
	for _, c := range t.routers() {
		var others []string
		for i := range t.Containers {
			if o := &t.Containers[i]; o.FireLens == nil {
				others = append(others, o.Name.Text)
			}
		}
		where := "in the containers whose lines it should get"
		if len(others) == 1 {
			where = "in " + others[0]
		}
		t.say(c.FireLens.Place, where+` "logDriver": "awsfirelens", with the options of an output (Name and what it needs; in Fluentd @type) in place of the present ones; or remove firelensConfiguration`,
			"%s is the log router, but no container has the log driver awsfirelens: ECS refuses the task definition.", c.Name.Text)
	}
}

func twoRouters(t *task) {
	list := t.routers()
	for _, c := range list[min(1, len(list)):] {
		t.say(c.FireLens.Place, fmt.Sprintf("remove the container %s; for a second output, add %s to a configuration file of %s", c.Name.Text, outputSection(list[0]), list[0].Name.Text),
			"%s and %s are both log routers. A task may have one: ECS refuses the task definition.", list[0].Name.Text, c.Name.Text)
	}
}

// outputSection is what an output begins with in a configuration file of a router.
func outputSection(router *taskdef.Container) string {
	if router.FireLens.Type.Text == taskdef.Fluentd {
		return "a <match>"
	}
	return "an [OUTPUT]"
}

func routerType(t *task) {
	if t.Router == nil || t.Router.FireLens == nil || t.Router.FireLens.Type.Unknown {
		return
	}
	kind := t.Router.FireLens.Type
	if kind.Text != taskdef.Fluentbit && kind.Text != taskdef.Fluentd {
		t.say(kind.Place, "fluentbit or fluentd", "%q is not a type of log router: ECS refuses the task definition.", kind.Text)
		return
	}
	want, other := dialectOf(kind.Text)
	is := map[string]string{"@type": "Fluentd", "Name": "Fluent Bit"}
	types := map[string]string{"@type": taskdef.Fluentbit, "Name": taskdef.Fluentd}
	if t.allOther(want, other) {
		t.tell(Finding{At: kind.Place, Want: fmt.Sprintf(`"type": %q`, types[want]), Fix: t.fix(kind.Place, `"`+kind.Text+`"`, `"`+types[want]+`"`),
			Text: fmt.Sprintf("The log router %s is of type %s, and the log options of all containers are %s's: they have %s. ECS looks for %s, and the task does not start.", t.Router.Name.Text, kind.Text, is[other], other, want)})
		return
	}
	for _, c := range t.logged() {
		o, ok := taskdef.Find(c.Log.Options, other)
		if _, right := taskdef.Find(c.Log.Options, want); !ok || right {
			continue
		}
		t.say(o.Place, fmt.Sprintf(`%s and options of %s; or "type": %q in firelensConfiguration, and options of %s everywhere`, want, is[want], types[want], is[other]),
			"The log router %s is of type %s, and %s is %s's way to name an output. ECS looks for %s, and the task does not start.", t.Router.Name.Text, kind.Text, other, is[other], want)
	}
}

// allOther reports whether the log options of all containers are written for the other type of router, and no file is for this one.
func (t *task) allOther(want, other string) bool {
	if _, ok := taskdef.Find(t.Router.FireLens.Options, "config-file-value"); ok {
		return false
	}
	list := t.logged()
	return len(list) > 0 && !slices.ContainsFunc(list, func(c *taskdef.Container) bool {
		_, wrong := taskdef.Find(c.Log.Options, other)
		_, right := taskdef.Find(c.Log.Options, want)
		return !wrong || right
	})
}

// fix is a fix that replaces words in the line of a place; the report completes it, if they are there once.
func (t *task) fix(at taskdef.Place, before, after string) *Fix {
	if t.Generated || at.Line == 0 {
		return nil
	}
	return &Fix{Pos: at.Pos, Old: before, New: after}
}
