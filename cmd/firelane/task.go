package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs"
	"github.com/firelane/firelane/router"
)

// A task is what the process knows of the ECS task that it runs in.
type task struct {
	variables map[string]string // of the metadata endpoint; nil: it has not been asked
	wanted    bool              // a configuration has a variable that only the endpoint knows
}

// variable returns an environment variable or, where there is none of that name, what the metadata endpoint says. It doesn't ask:
// fetch does.
func (c *cli) variable(name string) (string, bool) {
	value, ok := c.lookup(name)
	if ok || !slices.Contains(ecs.Variables(), name) {
		return value, ok
	}
	c.task.wanted = true
	value, ok = c.task.variables[name]
	return value, ok
}

// note is a line about what was fetched; warning says whether a person should act.
type note func(warning bool, text string)

// prepare fetches what a configuration needs and the container doesn't have: the task's metadata, where the file or a variable
// of the init image needs it, and that variable's objects. Before it waits for anything, it binds the sockets of file, which
// the caller passes to the router. Without such needs it returns at once.
func (c *cli) prepare(ctx context.Context, file string, bind bool, say note) (early *router.Early, err error) {
	var files []ecs.InitFile
	if !c.asFluentBit {
		if files, err = ecs.InitFiles(c.environ()); err != nil {
			return nil, err
		}
	}
	plan, errs := c.plan(file)
	uri, _ := c.lookup(ecs.MetadataURI)
	if len(files) == 0 && (!c.task.wanted || uri == "") {
		c.compiled = func() (*config.Plan, []config.Diagnostic) { return plan, errs }
		return nil, nil
	}
	if plan.Dialect == config.Fluentd && len(files) > 0 {
		say(true, fmt.Sprintf("%s and the like are ignored: they are for Fluent Bit, and %s is a configuration of Fluentd", files[0].Variable, file))
		return nil, nil
	}
	if bind && len(errs) == 0 {
		early = router.BindEarly(plan)
	}
	c.useRoots()
	return early, c.fetch(ctx, files, uri, say)
}

// read compiles a configuration with everything that prepare fetches, again each time. No socket is bound.
func (c *cli) read(ctx context.Context, file string, say note) (*config.Plan, []config.Diagnostic, error) {
	if _, err := c.prepare(ctx, file, false, say); err != nil {
		return nil, nil, err
	}
	plan, diags := c.plan(file)
	c.init = ecs.Init{} // the objects, which take memory
	return plan, diags, nil
}

// fetch asks for the metadata and the objects. With objects it does what the init image does, and the metadata's variables take
// precedence over the environment's; without, a failure is only a warning: the variables are then not set.
func (c *cli) fetch(ctx context.Context, files []ecs.InitFile, uri string, say note) error {
	err := c.fetchTask(ctx, uri)
	switch {
	case err != nil && len(files) > 0:
		return err
	case err != nil:
		say(true, err.Error())
		return nil
	case len(files) == 0:
		return nil
	case uri == "":
		say(true, "this is no task of ECS ("+ecs.MetadataURI+" is not set): AWS_REGION and ECS_* are what the environment says")
	}
	for name, value := range c.task.variables {
		if err := c.setenv(name, value); err != nil {
			return fmt.Errorf("setting %s: %w", name, err)
		}
	}
	region, _ := c.lookup("AWS_REGION")
	init, err := ecs.Fetch(ctx, files, region)
	if err != nil {
		return err
	}
	c.init = *init
	for _, text := range init.Notes {
		say(false, text)
	}
	return nil
}

// fetchTask asks the metadata endpoint, if there is one.
func (c *cli) fetchTask(ctx context.Context, uri string) error {
	if uri == "" || c.task.variables != nil {
		return nil
	}
	t, err := ecs.Metadata(ctx, uri)
	if err != nil {
		return err
	}
	c.task.variables, err = t.Variables()
	return err
}

// ignoredInit warns of the init image's variables where the command is fluent-bit's own, which doesn't know them.
func (c *cli) ignoredInit() {
	files, err := ecs.InitFiles(c.environ())
	if err == nil && len(files) > 0 {
		c.also.note("%s and the like are ignored: the command starts fluent-bit itself, and not the init image's entry point", files[0].Variable)
	}
}

// errStopped means that the process was asked to stop before it had its configuration.
var errStopped = errors.New("stopped before the configuration was there")

// initHint ends a message about what the variables of the init image name.
func initHint(err error) string {
	if strings.Contains(err.Error(), "aws_fluent_bit_init") {
		return err.Error() + "; the router doesn't start with a part of its configuration"
	}
	return err.Error()
}
