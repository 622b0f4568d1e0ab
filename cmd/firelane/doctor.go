package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/firelane/firelane/check/doctor"
)

// Exit codes of doctor, besides exitUsage for a configuration that can't be read.
const (
	exitWarnings = 1
	exitErrors   = 2
)

// secretVariables are variables whose values must not be shown. Of a proxy's URL it is the password.
var secretVariables = []string{
	"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
	"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy",
}

// doctorCommand checks, with the network, whether a configuration can work from here.
func doctorCommand(c *cli, args []string) int {
	flags := flag.NewFlagSet("firelane doctor", flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	var file string
	flags.StringVar(&file, "c", "", "configuration file (default: the one that ECS wrote)")
	flags.StringVar(&file, "config", "", "the same as -c")
	asJSON := flags.Bool("json", false, "print the facts as one JSON document")
	write := flags.Bool("write", false, "store a test document in each cluster of OpenSearch or Elasticsearch, and delete it")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitOK
	} else if err != nil {
		return exitUsage
	}
	if file == "" && flags.NArg() == 1 {
		file = flags.Arg(0)
	} else if flags.NArg() > 0 {
		fmt.Fprintf(c.stderr, "firelane doctor: unexpected %q\n", flags.Args())
		return exitUsage
	}
	file, status, ok := findConfig(c, "doctor", file)
	if !ok {
		return status
	}
	return c.doctor(file, *asJSON, *write)
}

// doctor checks a configuration and prints what was found.
func (c *cli) doctor(file string, asJSON, write bool) int {
	plan, ok := c.tested(file)
	if !ok {
		return exitUsage
	}
	c.useRoots()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	o := doctor.Options{Plan: plan, Write: write}
	for _, name := range secretVariables {
		if value, ok := c.lookup(name); ok {
			o.Secrets = append(o.Secrets, value)
		}
	}
	r := doctor.Run(ctx, o)
	out := r.Text
	if asJSON {
		out = r.JSON
	}
	if err := out(c.stdout); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		return exitFailed
	}
	switch {
	case r.Errors > 0:
		return exitErrors
	case r.Warnings > 0:
		return exitWarnings
	}
	return exitOK
}

// liveFlag reports whether check is asked to do what doctor does, and returns the other arguments.
func liveFlag(args []string) ([]string, bool) {
	rest := slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.TrimLeft(a, "-") == "live" && strings.HasPrefix(a, "-") })
	return rest, len(rest) < len(args)
}
