package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"firelane": main, "fluent-bit": main, "fluentd": main, "tini": main, "fluent_bit_init_entrypoint.sh": main})
}

// TestCommandLine runs the scripts in testdata: what a user types, and what comes of it.
func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			host, port := unusedAddress()
			e.Setenv("LISTEN", host)
			e.Setenv("PORT", port)
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector waits a second in each program that ends
			return nil
		},
	})
}
