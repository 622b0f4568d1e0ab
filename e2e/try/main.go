// Command try DEMO runs the program DEMO, which is cmd/demo, with a real OpenSearch, which it starts on loopback and stops
// again. `make try` installs that and builds the demo before.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/firelane/firelane/e2e/servers"
)

// demoTime bounds the demo, which ends by itself after half of it.
const demoTime = time.Minute

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: try DEMO")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "try: %v\n", err)
		os.Exit(1)
	}
}

func run(program string) error {
	kind, err := installed(servers.OpenSearch3(), servers.OpenSearch2())
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "firelane-try")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("0. A real OpenSearch starts (%s), which takes some 10 s to 30 s.\n", kind.Name)
	server, err := servers.StartSearch(kind, dir, 0)
	if err != nil {
		return fmt.Errorf("start %s: %w", kind.Name, err)
	}
	defer server.Stop()

	// An interrupt reaches the demo, too, which ends by itself.
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, demoTime)
	defer cancel()
	demo := exec.CommandContext(ctx, program, "-opensearch", server.URL())
	demo.Stdout, demo.Stderr = os.Stdout, os.Stderr
	if err := demo.Run(); err != nil {
		return fmt.Errorf("run the demo with %s: %w", server.URL(), err)
	}
	return nil
}

// installed returns the first of the servers that is installed together with its Java.
func installed(kinds ...servers.Kind) (servers.Kind, error) {
	for _, k := range kinds {
		if k.Installed() && k.JavaInstalled() {
			return k, nil
		}
	}
	return servers.Kind{}, errors.New("no OpenSearch is installed: run e2e/setup opensearch")
}
