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

// A profile of the rows (cmd/firelane/default.pgo) tells the compiler what to inline. The program firelane can't write
// one, so faultbench runs the same router within itself to make the profile.

// profileName is the name of a run's profile in its folder.
const profileName = "cpu.pprof"

// runProfiled does what `firelane run` does, with a CPU profile.
func runProfiled(file string) error {
	plan, diags := config.Compile(file, fl.Catalogue(), os.LookupEnv)
	if len(diags) > 0 {
		return errors.New(diags[0].String())
	}
	r, diags := fl.New(plan, fl.Env{Log: zerolog.New(os.Stderr), Version: "profiled"})
	if len(diags) > 0 {
		return errors.New(diags[0].String())
	}
	runtime.GOMAXPROCS(1) // this and the memory limit are as in the program
	debug.SetMemoryLimit(33 << 20)
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

// mergeProfiles merges the profiles of all runs.
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
