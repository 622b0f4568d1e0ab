package dead

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// Whatever else is in the folder under such a name: a FIFO would keep `firelane dead list` waiting for ever.
func TestOnlyRegularFilesAreDeadLetters(t *testing.T) {
	dir := t.TempDir()
	name := func(n string) string { return filepath.Join(dir, "es"+Suffix+n) }
	for _, err := range []error{
		os.WriteFile(name(""), nil, 0o600), os.WriteFile(name(".1"), nil, 0o600), os.Mkdir(name(".2"), 0o700),
		os.Symlink("/etc/passwd", name(".3")), syscall.Mkfifo(name(".4"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	files, err := Files(dir)
	if want := []string{name(".1"), name("")}; err != nil || !slices.Equal(files, want) {
		t.Errorf("got %q and %v, want %q", files, err, want)
	}
}
