package tail

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// What is noted at the start is bounded: of a file beyond that nobody knows whether it is new, and its past isn't read.
func TestFilesBeyondTheLimitBeginAtTheirEnd(t *testing.T) {
	dir := t.TempDir()
	for n := range maxFiles + 1 {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(n)), []byte("past"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := &Input{opts: Options{Path: []string{filepath.Join(dir, "*")}}}
	in.noteEarly()
	if len(in.early) != maxFiles {
		t.Errorf("got %d files noted, want %d", len(in.early), maxFiles)
	}
	if at := in.startOf(fileID{}, 4); at != 4 {
		t.Errorf("got offset %d for a file that was not noted, want its end, 4", at)
	}
	for id := range in.early {
		if at := in.startOf(id, 9); at != 4 {
			t.Errorf("got offset %d for a file that has grown since the start, want its size then, 4", at)
		}
		break
	}
	clear(in.early)
	if at := in.startOf(fileID{}, 4); at != 0 {
		t.Errorf("got offset %d for a new file, want its beginning", at)
	}
}
