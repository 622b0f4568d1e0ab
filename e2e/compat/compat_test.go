// Package compat tests that firelane does what Fluent Bit and Fluentd do with the same configuration and the same input.
//
// A case is one file, GROUP/NAME.txtar: its head says what it shows and where the expected output is from, and its sections
// are the configuration, the input, and want, the output of the reference program: Fluent Bit for fluent-bit.conf and
// fluent-bit.yaml, Fluentd for fluent.conf. CONTRIBUTING.md has the details. The test runs firelane in every case, and the
// reference program too if it is on PATH (fluent-bit, fluentd): both must write want.
//
// Where firelane differs on purpose, the case names the difference (differs: ID), which docs/compatibility.md lists with its
// reason, and the section firelane has what firelane writes instead. It is an error if a difference isn't listed, if a
// listed one has no case, and if firelane writes want after all.
//
// Outputs are compared line by line. Lines of different tags, and of different outputs, may come in any order. In JSON the order of
// an object's members doesn't matter, but their number does: a duplicated member is a difference. An integer differs from a float
// (1 and 1.0), but two spellings of one float are equal. Times are compared to the nanosecond; a time at which the case ran is
// "now". The _id that firelane gives each document is left out.
//
// With -update, want becomes what the reference program writes, in the cases that say "from: observed". It never becomes
// what firelane writes.
package compat

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/router"
)

var (
	update = flag.Bool("update", false, "write what the reference programs write into the cases that say observed")
	binary = flag.String("firelane", "", "binary of firelane to test; default: the test's own")
)

// Environment variables of the test's own processes.
const (
	envFirelane = "COMPAT_FIRELANE" // if set, the process runs firelane with this configuration
	parallel    = "12"              // cases at the same time; they mostly wait
)

func TestMain(m *testing.M) {
	if file := os.Getenv(envFirelane); file != "" {
		os.Exit(firelane(file))
	}
	msgpack.RegisterExt(0, (*eventTimeExt)(nil))
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		f.Value.Set(parallel)
	}
	os.Exit(m.Run())
}

// firelane runs a configuration as cmd/firelane does, but doesn't set limits of memory and cores. It returns the exit status.
func firelane(file string) int {
	own := new(input.OwnLog)
	log := zerolog.New(io.MultiWriter(own, os.Stderr))
	plan, diags := config.Compile(file, router.Catalogue(), os.LookupEnv)
	for _, w := range plan.Warnings {
		log.Warn().Msg(w.String())
	}
	var r *router.Router
	if len(diags) == 0 {
		r, diags = router.New(plan, router.Env{Log: log, Version: "compat", OwnLog: own})
	}
	for _, d := range diags {
		log.Error().Msg(d.String())
	}
	if len(diags) > 0 {
		return 2
	}
	stop, cancel := notifyTerm()
	defer cancel()
	if err := r.Run(stop, context.Background()); err != nil {
		log.Error().Err(err).Msg("stopped")
		return 1
	}
	return 0
}

func TestCases(t *testing.T) {
	t.Parallel()
	if race.Enabled {
		t.Skip("hundreds of processes with the race detector take minutes, and the packages' own tests run with it")
	}
	for _, c := range cases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			testReference(t, c)
			testFirelane(t, c)
		})
	}
}

func testFirelane(t *testing.T, c *testCase) {
	t.Helper()
	got := c.run(t, firelaneProgram(), len(c.lines(c.firelaneWant())))
	if *update && c.Differs != "" && c.referencePath() != "" {
		c.set("firelane", got.text)
		return
	}
	if diff := got.diff(c.firelaneWant()); diff != "" {
		t.Errorf("firelane: %s\nfrom: %s\n%s\nlog:\n%s", c.Title, c.From, diff, got.log)
	}
}

func testReference(t *testing.T, c *testCase) {
	t.Helper()
	path := c.referencePath()
	if path == "" || c.NotRun != "" {
		return
	}
	p := program{name: c.reference(), path: path}
	if c.Needs == "parsers.conf" {
		if p.parsers = stockParsers(path); p.parsers == "" {
			return
		}
	}
	got := c.run(t, p, len(c.lines(c.Want)))
	if *update && strings.HasPrefix(c.From, "observed") {
		c.set("want", got.text)
		if got.text == notStarted {
			t.Logf("%s does not start:\n%s", c.reference(), got.log)
		}
		return
	}
	if diff := got.diff(c.Want); diff != "" {
		t.Errorf("%s: %s\nfrom: %s\n%s\nlog:\n%s", c.reference(), c.Title, c.From, diff, got.log)
	}
}

// Every difference is listed with a reason in the documentation, and has a case that shows it. A difference that is gone is an error.
func TestDifferencesAreThoseOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| .+ \\| .+ \\|$").FindAllSubmatch(text, -1) {
		listed[string(m[1])] = false
	}
	for _, c := range cases(t) {
		if c.Differs == "" {
			continue
		}
		if _, ok := listed[c.Differs]; !ok {
			t.Errorf("%s: the difference %q isn't in docs/compatibility.md", c.name, c.Differs)
		}
		listed[c.Differs] = true
		if c.canonical(c.Want) == c.canonical(c.Firelane) {
			t.Errorf("%s: the section firelane is what %s writes, too: there is no difference", c.name, c.reference())
		}
	}
	for id, shown := range listed {
		if !shown {
			t.Errorf("docs/compatibility.md lists %q, which no case shows", id)
		}
	}
}

// The plugins that the documentation lists as not there are not in the catalogue.
func TestPluginsThatAreNotThereAreNot(t *testing.T) {
	text, err := os.ReadFile("../../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Not there\n")
	kinds := map[string]config.Kind{"inputs": config.KindInput, "filters": config.KindFilter, "outputs": config.KindOutput}
	n := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		kind, ok := kinds[strings.TrimSpace(cells[min(1, len(cells)-1)])]
		if !ok || len(cells) < 4 {
			continue
		}
		for _, p := range router.Catalogue() {
			for i, names := range [][]string{p.FluentBit, p.Fluentd} {
				for _, name := range names {
					if p.Kind == kind && strings.Contains(cells[2+i], "`"+name+"`") {
						t.Errorf("docs/compatibility.md says that %s isn't there, but it is in the catalogue", name)
					}
				}
			}
		}
		n++
	}
	if n != 3 {
		t.Errorf("the table has %d rows of plugins, want 3", n)
	}
}

// There are as many cases as the documentation promises.
func TestThereAreEnoughCases(t *testing.T) {
	n := map[string]int{}
	for _, c := range cases(t) {
		n[c.reference()]++
	}
	if total := n[fluentBit] + n[fluentd]; total < 200 || n[fluentd] < 40 {
		t.Errorf("%d cases, %v; want 200, 40 of them of Fluentd", total, n)
	}
}

// cases reads all cases, in order.
func cases(t *testing.T) []*testCase {
	t.Helper()
	files, err := filepath.Glob("*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	slices.Sort(files)
	var list []*testCase
	for _, file := range files {
		c, err := readCase(file)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		list = append(list, c)
	}
	return list
}

// firelaneProgram is the binary of -firelane, or the test's own.
func firelaneProgram() program {
	path, err := filepath.Abs(*binary)
	if *binary == "" || err != nil {
		return program{name: "firelane", path: os.Args[0], self: true}
	}
	return program{name: "firelane", path: path}
}

// lookPath returns the path of a reference program; "" if it isn't on PATH.
func lookPath(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

// stockParsers returns the parsers file that comes with Fluent Bit: FLUENT_BIT_PARSERS, or where its packages and images have it;
// "" if there is none.
func stockParsers(path string) string {
	for _, file := range []string{
		os.Getenv("FLUENT_BIT_PARSERS"), filepath.Join(filepath.Dir(path), "../etc/parsers.conf"), "/etc/fluent-bit/parsers.conf",
	} {
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return ""
}

// eventually calls done until it is true, ended is closed or the limit has passed.
func eventually(limit time.Duration, ended <-chan struct{}, done func() bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ended:
			return fmt.Errorf("the program ended")
		case <-ctx.Done():
			return fmt.Errorf("not within %v", limit)
		case <-tick.C:
		}
	}
	return nil
}
