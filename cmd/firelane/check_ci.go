package main

import (
	"io"
	"strings"

	"github.com/firelane/firelane/check"
)

// uncommand keeps printed text from acting as a CI command. CI reads the output of its steps: a file that is checked could otherwise set
// outputs, end all commands, or hide text of later steps. GitHub's runner takes ##[command] anywhere in a line, and ::command:: at its
// beginning (ActionCommand.TryParse and TryParseV2 in actions/runner).
func (c *cli) uncommand() {
	if !isTerminal(c.stdout) {
		c.stdout = &uncommanded{w: c.stdout}
	}
	if !isTerminal(c.stderr) {
		c.stderr = &uncommanded{w: c.stderr, lines: true}
	}
}

// An uncommanded is a writer of text without commands.
type uncommanded struct {
	w     io.Writer
	lines bool   // lines may not begin with two colons; each Write has whole lines
	last  string // the last bytes: a command may come in two writes
}

// Write replaces the bracket of a command, as JSON would.
func (u *uncommanded) Write(p []byte) (int, error) {
	text := string(p)
	if u.lines {
		text = check.Uncommand(text)
	}
	text = strings.NewReplacer("##[", `##\u005b`, "##vso[", `##vso\u005b`).Replace(u.last + text)[len(u.last):]
	u.last += text
	u.last = u.last[max(len(u.last)-len("##vso"), 0):]
	if _, err := io.WriteString(u.w, text); err != nil {
		return 0, err
	}
	return len(p), nil
}
