// Package e2e tests firelane with the real things: Docker's own log driver, OpenSearch, Elasticsearch, nginx. It runs
// with FIRELANE_E2E=1, as root, after e2e/setup; `make e2e` does all of that.
package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/firelane/firelane/e2e/servers"
)

// Images of the tests' own Docker.
const (
	routerImage = "firelane"
	appImage    = "emitter"
)

// world is what the tests share: one Docker engine, and a search server of each kind, which the first test that needs it starts. A
// start takes a core for ten seconds; an idle server takes 1 GiB of memory.
var world shared

type shared struct {
	dir    string // a short path: sockets are in it
	docker *servers.Docker
	binary string // bin/firelane, as it is in the image

	mu     sync.Mutex                 // some tests run side by side
	search map[string]*servers.Search // by the name of its kind
	secure *servers.Search
}

func (w *shared) setSearch(s *servers.Search) {
	if w.search == nil {
		w.search = make(map[string]*servers.Search)
	}
	w.search[s.Name] = s
}

func TestMain(m *testing.M) {
	if os.Getenv("FIRELANE_E2E") == "" {
		fmt.Println("e2e: the end-to-end tests run with FIRELANE_E2E=1: make e2e")
		return
	}
	code := 1
	err := setUp()
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	}
	tearDown()
	os.Exit(code)
}

func setUp() (err error) {
	if os.Getuid() != 0 {
		return errors.New("the tests run Docker: run them as root")
	}
	if world.dir, err = os.MkdirTemp("/tmp", "fl"); err != nil {
		return err
	}
	if world.binary, err = filepath.Abs("../bin/firelane"); err != nil {
		return err
	}
	if _, err := os.Stat(world.binary); err != nil {
		return fmt.Errorf("%w: make build", err)
	}
	emitter := filepath.Join(world.dir, "emitter")
	build := exec.Command("go", "build", "-trimpath", "-o", emitter, "./emitter")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the emitter: %w: %s", err, out)
	}
	engine := filepath.Join(world.dir, "d")
	if err := os.Mkdir(engine, 0o700); err != nil {
		return err
	}
	if world.docker, err = servers.StartDocker(engine); err != nil {
		return err
	}
	if err := world.docker.Import(appImage, emitter); err != nil {
		return err
	}
	image := filepath.Join(world.dir, "image.tar")
	if err := makeImage(image); err != nil {
		return err
	}
	return world.docker.Load(image)
}

// makeImage makes the image of bin/ as `make image` does.
func makeImage(file string) error {
	cmd := exec.Command("go", "run", "./cmd/image", "-o", file, "linux/"+runtime.GOARCH+"=bin")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making the image: %w: %s", err, out)
	}
	return nil
}

func tearDown() {
	for _, s := range world.search {
		s.Stop()
	}
	if world.secure != nil {
		world.secure.Stop()
	}
	if world.docker != nil {
		world.docker.Stop()
	}
	if err := os.RemoveAll(world.dir); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	}
}

// useSearch is a running server of that kind with no indices. Tests that run side by side must not use the same kind.
func useSearch(t *testing.T, kind servers.Kind) *servers.Search {
	t.Helper()
	world.mu.Lock()
	defer world.mu.Unlock()
	s := world.search[kind.Name]
	if s == nil {
		dir := filepath.Join(world.dir, kind.Name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		if s, err = servers.StartSearch(kind, dir, 0); err != nil {
			t.Fatal(err)
		}
		world.setSearch(s)
	}
	must(t)(s.Do("DELETE", "/web-*", ""))
	return s
}

// docker runs the docker client; what fails ends the test.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := world.docker.Run(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// must ends the test where a call that returns a value and an error failed.
func must(t *testing.T) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}
