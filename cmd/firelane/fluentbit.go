package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// fluentBitFlags are the options of fluent-bit, for parseFlags. Those without a letter have a digit.
const fluentBitFlags = `b=storage_path c=config d.daemon D.dry-run f=flush H.http H.http_server l=log_file P=port P=http_port
	C=custom i=input r=processor F=filter o=output m=match R=parser p=prop e=plugin t=tag T=sp-task V.version v.verbose
	w=workdir q.quiet h.help J.help-json s=coro_stack_size S.sosreport L=http_listen Y.enable-hot-reload
	Z.enable-chunk-trace W.disable-thread-safety-on-hot-reload M=windows_maxstdio
	1.supervisor 2.enable-fips 3=trace 3=trace-input 3=trace-output 3=trace-output-property`

// goPlugins are the plugin libraries of AWS's and New Relic's images that firelane replaces with its own outputs.
var goPlugins = []string{"cloudwatch.so", "firehose.so", "kinesis.so", "out_newrelic.so"}

// fluentBit takes the command line of /fluent-bit/bin/fluent-bit: -c names the configuration file, and other options add to it.
func fluentBit(c *cli, args []string) int {
	flags, rest, err := parseFlags(fluentBitFlags, args)
	if err != nil {
		fmt.Fprintf(c.stderr, "fluent-bit: %v\n", err)
		return exitUsage
	}
	b := fluentBitLine{also: &c.also}
	for _, f := range flags {
		b.flag(f)
	}
	for _, word := range rest {
		c.also.note("%q is ignored: fluent-bit takes options only", word)
	}
	b.end()
	switch {
	case b.err != nil:
		fmt.Fprintf(c.stderr, "fluent-bit: %v\n", b.err)
		return exitUsage
	case b.version:
		return versionCommand(c, nil)
	case b.help:
		return c.overview()
	case b.workdir != "" && c.looking != nil:
		if b.file != "" && !filepath.IsAbs(b.file) {
			b.file = filepath.Join(b.workdir, b.file)
		}
	case b.workdir != "":
		if err := os.Chdir(b.workdir); err != nil {
			fmt.Fprintf(c.stderr, "fluent-bit: -w: %v\n", err)
			return exitUsage
		}
	}
	if b.file == "" && b.plugins > 0 {
		b.file = commandLine
	}
	file, status, ok := findConfig(c, "fluent-bit", b.file)
	if !ok {
		return status
	}
	c.asFluentBit = true
	c.ignoredInit()
	if b.dryRun {
		return c.dryRun(file)
	}
	if b.report {
		return c.check(file)
	}
	return c.run(file, b.reload)
}

// fluentBitLine is a command line of fluent-bit.
type fluentBitLine struct {
	also    *also
	file    string
	workdir string
	plugins int
	section string // the last plugin's: INPUT, FILTER, OUTPUT
	verbose int
	err     error

	version, help, dryRun, report, quiet, reload bool
}

// flag applies one option. service maps options to those of [SERVICE], as in fluent-bit's src/fluent-bit.c.
func (b *fluentBitLine) flag(f flagValue) {
	service := map[byte]string{
		'b': "storage.path", 'f': "flush", 'l': "log_file", 'L': "http_listen", 'P': "http_port", 's': "coro_stack_size", 'R': "parsers_file",
	}
	switch f.letter {
	case 'c':
		b.file = f.value
	case 'w':
		b.workdir = f.value
	case 'D':
		b.dryRun = true
	case 'V':
		b.version = true
	case 'h', 'J':
		b.help = true
	case 'S':
		b.report = true
	case 'v':
		b.verbose++
	case 'q':
		b.quiet = true
	case 'Y':
		b.reload = true
	case 'H':
		b.also.service = append(b.also.service, "http_server on")
	case 'd':
		b.also.service = append(b.also.service, "daemon on")
	case 'i', 'F', 'o':
		b.section = map[byte]string{'i': "INPUT", 'F': "FILTER", 'o': "OUTPUT"}[f.letter]
		b.plugins++
		b.also.text += "[" + b.section + "]\n"
		b.line("name", f.value)
	case 'p':
		b.property(f.value)
	case 't':
		b.line("tag", f.value)
	case 'm':
		if b.section == "FILTER" || b.section == "OUTPUT" {
			b.line("match", f.value)
		}
	case 'e':
		if !slices.Contains(goPlugins, filepath.Base(f.value)) {
			b.also.note("-e %s: plugins can't be loaded; firelane has those of %s built in", f.value, strings.Join(goPlugins, ", "))
		}
	case 'C', 'T', 'r':
		b.section = ""
		b.also.note("-%c %s is ignored: firelane has no custom plugins, and no stream tasks or processors on the command line", f.letter, f.value)
	default:
		if name := service[f.letter]; name != "" {
			if b.valid(f.value) {
				b.also.service = append(b.also.service, name+" "+f.value)
			}
			break
		}
		b.also.note("%s is accepted, and has no effect", f.text)
	}
}

// property applies -p NAME=VALUE to the plugin before it.
func (b *fluentBitLine) property(text string) {
	name, value, ok := strings.Cut(text, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok || name == "" || strings.ContainsAny(name, " \t[#@") {
		b.err = fmt.Errorf("-p %q: want NAME=VALUE", text)
		return
	}
	if value != "" {
		b.line(name, value)
	}
}

// line adds a line to the last plugin's section.
func (b *fluentBitLine) line(name, value string) {
	if b.section == "" {
		b.also.note("%s=%s is ignored: no plugin comes before it on the command line", name, value)
		return
	}
	if b.valid(value) {
		b.also.text += "    " + name + " " + value + "\n"
	}
}

// valid reports whether a value fits into one line of a configuration.
func (b *fluentBitLine) valid(value string) bool {
	if strings.ContainsAny(value, "\n\r") {
		b.err = fmt.Errorf("%q contains a line break; want one line", value)
		return false
	}
	return true
}

// end applies the log level, which depends on several options.
func (b *fluentBitLine) end() {
	level := ""
	switch {
	case b.quiet:
		level = "off"
	case b.verbose == 1:
		level = "debug"
	case b.verbose > 1:
		level = "trace"
	}
	if level != "" {
		b.also.service = append(b.also.service, "log_level "+level)
	}
}
