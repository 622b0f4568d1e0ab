package main

import (
	"errors"
	"flag"
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

// doctorFlags are the options of firelane doctor.
type doctorFlags struct {
	file        string
	json, write bool
}

// register declares the options.
func (f *doctorFlags) register(flags *flag.FlagSet) {
	configOption(flags, &f.file)
	flags.BoolVar(&f.json, "json", false, "print the facts as one JSON document")
	flags.BoolVar(&f.write, "write", false, "store a test document in each cluster of OpenSearch or Elasticsearch, and delete it")
}

// doctorCommand checks, with the network, whether a configuration can work from here.
func doctorCommand(c *cli, args []string) int {
	c.uncommand()
	var f doctorFlags
	flags := newFlags("doctor")
	f.register(flags)
	words, status, ok := c.parse("doctor", flags, args)
	if !ok {
		return status
	}
	file, status, ok := c.fileOf("doctor", f.file, words)
	if !ok {
		return status
	}
	return c.doctor(file, f.json, f.write)
}

// doctor checks a configuration and prints what was found.
func (c *cli) doctor(file string, asJSON, write bool) int {
	plan, ok := c.tested(file)
	if !ok {
		return exitUsage
	}
	c.useRoots()
	ctx, stop := signal.NotifyContext(c.context(), syscall.SIGINT, syscall.SIGTERM)
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
