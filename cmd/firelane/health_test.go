package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The kernel completes connections also for a router that is stuck.
func TestHealthcheckFailsIfTheRouterDoesNotAcceptConnections(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	file := filepath.Join(t.TempDir(), "x.conf")
	if err := os.WriteFile(file, []byte("[INPUT]\n  Name forward\n  Listen 127.0.0.1\n  Port "+port+"\n[OUTPUT]\n  Name null\n  Match *\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func() (int, string) {
		var out, errs strings.Builder
		none := func(string) (string, bool) { return "", false }
		c := &cli{stdout: &out, stderr: &errs, environment: environment{lookup: none, environ: func() []string { return nil }}}
		return healthCommand(c, []string{"-c", file}), errs.String()
	}
	if status, stderr := check(); status != exitFailed || !strings.Contains(stderr, "forward.0 does not answer: 127.0.0.1:"+port+" is bound, but the process doesn't accept connections") {
		t.Errorf("got status %d and %q", status, stderr)
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	if status, stderr := check(); status != exitOK {
		t.Errorf("got status %d and %q, want it healthy", status, stderr)
	}
}

// docker stop kills after 10 s, ECS and Kubernetes after 30 s.
func TestGraceIsShortOutsideOfECSAndKubernetes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.conf")
	for _, tt := range []struct {
		variable, service string
		want              time.Duration
	}{
		{"", "", 8 * time.Second},
		{"", "grace 20", 20 * time.Second},
		{"", "grace 25", 25 * time.Second},
		{"ECS_CONTAINER_METADATA_URI_V4", "", 25 * time.Second},
		{"ECS_CONTAINER_METADATA_URI", "", 25 * time.Second},
		{"KUBERNETES_SERVICE_HOST", "", 25 * time.Second},
	} {
		for _, text := range []string{"[SERVICE]\n  " + tt.service + "\n[OUTPUT]\n  Name null\n  Match *\n", "<system>\n  " + tt.service + "\n</system>\n<match **>\n  @type null\n</match>\n"} {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			c := &cli{environment: environment{lookup: func(name string) (string, bool) { return "x", name == tt.variable }, environ: func() []string { return nil }}}
			c.grace = c.shortGrace()
			plan, diags := c.plan(file)
			if len(diags) > 0 || plan.Service.Grace != tt.want {
				t.Errorf("with %s and\n%sgot Grace %v and %v, want %v", tt.variable, text, plan.Service.Grace, diags, tt.want)
			}
		}
	}
}
