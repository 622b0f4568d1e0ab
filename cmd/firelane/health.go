package main

import (
	"fmt"
	"io"
	"time"

	"github.com/firelane/firelane/cmd/firelane/shell"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs"
	"github.com/firelane/firelane/router"
)

// healthTimeout is how long a connection to the running router may take, and a write to it.
const healthTimeout = 2 * time.Second

// healthCommand connects to every socket that the configuration binds, and fails if the router doesn't accept the connection. To the
// health input it sends the line that ECS's own check sends. What becomes of records is no part of it: a new task wouldn't reach a
// destination that is away either. It is for a task definition's healthCheck: ["CMD", "/firelane", "healthcheck"].
func healthCommand(c *cli, args []string) int {
	var f runFlags
	flags := newFlags("healthcheck")
	f.registerConfig(flags)
	words, status, ok := c.parse("healthcheck", flags, args)
	if !ok {
		return status
	}
	file, status, ok := c.fileOf("healthcheck", f.file, words)
	if !ok {
		return status
	}
	plan, diags := c.local(file)
	if len(diags) > 0 {
		fmt.Fprintln(c.stderr, diags[0])
		return exitUsage
	}
	for _, l := range router.Listeners(plan) {
		conn, err := shell.Dial(c.context(), l.Network, l.Address, healthTimeout)
		if err != nil {
			fmt.Fprintf(c.stderr, "firelane healthcheck: %s does not answer: %v\n", l.Input, err)
			return exitFailed
		}
		if l.Health {
			_ = conn.SetDeadline(time.Now().Add(healthTimeout))
			_, err = io.WriteString(conn, `{"health": "check"}`+"\n")
		}
		if closeErr := conn.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			fmt.Fprintf(c.stderr, "firelane healthcheck: %s does not accept data: %v\n", l.Input, err)
			return exitFailed
		}
	}
	return exitOK
}

// local compiles what is in the container: the file, and the files (not the S3 objects) that the init image's variables name. A
// health check must not wait for S3, and the sockets that ECS configures are in the file.
func (c *cli) local(file string) (*config.Plan, []config.Diagnostic) {
	files, err := ecs.InitFiles(c.environ())
	if err != nil || len(files) == 0 {
		return c.plan(file)
	}
	c.init = *ecs.Local(files)
	plan, diags := c.plan(file)
	if len(diags) > 0 { // a file may depend on an object
		c.init = ecs.Init{}
		return c.plan(file)
	}
	return plan, diags
}
