package input

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestAStateFileHasOneOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	first, size, err := OpenState(path)
	if err != nil || size != 0 {
		t.Fatalf("got size %d and error %v, want a new file", size, err)
	}
	if _, _, err := OpenState(path); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("got error %v while another has the file, want EWOULDBLOCK", err)
	}
	if _, err := first.WriteString("state"); err != nil {
		t.Fatal(err)
	}
	first.Close()
	again, size, err := OpenState(path)
	if err != nil || size != 5 {
		t.Fatalf("got size %d and error %v, want the 5 bytes", size, err)
	}
	again.Close()
}

func TestAStateFileIsARegularFile(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenState(fifo); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got error %v for a FIFO, want that it is not a regular file", err)
	}
}
