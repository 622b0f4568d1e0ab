package check

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/sink"
)

func fileRules() []Rule {
	return []Rule{
		{"F506", "config-file", Error, "the options that name a configuration file are incomplete, or what they name can't be one", forTask(configFile)},
		{"F507", "log-metadata", Note, "enable-ecs-log-metadata is off: records don't say from which task they are", forTask(logMetadata)},
		{"F508", "variable-unset", Warning, "the configuration uses a variable that the router's container doesn't get", forTask(variableUnset)},
		{"F526", "router-variable", Warning, "the router's container has a variable FIRELANE_… that firelane doesn't know, probably a misspelling", forTask(routerVariable)},
		{"F509", "init-file", Error, "a variable of the init image names an object that can't be one, or two variables have the same number", forTask(initFile)},
	}
}

// fireLensOptions are the options of a firelensConfiguration.
var fireLensOptions = []string{"enable-ecs-log-metadata", "config-file-type", "config-file-value"}

// keyFor is where a variable of that name belongs.
func keyFor(name string) string {
	if isSecretName(name) {
		return "secrets"
	}
	return "environment"
}

// s3Object is the ARN of an object.
var s3Object = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^arn:aws[a-z-]*:s3:::[^/]+/.+$`) })

// configFile: the agent's own rules (parseOptions of its package firelens): a type that it doesn't know, or one without a value, ends the
// task, and a value without a type isn't read. FirelensConfiguration in the API reference says that Fargate has only files.
func configFile(t *task) {
	if t.Router == nil || t.Router.FireLens == nil {
		return
	}
	options := t.Router.FireLens.Options
	for _, o := range options {
		if !slices.Contains(fireLensOptions, o.Name) {
			t.unknownOption(o)
		}
	}
	kind, hasKind := taskdef.Find(options, "config-file-type")
	value, hasValue := taskdef.Find(options, "config-file-value")
	switch {
	case !hasKind && !hasValue || kind.Unknown || value.Unknown:
	case !hasValue:
		t.say(kind.Place, `"config-file-value": `+map[bool]string{true: "the ARN of the object", false: "the path in the container"}[kind.Text == "s3"]+"; or remove config-file-type",
			"config-file-type is set, but config-file-value is not: the ECS agent takes that for an error, and the task does not start.")
	case !hasKind:
		t.say(value.Place, `"config-file-type": `+map[bool]string{true: `"s3"`, false: `"file"`}[s3ARN(value.Text) != "" || s3Object().MatchString(value.Text)]+"; or remove config-file-value",
			"config-file-value is set, but config-file-type is not: the task starts, and ECS does not include the file.")
	case kind.Text == "s3":
		t.s3File(kind, value)
	case kind.Text == "file":
		t.imageFile(value)
	default:
		t.say(kind.Place, t.typeWanted(value), "%q is not a type of configuration file: the ECS agent takes that for an error, and the task does not start.", kind.Text)
	}
}

// typeWanted is the type that fits the value of config-file-value, where the task may run.
func (t *task) typeWanted(value taskdef.Option) string {
	isPath := strings.HasPrefix(value.Text, "/")
	switch {
	case isPath:
		return `"file"`
	case t.fargate():
		arn := "arn:aws:s3:::BUCKET/KEY"
		if s3Object().MatchString(value.Text) {
			arn = value.Text
		}
		return fmt.Sprintf(`"file" and a path in the image, since Fargate has no other type; or remove config-file-type and config-file-value, and in environment of %s set aws_fluent_bit_init_s3_1 to %s: firelane fetches the file itself, for which the task role needs s3:GetObject on it`, t.Router.Name.Text, arn)
	case s3Object().MatchString(value.Text):
		return `"s3"`
	}
	return `"file" and a path in the image; or, on EC2 alone, "s3" and the ARN of an object`
}

// unknownOption tells of an option that the agent doesn't look for.
func (t *task) unknownOption(o taskdef.Option) {
	near := config.Nearest(o.Name, fireLensOptions)
	want, follows := cmp.Or(near, "one of "+enumerate(fireLensOptions)), ""
	if near == "enable-ecs-log-metadata" {
		follows = ", and adds ecs_cluster, ecs_task_arn and ecs_task_definition, as without any option"
	}
	t.tell(Finding{At: o.Place, Severity: Warning, Text: fmt.Sprintf("firelensConfiguration has no option %s: ECS ignores it%s.", o.Name, follows), Want: want})
}

// s3URL are the URLs of an object: s3://BUCKET/KEY, https://BUCKET.s3.REGION.amazonaws.com/KEY.
var s3URL = lazily(`^(?:s3://([a-z0-9.-]+)|https://([a-z0-9.-]+?)\.s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com)/([^?#]+)$`)

// s3ARN is the ARN of the object that a URL names; "" if it names none.
func s3ARN(url string) string {
	m := s3URL().FindStringSubmatch(url)
	if m == nil {
		return ""
	}
	return "arn:aws:s3:::" + m[1] + m[2] + "/" + m[3]
}

func (t *task) s3File(kind, value taskdef.Option) {
	arn := cmp.Or(s3ARN(value.Text), "arn:aws:s3:::BUCKET/KEY")
	if s3Object().MatchString(value.Text) {
		arn = value.Text
	}
	if t.fargate() {
		t.say(kind.Place, fmt.Sprintf("no config-file-type and config-file-value, and in environment of %s aws_fluent_bit_init_s3_1 with the value %s: firelane fetches the file itself, for which the task role needs s3:GetObject on it; or a file in the image (config-file-type file)", t.Router.Name.Text, arn),
			"On Fargate a log router can't have a configuration file in S3: AWS supports only the type file there, and the task does not start.")
		return
	}
	if arn != value.Text {
		t.say(value.Place, arn, "%q is not the ARN of an object in S3: ECS refuses the task definition (Invalid arn syntax).", value.Text)
	}
	if t.ExecutionRole.Text == "" && !t.ExecutionRole.Unknown && !t.Partial {
		t.say(value.Place, "executionRoleArn: a role that allows s3:GetObject on the object and s3:GetBucketLocation on its bucket",
			"The agent downloads the configuration file with the task execution role, and the task has none: the task does not start.")
	}
}

// generated are the files that the agent writes.
var generated = []string{"/fluent-bit/etc/fluent-bit.conf", "/fluentd/etc/fluent.conf"}

func (t *task) imageFile(value taskdef.Option) {
	switch {
	case !strings.HasPrefix(value.Text, "/"):
		t.say(value.Place, "the whole path in the router's container: /fluent-bit/etc/extra.conf", "%q is not an absolute path: the router looks for it beside its own configuration file, or does not find it.", value.Text)
	case slices.Contains(generated, path.Clean(value.Text)):
		t.say(value.Place, "another name, such as /fluent-bit/etc/extra.conf, here and in the image",
			"ECS writes its own file to %s, over the one in the image: yours is never read, and the file includes itself.", value.Text)
	}
}

func logMetadata(t *task) {
	if t.Router == nil || t.Router.FireLens == nil {
		return
	}
	if t.planned() && t.Plan.Service.Metadata == "full" { // adds these fields, too
		return
	}
	if o, ok := taskdef.Find(t.Router.FireLens.Options, "enable-ecs-log-metadata"); ok && strings.EqualFold(o.Text, "false") {
		more := ""
		if t.planned() && slices.ContainsFunc(t.Plan.Outputs, t.hasTag) {
			more = ", and by the task's ID in the tag, which some outputs have in the names of streams, indices or objects"
		}
		t.say(o.Place, "", "Records get neither ecs_cluster nor ecs_task_arn nor ecs_task_definition. Tasks can be told apart only by container_id%s.", more)
	}
}

// hasTag reports whether an output's records go to a stream, an index or an object that has the tag in its name.
func (t *task) hasTag(o config.Output) bool {
	d, ok := o.Options.(sink.Describer)
	if !ok {
		return false
	}
	name := strings.ToLower(d.Describe(t.Plan.Dialect, t.Now).Name)
	return strings.Contains(name, "$(tag)") || strings.Contains(name, "$tag") || strings.Contains(name, "${tag") || strings.Contains(name, "<tag>")
}

// variable is a variable in a configuration of either dialect, without a default.
var variable = lazily(`\$\{([A-Za-z_][\w.-]*)\}|ENV\[['"]([A-Za-z_]\w*)['"]\]`)

// fromECS are variables that ECS sets in every container, or in a log router.
var fromECS = []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "ECS_CONTAINER_METADATA_URI",
	"ECS_CONTAINER_METADATA_URI_V4", "ECS_AGENT_URI", "HOSTNAME", "PATH", "HOME", "FLUENT_UID"}

// initSets are variables that firelane sets as the init image does, if it finds the task's metadata.
var initSets = []string{"AWS_AVAILABILITY_ZONE", "ECS_CLUSTER", "ECS_TASK_ARN", "ECS_TASK_ID", "ECS_FAMILY", "ECS_LAUNCH_TYPE", "ECS_REVISION", "ECS_TASK_DEFINITION"}

func variableUnset(t *task) {
	if t.Router == nil || len(t.Router.EnvironmentFiles) > 0 {
		return // a file of variables in S3 may have any
	}
	told := map[string]bool{}
	set := map[string]bool{}
	each := func(text string, place func(line int) taskdef.Place) {
		n := 0
		for line := range strings.Lines(text) {
			n++
			line = strings.TrimSpace(line)
			if name, ok := strings.CutPrefix(line, "@SET "); ok {
				name, _, _ = strings.Cut(name, "=")
				set[strings.TrimSpace(name)] = true
			}
			if strings.HasPrefix(line, "#") {
				continue
			}
			for _, m := range variable().FindAllStringSubmatch(line, maxFlows) {
				name := m[1] + m[2]
				if told[name] || set[name] || t.gets(name) || t.planned() && !t.becomesEmpty(name) || t.Dialect() == config.Fluentd && m[1] != "" {
					continue // ${name} is a placeholder in Fluentd
				}
				told[name] = true
				t.say(place(n), fmt.Sprintf("%s in %s of %s", name, keyFor(name), t.Router.Name.Text), "The configuration uses the variable %s, which the task does not set: it becomes empty.", name)
			}
		}
	}
	each(t.Text, func(line int) taskdef.Place { return t.Place(config.Pos{File: t.File, Line: line}) })
	for _, name := range sortedKeys(t.Files) {
		each(t.Files[name], func(line int) taskdef.Place { return t.Place(config.Pos{File: name, Line: line}) })
	}
}

// becomesEmpty reports whether reading the configuration has found that a variable isn't set: env in YAML may set it, and an expression
// may have something else for it.
func (t *task) becomesEmpty(name string) bool {
	return slices.ContainsFunc(t.Plan.Warnings, func(d config.Diagnostic) bool {
		return d.Code == config.CodeVariable && strings.Contains(d.Text, "variable "+name+" is not set")
	})
}

// Dialect is the dialect of the configuration that the agent writes.
func (t *task) Dialect() config.Dialect {
	if t.Router != nil && t.Router.FireLens != nil && t.Router.FireLens.Type.Text == taskdef.Fluentd {
		return config.Fluentd
	}
	return config.FluentBit
}

// gets reports whether the router's container has a variable.
func (t *task) gets(name string) bool {
	if _, ok := t.Environment[name]; ok || slices.Contains(fromECS, name) || slices.Contains(initSets, name) {
		return true
	}
	if _, ok := taskdef.Find(t.Router.Environment, name); ok {
		return true
	}
	if _, ok := taskdef.Find(t.Router.Secrets, name); ok {
		return true
	}
	return t.isSecretOption(name)
}

// isSecretOption reports whether a variable is one of those that the agent makes for secretOptions: the option's name, an underscore
// and the container's number.
func (t *task) isSecretOption(name string) bool {
	for i := range t.Containers {
		if c := &t.Containers[i]; c.Log != nil && slices.ContainsFunc(c.Log.Secrets, func(o taskdef.Option) bool { return name == fmt.Sprintf("%s_%d", o.Name, i) }) {
			return true
		}
	}
	return false
}

// initVariable is a variable that names a file for the init image.
// The image looks for it anywhere in a name.
var initVariable = lazily(`aws_fluent_bit_init_([sS]3|[fF]ile)`)

func initFile(t *task) {
	if t.Router == nil {
		return
	}
	for _, o := range t.Router.Environment {
		m := initVariable().FindStringSubmatch(o.Name)
		switch {
		case m == nil || o.Unknown:
			if strings.HasPrefix(strings.ToLower(o.Name), "aws_fluent_bit_init_") && m == nil {
				t.tell(Finding{At: o.Place, Severity: Warning, Want: "aws_fluent_bit_init_s3_1 or aws_fluent_bit_init_file_1, in lower case",
					Text: o.Name + " is not a variable of the init image: the file is not included."})
			}
		case strings.EqualFold(m[1], "s3") && !s3Object().MatchString(o.Text):
			t.say(o.Place, cmp.Or(s3ARN(o.Text), "arn:aws:s3:::BUCKET/KEY")+"; the task role needs s3:GetObject on it",
				"%s: %q is not the ARN of an object in S3: the file can't be fetched, and the router does not start.", o.Name, o.Text)
		case strings.EqualFold(m[1], "file") && !strings.HasPrefix(o.Text, "/"):
			t.say(o.Place, "the whole path in the router's container", "%s: %q is not an absolute path.", o.Name, o.Text)
		}
	}
}

// routerVariable tells of variables that look like firelane's own, and aren't.
func routerVariable(t *task) {
	if t.Router == nil || foreignImage(t.Router) {
		return
	}
	var known, all []string
	help := map[string]string{}
	for _, v := range config.Variables() {
		if !strings.HasPrefix(v.Name, "FIRELANE_") { // FLB_LOG_LEVEL
			continue
		}
		known = append(known, v.Name)
		help[v.Name] = v.Name + " (" + v.Help + ")"
		all = append(all, help[v.Name])
	}
	for _, list := range [][]taskdef.Option{t.Router.Environment, t.Router.Secrets} {
		for _, o := range list {
			if !strings.HasPrefix(strings.ToUpper(o.Name), "FIRELANE_") || slices.Contains(known, o.Name) {
				continue
			}
			near := config.Nearest(o.Name, known)
			for _, name := range known {
				if strings.HasPrefix(name, strings.ToUpper(o.Name)+"_") {
					near = name
				}
			}
			t.say(o.Place, cmp.Or(help[near], strings.Join(all, "; ")), "firelane has no variable %s: it has no effect.", o.Name)
		}
	}
}

// sortedKeys are the keys of a map in order.
func sortedKeys(m map[string]string) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
