package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	fl "github.com/firelane/firelane/router"
)

// A profile of real rows is what the compiler is given to decide what to inline (cmd/firelane/default.pgo). The program
// itself has no profiler, so that here this one takes its place, with the same router in it.

// profileName is the file in a run's folder that its profile is written to.
const profileName = "cpu.pprof"

// runProfiled is firelane run with a CPU profile.
func runProfiled(file string) error {
	plan, diags := config.Compile(file, fl.Catalogue(), os.LookupEnv)
	if len(diags) > 0 {
		return errors.New(diags[0].String())
	}
	r, diags := fl.New(plan, fl.Env{Log: zerolog.New(os.Stderr), Version: "profiled"})
	if len(diags) > 0 {
		return errors.New(diags[0].String())
	}
	runtime.GOMAXPROCS(1) // as the program does, which sets a limit on memory as well
	debug.SetMemoryLimit(36 << 20)
	out, err := os.Create(filepath.Join(filepath.Dir(file), profileName))
	if err != nil {
		return err
	}
	defer out.Close()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return r.Run(ctx, context.Background())
}

// mergeProfiles makes one profile of those of all runs.
func mergeProfiles(ctx context.Context, root, out string) error {
	files, err := filepath.Glob(filepath.Join(root, "*", profileName))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no profile in %s: %w", root, err)
	}
	merged, err := exec.CommandContext(ctx, "go", append([]string{"tool", "pprof", "-proto"}, files...)...).Output()
	if err != nil {
		return fmt.Errorf("merge %d profiles: %w", len(files), err)
	}
	return os.WriteFile(out, merged, 0o644)
}
