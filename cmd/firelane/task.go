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

// A task is what the process knows about the ECS task that it runs in.
type task struct {
	variables map[string]string // from the metadata endpoint; nil: not fetched yet
	wanted    bool              // the configuration refers to a variable that only the endpoint knows
}

// variable returns the value of an environment variable or, if that isn't set, the value that the metadata endpoint has given. It sends
// no request: fetch does.
func (c *cli) variable(name string) (string, bool) {
	value, ok := c.lookup(name)
	if ok || !slices.Contains(ecs.Variables(), name) {
		return value, ok
	}
	c.task.wanted = true
	value, ok = c.task.variables[name]
	return value, ok
}

// A note reports a line about what was fetched; warning says whether a person should act.
type note func(warning bool, text string)

// prepare fetches what a configuration needs and the container doesn't have: the task's metadata, if the file or the init image's
// variables need it, and the objects that these variables name. If bind is true, it first binds the sockets of file, which the
// caller passes to the router. If there is nothing to fetch, it returns at once.
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

// read fetches what prepare does, again at each call, and compiles the configuration. It binds no sockets.
func (c *cli) read(ctx context.Context, file string, say note) (*config.Plan, []config.Diagnostic, error) {
	if _, err := c.prepare(ctx, file, false, say); err != nil {
		return nil, nil, err
	}
	plan, diags := c.plan(file)
	c.init = ecs.Init{} // releases the memory of the objects
	return plan, diags, nil
}

// fetch fetches the metadata and the files. If there are files, it does what the init image does: the metadata's variables take
// precedence over the environment's, and a failure is an error. Otherwise a failure is only a warning, and the variables stay unset.
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
		say(true, "this is not an ECS task ("+ecs.MetadataURI+" is not set): AWS_REGION and ECS_* come from the environment")
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

// fetchTask fetches the task's metadata once, if there is an endpoint.
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

// ignoredInit warns that the init image's variables are ignored: the command is fluent-bit's own, which doesn't know them.
func (c *cli) ignoredInit() {
	files, err := ecs.InitFiles(c.environ())
	if err == nil && len(files) > 0 {
		c.also.note("%s and the like are ignored: the command starts fluent-bit itself, and not the init image's entry point", files[0].Variable)
	}
}

// errStopped means that the process was asked to stop before its configuration was read.
var errStopped = errors.New("stopped before the configuration was read")

// initHint returns the text of err, with the consequence if it is about a variable of the init image.
func initHint(err error) string {
	if strings.Contains(err.Error(), "aws_fluent_bit_init") {
		return err.Error() + "; the router doesn't start with only part of its configuration"
	}
	return err.Error()
}
