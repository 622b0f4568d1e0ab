package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/cmd/firelane/manual"
)

// The help, the page for man(1) and the completion are what the golden files have, so that a change of the table is seen.
func TestManualIsThatOfTheTable(t *testing.T) {
	m := theManual()
	var help bytes.Buffer
	if err := m.Overview(&help); err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Commands {
		help.WriteString("\n----\n")
		m.Help(&help, c.Name)
	}
	golden(t, "help", help.Bytes())
	var page bytes.Buffer
	if err := m.Man(&page); err != nil {
		t.Fatal(err)
	}
	golden(t, "firelane.1", page.Bytes())
	for _, shell := range manual.Shells() {
		var script bytes.Buffer
		if ok, err := m.Completion(&script, shell); !ok || err != nil {
			t.Errorf("%s: got %v and error %v, want a script", shell, ok, err)
		}
		golden(t, "completion."+shell, script.Bytes())
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("manual", "testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs (%v); see what `UPDATE=1 go test ./cmd/firelane -run Manual` changes", file, err)
	}
}

// A line of help ends where a terminal of 130 columns does, and a short text is one line.
func TestHelpFitsATerminal(t *testing.T) {
	for _, c := range theManual().Commands {
		if c.Short == "" || strings.ContainsAny(c.Short, "\n.") {
			t.Errorf("%s: got %q, want one line without a full stop", c.Name, c.Short)
		}
		for line := range strings.Lines(c.Long) {
			if len(line) > 130 {
				t.Errorf("%s: a line of %d characters: %q", c.Name, len(line), line)
			}
		}
	}
}

// Bash itself completes commands, options and first arguments with the script.
func TestBashCompletes(t *testing.T) {
	var script bytes.Buffer
	if _, err := theManual().Completion(&script, "bash"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ line, want string }{
		{"firelane he", "healthcheck help"},
		{"firelane dead ", "list show resend"},
		{"firelane dead list -s", "-since"},
		{"firelane run -ad", "-admin"},
		{"firelane completion z", "zsh"},
		{"firelane check x", ""},
	} {
		words := strings.Fields(c.line)
		if strings.HasSuffix(c.line, " ") {
			words = append(words, "")
		}
		ask := script.String() + "\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _firelane; echo \"${COMPREPLY[*]}\"\n"
		out, err := exec.Command("bash", append([]string{"-c", ask, "bash"}, words...)...).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != c.want {
			t.Errorf("%q: got %q and error %v, want %q", c.line, got, err, c.want)
		}
	}
}
