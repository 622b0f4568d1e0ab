package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/retain"
	"github.com/firelane/firelane/router"
)

// bootstrapFlags are the options of firelane bootstrap.
type bootstrapFlags struct {
	file, folder string
	dry          bool
}

// register declares the options.
func (f *bootstrapFlags) register(flags *flag.FlagSet) {
	configOption(flags, &f.file)
	flags.BoolVar(&f.dry, "dry-run", false, "ask the cluster, and print what would be done")
	flags.StringVar(&f.folder, "file", "", "write the documents into this `FOLDER`, for curl or Terraform, without asking the cluster")
}

// bootstrapCommand installs the index templates and policies of a configuration, or says what it would install, or writes them.
func bootstrapCommand(c *cli, args []string) int {
	var f bootstrapFlags
	flags := newFlags("bootstrap")
	f.register(flags)
	words, status, ok := c.parse("bootstrap", flags, args)
	if !ok {
		return status
	}
	name, status, ok := c.fileOf("bootstrap", f.file, words)
	if !ok {
		return status
	}
	return c.bootstrap(name, &f)
}

// bootstrap is bootstrapCommand with the configuration name.
func (c *cli) bootstrap(name string, f *bootstrapFlags) int {
	ctx, stop := signal.NotifyContext(c.context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	plan, diags, err := c.read(ctx, name, func(bool, string) {})
	if err != nil {
		fmt.Fprintln(c.stderr, "firelane bootstrap:", err)
		return exitFailed
	}
	var list []router.Retained
	end := func() {}
	if len(diags) == 0 {
		list, end, diags = router.Retainers(plan, router.Env{Log: zerolog.Nop(), Version: version})
	}
	defer end()
	switch {
	case len(diags) > 0:
		fmt.Fprintln(c.stderr, diags[0])
		return exitUsage
	case len(list) == 0:
		fmt.Fprintln(c.stderr, "firelane bootstrap: no output has anything to install; want firelane_bootstrap On in an output of type es, opensearch or elasticsearch")
		return exitUsage
	}
	c.useRoots()
	status := exitOK
	for i := range list {
		var err error
		if f.folder != "" {
			err = c.writeRetention(&list[i], f.folder, len(list) > 1)
		} else {
			err = c.applyRetention(ctx, &list[i], f.dry)
		}
		if err != nil {
			fmt.Fprintf(c.stderr, "firelane bootstrap: %s: %s\n", printable(list[i].Output), printable(err.Error()))
			status = exitFailed
		}
	}
	return status
}

// applyRetention installs what one output asks for, and prints a line for each part of it.
func (c *cli) applyRetention(ctx context.Context, r *router.Retained, dry bool) error {
	results, err := retain.Apply(ctx, r, time.Now(), dry)
	failed := 0
	for i := range results {
		fmt.Fprintf(c.stdout, "%s: %s\n", printable(r.Output), printable(results[i].Line(dry)))
		if results[i].Failed() {
			failed++
		}
		if request := results[i].Request(); dry && request != "" && results[i].Writes() {
			method, path, _ := strings.Cut(request, " ")
			fmt.Fprintf(c.stdout, "%s\n%s\n", printable(method+" "+results[i].Dashboards()+path), results[i].Body())
		}
	}
	if err != nil && dry {
		err = fmt.Errorf("%w (--file FOLDER writes the documents without the cluster)", err)
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d are not there", failed, len(results))
	}
	return err
}

// writeRetention writes the documents of one output, and prints the command that installs each.
func (c *cli) writeRetention(r *router.Retained, folder string, apart bool) error {
	if apart {
		folder = filepath.Join(folder, strings.NewReplacer("/", "-", "\x00", "-", "..", "-").Replace(r.Output))
	}
	files, err := retain.Files(r.Retention())
	if err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(folder, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.Body, 0o644); err != nil {
			return err
		}
		method, where, _ := strings.Cut(f.Request, " ")
		server, headers := "$CLUSTER", []string{"Content-Type: application/json"}
		if f.Dashboards != "" {
			server, headers = "$DASHBOARDS", append(headers, f.Headers...)
		}
		fmt.Fprintf(c.stdout, "curl -X %s \"%s%s\" -H '%s' -d @'%s'\n", method, server, where, strings.Join(headers, "' -H '"), printable(path))
	}
	return nil
}
