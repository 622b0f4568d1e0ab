package shell

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// interactive is a shell for a person, as by ECS Exec: it prompts, and runs each line until "exit" or the end of input. The
// terminal edits the line. An interrupt (^C) ends the command, and not the shell.
func (c *call) interactive() int {
	r, err := c.runner(nil)
	if err != nil {
		return c.fail(exitFailed, "%v", err)
	}
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	var running interrupter
	var wait sync.WaitGroup
	wait.Go(func() {
		for range interrupts {
			if !running.interrupt() {
				fmt.Fprintf(c.stdout, "\n%s", prompt(r))
			}
		}
	})
	defer func() {
		signal.Stop(interrupts)
		close(interrupts)
		wait.Wait()
	}()
	for status := exitOK; ; {
		var exited bool
		if status, exited, err = c.session(r, &running, status); err == nil || exited {
			return status
		}
		fmt.Fprintf(c.stderr, "sh: %v\n", err) // what follows the mistake on its line is discarded
		status = exitUsage
	}
}

// session runs lines. An error is a mistake in a line's syntax.
func (c *call) session(r *interp.Runner, running *interrupter, status int) (_ int, exited bool, _ error) {
	parser := syntax.NewParser()
	fmt.Fprint(c.stdout, prompt(r))
	for stmts, err := range parser.InteractiveSeq(c.stdin) {
		if err != nil {
			return status, false, err
		}
		if parser.Incomplete() {
			fmt.Fprint(c.stdout, "> ")
			continue
		}
		for _, stmt := range stmts {
			ctx, cancel := context.WithCancel(c.ctx)
			running.set(cancel)
			err := r.Run(ctx, stmt)
			interrupted := ctx.Err() != nil
			running.set(nil)
			cancel()
			if c.ctx.Err() != nil { // the shell has ended, for its memory
				return exitFailed, true, nil
			}
			if status = (&call{ctx: ctx, name: c.name, stderr: c.stderr}).status(err); r.Exited() && !interrupted {
				return status, true, nil
			}
			if interrupted {
				fmt.Fprintln(c.stdout)
				break
			}
		}
		fmt.Fprint(c.stdout, prompt(r))
	}
	fmt.Fprintln(c.stdout) // the end of input
	return status, true, nil
}

func prompt(r *interp.Runner) string { return r.Dir + " # " }

// An interrupter ends the command that runs.
type interrupter struct {
	mu     sync.Mutex
	cancel context.CancelFunc // nil while none runs
}

func (i *interrupter) set(cancel context.CancelFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.cancel = cancel
}

// interrupt reports whether there was a command to end.
func (i *interrupter) interrupt() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cancel == nil {
		return false
	}
	i.cancel()
	return true
}
