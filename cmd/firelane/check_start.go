package main

import (
	"bytes"
	"strings"
	"sync"

	"github.com/firelane/firelane/check"
	"github.com/firelane/firelane/ecs/taskdef"
)

// A looking reads the command line of a task definition's router, without running it.
type looking struct {
	task     *taskdef.Rendered
	file     string
	ran      bool
	isScript bool
}

// starts notes that the command line runs the router.
func (l *looking) starts(file string) int {
	l.file, l.ran = file, true
	return exitOK
}

// script notes that the command line runs a script of the image.
func (l *looking) script() int {
	l.isScript = true
	return exitOK
}

// config is findConfig in the container.
func (l *looking) config(c *cli) string {
	if name := fluentdConfig(c); name != "" && l.task.File == ecsFiles[1] {
		return name
	}
	return l.task.File
}

// shell looks at a command that a shell runs, if it is a single one without the shell's own syntax.
func (l *looking) shell(c *cli, name string, args []string) int {
	if name != "sh" || len(args) != 2 || args[0] != "-c" || strings.ContainsAny(args[1], ";|&$`\"'<>(){}*?\\#\n") {
		return l.script()
	}
	words := strings.Fields(args[1])
	if len(words) > 0 && words[0] == "exec" {
		words = words[1:]
	}
	if len(words) == 0 {
		return l.script()
	}
	return c.main("firelane", words)
}

// startOf returns what the entry point and the command of a router's container come to in firelane's image.
func startOf(words []string, task *taskdef.Rendered) check.Start {
	var stderr bytes.Buffer
	l := &looking{task: task}
	variables := map[string]string{}
	for name, value := range task.Environment {
		variables[name] = value
	}
	c := &cli{stdout: &bytes.Buffer{}, stderr: &stderr, looking: l, environment: environment{
		lookup: func(name string) (string, bool) {
			value, ok := variables[name]
			return value, ok
		},
		environ: func() (list []string) {
			for _, e := range task.Router.Environment {
				list = append(list, e.Name+"="+e.Text)
			}
			return list
		},
		setenv: func(name, value string) error {
			variables[name] = value
			return nil
		},
		unsetenv: func(name string) error {
			delete(variables, name)
			return nil
		},
		roots: new(sync.Once),
	}}
	c.main("firelane", words)
	command := strings.Join(words, " ")
	switch {
	case l.isScript:
		return check.Start{Notes: []string{"what the script of the command does is not known here: checked is the file that the ECS agent writes"}}
	case !l.ran:
		why, _, _ := strings.Cut(stderr.String(), "\n")
		if why == "" {
			why = "it ends at once"
		}
		return check.Start{Wrong: "the command " + printable(check.Hide(command)) + " does not start the router: " + printable(check.Hide(why))}
	}
	k := c.compiler(l.file)
	s := check.Start{Before: k.Before, After: k.After, Files: k.Files, NoInit: c.asFluentBit, Notes: c.also.notes}
	if l.file != task.File {
		s.File = l.file
	}
	return s
}
