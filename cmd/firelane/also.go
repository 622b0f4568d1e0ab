package main

import (
	"fmt"
	"maps"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/router"
)

// commandLine is the name of the file in memory that holds the configuration given on the command line.
const commandLine = "(command line)"

// also is what the command line of a program that firelane stands in for adds to the configuration file.
type also struct {
	service []string      // lines of [SERVICE], which the file's own override
	text    string        // sections, after those of the file
	level   string        // the log's level, which overrides the file's
	admin   *config.Admin // where health and metrics are served, whatever the file says; nil: as it says
	notes   []string      // warnings about the command line
}

// note adds a warning.
func (a *also) note(format string, args ...any) {
	a.notes = append(a.notes, fmt.Sprintf(format, args...))
}

// plan compiles the configuration from the file, the command line and what prepare has fetched; it fetches nothing itself. The plan's
// warnings include those about the command line.
func (c *cli) plan(file string) (*config.Plan, []config.Diagnostic) {
	if ready := c.compiled; ready != nil {
		c.compiled = nil
		return ready()
	}
	k := c.compiler(file)
	plan, errs := k.Compile(file)
	for i := len(c.also.notes) - 1; i >= 0; i-- {
		plan.Warnings = append([]config.Diagnostic{{Pos: config.Pos{File: commandLine}, Text: c.also.notes[i]}}, plan.Warnings...)
	}
	if c.also.level != "" {
		plan.Service.LogLevel = c.also.level
	}
	if c.also.admin != nil {
		c.also.admin.Apply(&plan.Service)
	}
	return plan, errs
}

// compiler makes the compiler for a file, with what the command line and the init image's variables add.
func (c *cli) compiler(file string) *config.Compiler {
	k := &config.Compiler{Catalogue: router.Catalogue(), Lookup: c.variable, Files: map[string]string{}, KeepGiven: c.keepGiven, Grace: c.grace}
	if len(c.also.service) > 0 {
		const name = commandLine + " [SERVICE]"
		k.Files[name] = "[SERVICE]\n    " + strings.Join(c.also.service, "\n    ") + "\n"
		k.Before = append(k.Before, config.Extra{Name: name, From: commandLine})
	}
	if c.also.text != "" && file != commandLine {
		k.After = append(k.After, config.Extra{Name: commandLine, From: commandLine})
	}
	if c.also.text != "" || file == commandLine {
		k.Files[commandLine] = c.also.text
	}
	maps.Copy(k.Files, c.init.Files)
	k.After = append(k.After, c.init.After...)
	return k
}
