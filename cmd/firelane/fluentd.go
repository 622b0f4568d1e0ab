package main

import (
	"fmt"
	"strings"
)

// fluentdFlags are the options of fluentd, for parseFlags. Those without a letter have a digit.
const fluentdFlags = `s?setup c=config 1=config-file-type 2.dry-run 3=show-plugin-config p=plugin I=include r=require g=gemfile
	G=gem-path d=daemon 4.under-supervisor 4.no-supervisor 4=workers 4=user 4=group 4=umask o=log 4=log-rotate-age
	4=log-rotate-size 4=log-event-verbose i=inline-config h.help 5.version v.verbose q.quiet 4=emit-error-log-interval
	4?suppress-repeated-stacktrace 4.without-source 4.with-source-only 4.use-v1-config 4.use-v0-config
	4?strict-config-value 4.enable-input-metrics 4.enable-size-metrics 4.suppress-config-dump 4=conf-encoding
	4.disable-shared-socket`

// fluentd takes the command line of fluentd.
func fluentd(c *cli, args []string) int {
	if more, ok := c.lookup("FLUENTD_OPT"); ok { // of Fluentd's older images
		args = append(strings.Fields(more), args...)
	}
	flags, rest, err := parseFlags(fluentdFlags, args)
	if err != nil {
		fmt.Fprintf(c.stderr, "fluentd: %v\n", err)
		return exitUsage
	}
	file, dryRun, verbosity := "", false, 0
	for _, f := range flags {
		switch f.letter {
		case 'c':
			file = f.value
		case '2':
			dryRun = true
		case 'v':
			verbosity++
		case 'q':
			verbosity--
		case '5':
			return versionCommand(c, nil)
		case 'h':
			return c.overview()
		case 's', '3', 'i':
			fmt.Fprintf(c.stderr, "fluentd: %s is not supported; want -c FILE\n", f.text)
			return exitUsage
		case 'p', 'I', 'r', 'g', 'G':
			if f.letter != 'p' || f.value != "/fluentd/plugins" && f.value != "/etc/fluent/plugin" { // the entry points of Fluentd's images pass these
				c.also.note("%s %s is ignored: plugins can't be loaded", f.text, f.value)
			}
		case 'd', 'o':
			c.also.note("%s %s is ignored: firelane stays in the foreground, and logs to stderr", f.text, f.value)
		}
	}
	for _, word := range rest {
		c.also.note("%q is ignored: fluentd takes options only", word)
	}
	c.also.level = map[int]string{-2: "error", -1: "warn", 1: "debug", 2: "trace"}[max(-2, min(2, verbosity))]
	if file == "" {
		file = fluentdConfig(c)
	}
	file, status, ok := findConfig(c, "fluentd", file)
	if !ok {
		return status
	}
	c.asFluentBit = true // fluentd doesn't know the init image's variables either
	if dryRun {
		return c.dryRun(file)
	}
	return c.run(file, false)
}

// fluentdConfig returns the configuration file that FLUENTD_CONF, the variable of Fluentd's image, or FLUENT_CONF, that of fluentd
// itself, names; "" if neither is set.
func fluentdConfig(c *cli) string {
	if name, ok := c.lookup("FLUENTD_CONF"); ok && name != "" {
		return "/fluentd/etc/" + name
	}
	name, _ := c.lookup("FLUENT_CONF")
	return name
}
