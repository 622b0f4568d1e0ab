package main

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/router"
)

// healthTimeout is how long connecting to the running router may take, and writing to it.
const healthTimeout = 2 * time.Second

// healthCommand connects to every socket that the configuration binds, and sends the health input the line of ECS's own check.
// It is for a task definition's healthCheck: ["CMD", "/firelane", "healthcheck"].
func healthCommand(c *cli, args []string) int {
	file, status, ok := configFlag(c, "healthcheck", args, nil)
	if !ok {
		return status
	}
	plan, diags := config.Compile(file, router.Catalogue(), c.lookup)
	if len(diags) > 0 {
		fmt.Fprintln(c.stderr, diags[0])
		return exitUsage
	}
	for _, l := range router.Listeners(plan) {
		conn, err := net.DialTimeout(l.Network, l.Address, healthTimeout)
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
