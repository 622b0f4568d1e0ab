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

// bootstrapCommand installs the index templates and policies of a configuration, or says what it would install, or writes them.
func bootstrapCommand(c *cli, args []string) int {
	flags := flag.NewFlagSet("firelane bootstrap", flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	file := flags.String("c", "", "configuration file (default: the one that ECS wrote)")
	dry := flags.Bool("dry-run", false, "ask the cluster, and print what would be done")
	folder := flags.String("file", "", "write the documents into this folder, for curl or Terraform, without asking the cluster")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		if err == nil {
			fmt.Fprintf(c.stderr, "firelane bootstrap: unexpected %q; want [-c FILE] [--dry-run] [--file FOLDER]\n", flags.Args())
		}
		return exitUsage
	}
	name, status, ok := findConfig(c, "bootstrap", *file)
	if !ok {
		return status
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
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
	status = exitOK
	for i := range list {
		var err error
		if *folder != "" {
			err = c.writeRetention(&list[i], *folder, len(list) > 1)
		} else {
			err = c.applyRetention(ctx, &list[i], *dry)
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
			fmt.Fprintf(c.stdout, "%s\n%s\n", printable(request), results[i].Body())
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
		fmt.Fprintf(c.stdout, "curl -X %s \"$CLUSTER%s\" -H 'Content-Type: application/json' -d @'%s'\n", method, where, printable(path))
	}
	return nil
}
