package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/firelane/firelane/cmd/firelane/shell"
)

// The image has links to the program under the names of the programs that it stands in for.
func TestLinksOfTheImageArePrograms(t *testing.T) {
	root := filepath.Join("..", "..", "deploy", "image")
	links := 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		links++
		if target, err := os.Readlink(path); err != nil || target != "/firelane" {
			t.Errorf("%s: got a link to %q (error %v), want /firelane", path, target, err)
		}
		if _, ok := new(cli).program(path); !ok {
			t.Errorf("%s is no program that firelane stands in for", path)
		}
		return nil
	})
	if err != nil || links < 5 {
		t.Errorf("got %d links and the error %v", links, err)
	}
	names := []string{"/fluent-bit/bin/fluent-bit", "/entrypoint.sh", "/init/fluent_bit_init_entrypoint.sh", "/bin/entrypoint.sh", "/usr/bin/fluentd"}
	for _, name := range append(shell.Names(), "env") { // health checks call them by either path
		names = append(names, "/bin/"+name, "/usr/bin/"+name)
	}
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(root, name)); err != nil {
			t.Errorf("the image has no %s", name)
		}
	}
}
