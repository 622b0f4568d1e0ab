package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs"
	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/router"
)

// definitions adds the task definitions of a file.
func (k *opener) definitions(file string, list []*taskdef.Definition, problems []taskdef.Problem, err error, named bool) {
	var none *taskdef.NoneError
	var wrong config.Diagnostic
	switch {
	case errors.As(err, &none):
		if named {
			k.wrong = append(k.wrong, config.Diagnostic{Pos: none.Pos, Text: none.Text})
		}
		return
	case errors.As(err, &wrong):
		k.wrong = append(k.wrong, wrong)
		return
	}
	if len(list) == 0 {
		for _, p := range problems {
			k.wrong = append(k.wrong, p.Diagnostic())
		}
		return
	}
	for i, d := range list {
		s := k.task(file, d, len(list) > 1)
		if s.Plan != nil && len(s.Errors) == 0 && plugins(s.Plan) > maxPlugins {
			k.tooMany(s.Name, plugins(s.Plan))
			continue
		}
		if i == 0 {
			s.Written = append(problems, s.Written...)
		}
		k.add(s)
	}
}

// name is the heading of a task definition.
func name(file string, d *taskdef.Definition, several bool) string {
	if d.Path != "" && (several || d.Generated) {
		file += ": " + strings.TrimSuffix(d.Path, ".Properties")
	}
	if d.Family.Text == "" || d.Family.Unknown {
		return file
	}
	return file + ": " + d.Family.Text
}

// task compiles the configuration of a task definition's log router.
func (k *opener) task(file string, d *taskdef.Definition, several bool) *Subject {
	s := &Subject{Name: name(file, d, several)}
	if d.Router() == nil {
		s.Task = &taskdef.Rendered{Definition: d}
		s.Written = append(s.Written, withoutRouter(d)...)
		return s
	}
	t := &taskOpener{opener: k, Subject: s, leaveOut: map[taskdef.Place]bool{}, hinted: map[taskdef.Place]bool{}}
	t.open(d)
	return s
}

// withoutRouter says where the lines of a task without a log router go.
func withoutRouter(d *taskdef.Definition) []taskdef.Problem {
	var drivers []string
	for _, c := range d.Containers {
		if c.Log == nil || c.Log.Driver.Text == "" {
			continue
		}
		if c.Log.Driver.Text == "awsfirelens" {
			return nil // a rule's
		}
		if text := c.Name.Text + " logs with " + c.Log.Driver.Text; !slices.Contains(drivers, text) {
			drivers = append(drivers, text)
		}
	}
	text := "no container has a firelensConfiguration or a log driver: there is nothing to check"
	if len(drivers) > 0 {
		text = "no container has a firelensConfiguration, so the task has no log router: " + strings.Join(drivers, ", ") + ", without firelane"
	}
	return []taskdef.Problem{{Place: d.Place, Grade: taskdef.Told, Text: text}}
}

// A taskOpener compiles the configuration of one log router.
type taskOpener struct {
	*opener
	*Subject
	start    Start
	leaveOut map[taskdef.Place]bool
	hinted   map[taskdef.Place]bool
	include  bool
}

func (t *taskOpener) tell(at taskdef.Place, grade taskdef.Grade, format string, args ...any) {
	t.Written = append(t.Written, taskdef.Problem{Place: at, Grade: grade, Text: fmt.Sprintf(format, args...)})
}

// open renders and compiles, without the values that are known only when the plan or the template is applied, where the configuration
// would be wrong with what stands for them.
func (t *taskOpener) open(d *taskdef.Definition) {
	t.Task = taskdef.Render(d, true, nil)
	if t.Start != nil {
		t.start = t.Start(words(t.Task.Router), t.Task)
	}
	t.commandNotes()
	files, after := t.files()
	for _, c := range d.Containers {
		if c.Log != nil {
			for _, option := range []string{"Name", "@type"} {
				if o, ok := taskdef.Find(c.Log.Options, option); ok && o.Unknown {
					t.leave(o.Place, taskdef.Told, "the value is known only when the task runs: what depends on it is not checked")
				}
			}
		}
	}
	for range maxCompiles {
		before := len(t.leaveOut)
		t.compile(d, files, after)
		for _, w := range t.warnings(config.CodeValue) {
			if at := t.Place(w.Pos); t.unknown(at) {
				t.leave(at, t.gradeOf(at), "the value is known only when the task runs: what depends on it is not checked")
			}
		}
		for _, w := range t.warnings(config.CodeNoFile) {
			t.missing(w, t.Place(w.Pos), files)
		}
		for _, e := range t.Errors {
			switch at := t.Place(e.Pos); {
			case t.unknown(at):
				t.leave(at, t.gradeOf(at), "the value is known only when the task runs: what depends on it is not checked")
			case e.Code == config.CodeFile:
				t.missing(e, at, files)
			}
		}
		if len(t.leaveOut) == before {
			break
		}
	}
	t.Written = append(t.Written, t.Task.Problems...)
}

// gradeOf is how much is unknown without the option at a place: options other than these don't change where records go.
func (t *taskOpener) gradeOf(at taskdef.Place) taskdef.Grade {
	for _, name := range []string{"Name", "@type", "Match", "Match_Regex"} {
		if strings.HasSuffix(strings.ToLower(at.Path), "."+strings.ToLower(name)) {
			return taskdef.Told
		}
	}
	return taskdef.Assumed
}

// maxCompiles is how often a configuration is compiled, each time without more of the values that aren't known.
const maxCompiles = 20

// warnings are those of the plan with a code.
func (t *taskOpener) warnings(code config.Code) (list []config.Diagnostic) {
	if t.Plan == nil {
		return nil
	}
	for _, w := range t.Plan.Warnings {
		if w.Code == code {
			list = append(list, w)
		}
	}
	return list
}

// leave leaves an option out, and says why.
func (t *taskOpener) leave(at taskdef.Place, grade taskdef.Grade, why string) {
	if !t.leaveOut[at] {
		t.leaveOut[at] = true
		t.tell(at, grade, "%s", why)
	}
}

// secretValue stands for the value of a secret.
const secretValue = "secret"

// secret reports whether a variable has the value of a secret.
func (t *taskOpener) secret(name string) bool {
	for _, s := range t.Task.Router.Secrets {
		if s.Name == name {
			return true
		}
	}
	for n, c := range t.Task.Containers {
		if c.Log != nil && slices.ContainsFunc(c.Log.Secrets, func(s taskdef.Option) bool { return name == taskdef.SecretVariable(s.Name, n) }) {
			return true
		}
	}
	return false
}

// unknown reports whether the value at a place is an option that is known only when the template is applied, or by its secret.
func (t *taskOpener) unknown(at taskdef.Place) bool {
	for _, c := range t.Task.Containers {
		if c.Log == nil {
			continue
		}
		here := func(o taskdef.Option) bool {
			return o.Place == at && (o.Unknown || slices.ContainsFunc(t.Task.Router.Secrets, func(s taskdef.Option) bool {
				return strings.Contains(o.Text, "${"+s.Name+"}") || strings.Contains(o.Text, "ENV['"+s.Name+"']")
			}))
		}
		if slices.ContainsFunc(c.Log.Options, here) || slices.ContainsFunc(c.Log.Secrets, func(o taskdef.Option) bool { return o.Place == at }) {
			return true
		}
	}
	return false
}

// compile renders and compiles once.
func (t *taskOpener) compile(d *taskdef.Definition, files map[string]string, after []config.Extra) {
	local := t.Task.Local
	t.Task = taskdef.Render(d, t.include, t.leaveOut)
	t.Task.Files, t.Task.Local = files, local
	c := config.Compiler{Catalogue: router.Catalogue(), KeepGiven: true, Hostname: t.Task.Environment["HOSTNAME"], Files: map[string]string{}}
	c.Lookup = func(name string) (string, bool) {
		value, ok := t.Task.Environment[name]
		if ok && value == "" && t.secret(name) {
			value = secretValue
		}
		return value, ok
	}
	for _, more := range []map[string]string{files, t.start.Files, {t.Task.File: t.Task.Text}} {
		for name, text := range more {
			c.Files[name] = text
		}
	}
	c.Before, c.After = t.start.Before, slices.Concat(t.start.After, after)
	main := t.Task.File
	if t.start.File != "" {
		main = t.start.File
	}
	t.Plan, t.Errors = c.Compile(main)
	if len(t.Errors) == 0 && plugins(t.Plan) <= maxPlugins {
		t.Errors = t.build(t.Plan)
	}
}

// words are the entry point and the command of a container.
func words(c *taskdef.Container) (list []string) {
	for _, w := range slices.Concat(c.EntryPoint, c.Command) {
		list = append(list, w.Text)
	}
	return list
}

// commandNotes tells what the command runs.
func (t *taskOpener) commandNotes() {
	at := t.commandPlace()
	if t.start.Wrong != "" {
		t.tell(at, taskdef.Wrong, "%s", t.start.Wrong)
	}
	for _, text := range t.start.Notes {
		t.tell(at, taskdef.Told, "%s", text)
	}
}

func (t *taskOpener) commandPlace() taskdef.Place {
	for _, list := range [][]taskdef.Value{t.Task.Router.Command, t.Task.Router.EntryPoint} {
		if len(list) > 0 {
			return list[0].Place
		}
	}
	return t.Task.Router.Place
}

// files finds the local copies of what the configuration reads: the file of config-file-value, those of the init image's variables and
// the command's own, and what the command line gives with a path. What isn't here is left out, and told.
func (t *taskOpener) files() (files map[string]string, after []config.Extra) {
	wanted := []wantedFile{}
	if path, from := t.Task.External(); path != "" {
		t.include = true
		wanted = append(wanted, wantedFile{path: path, source: from.Text, at: from.Place, unknown: from.Unknown, missing: func() { t.include = false }})
	}
	if t.start.File != "" && t.start.File != t.Task.File && t.start.Files[t.start.File] == "" {
		wanted = append(wanted, wantedFile{path: t.start.File, source: t.start.File, at: t.commandPlace(), missing: func() { t.start.File = "" },
			consequence: "what follows is about the file that the ECS agent writes, which the command doesn't read"})
	}
	init, extras := t.initFiles()
	wanted = append(wanted, init...)
	found, local := t.copies.match(wanted)
	t.tellOtherType()
	missing := 0
	for _, w := range wanted {
		if _, ok := found[w.path]; ok {
			continue
		}
		if builtIn(w.path) {
			if !slices.Contains(generated, w.path) {
				t.tell(w.at, taskdef.Assumed, "the file that is checked is firelane's own copy of %s, which AWS's image has, too; want %s, if the image has a different file there", w.path, checkAgain(w.path))
			}
			continue
		}
		w.missing()
		extras = slices.DeleteFunc(extras, func(e config.Extra) bool { return e.Name == w.path })
		text := "the file " + w.source + " isn't here"
		if w.unknown {
			text = "the file's name is known only when the template is applied"
		}
		consequence := w.consequence
		if consequence == "" {
			consequence = "what it says is not checked"
		}
		again := checkAgain(w.source)
		if missing++; missing > 1 {
			again += "; --config-file may be repeated"
		}
		t.tell(w.at, taskdef.Told, "%s: %s; want %s", text, consequence, again)
	}
	t.Task.Local = local
	return found, extras
}

// tellOtherType tells of a file that isn't included, because its type is one that ECS doesn't know.
func (t *taskOpener) tellOtherType() {
	options := t.Task.Router.FireLens.Options
	kind, _ := taskdef.Find(options, "config-file-type")
	value, ok := taskdef.Find(options, "config-file-value")
	if ok && kind.Text != "" && !kind.Unknown && !value.Unknown && kind.Text != "file" && kind.Text != "s3" {
		t.tell(value.Place, taskdef.Told, "the file %s is not checked, because its type %q is unknown; want another check when the type is right", value.Text, kind.Text)
	}
}

// checkAgain says how to check with a local copy of a file.
func checkAgain(source string) string {
	option := "--config-file FILE"
	if strings.HasPrefix(source, "/") || s3Object().MatchString(source) {
		option = "--config-file " + source + "=FILE"
	}
	return "another check with " + option + ", where FILE is a local copy"
}

// initFiles returns the files that the init image's variables name.
func (t *taskOpener) initFiles() (wanted []wantedFile, extras []config.Extra) {
	if t.start.NoInit || t.Task.Router.FireLens.Type.Text == taskdef.Fluentd {
		return nil, nil
	}
	places := map[string]taskdef.Place{}
	var environ []string
	for _, e := range t.Task.Router.Environment {
		places[e.Name] = e.Place
		environ = append(environ, e.Name+"="+e.Text)
	}
	list, err := ecs.InitFiles(environ)
	if err != nil {
		t.tell(t.Task.Router.Place, taskdef.Wrong, "%v; the router doesn't start", err)
		t.leftOut = append(t.leftOut, "the files of aws_fluent_bit_init_...")
		return nil, nil
	}
	for _, f := range list {
		w := wantedFile{path: f.Path, source: f.Path, at: places[f.Variable], missing: func() {}}
		if f.Object != "" {
			w.source = f.Object
			if w.path, err = ecs.ObjectPath(f.Object); err != nil {
				t.tell(w.at, taskdef.Wrong, "%v; the router doesn't start with only part of its configuration", err)
				t.leftOut = append(t.leftOut, "the file of "+f.Variable)
				continue
			}
			if slices.ContainsFunc(wanted, func(o wantedFile) bool { return o.path == w.path }) { // as ecs.Fetch
				w.path = "s3://" + strings.TrimPrefix(f.Object, "arn:aws:s3:::")
			}
		}
		wanted = append(wanted, w)
		extras = append(extras, config.Extra{Name: w.path, From: f.Variable})
	}
	return wanted, extras
}
