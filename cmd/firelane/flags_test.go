package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// As getopt_long(3) reads them.
func TestFlagsAreReadAsGetoptDoes(t *testing.T) {
	for line, want := range map[string]string{
		"-c a -vvq":                       "c=a v= v= q=",
		"-ca -f5 --flush=6 --flush 7":     "c=a f=5 f=6 f=7",
		"--dry --con a --http_p 2 --http": "D= c=a P=2 H=",
		"-p a=b=c -p=d -p -x":             "p=a=b=c p==d p=-x",
		"a -V -- -D b":                    "V= | a -D b",
		"-":                               "| -",
		"--enable":                        "error",
		"-1":                              "error",
		"-c":                              "error",
		"--flush":                         "error",
		"-vx":                             "error",
	} {
		flags, rest, err := parseFlags(fluentBitFlags, strings.Fields(line))
		var got []string
		for _, f := range flags {
			got = append(got, fmt.Sprintf("%c=%s", f.letter, f.value))
		}
		if len(rest) > 0 {
			got = append(append(got, "|"), rest...)
		}
		if err != nil {
			got = []string{"error"}
		}
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: got %q (%v), want %s", line, got, err, want)
		}
	}
}

// No command line makes a panic. (The tests of this package have a main of their own, which fuzzing doesn't work with.)
func TestCommandLinesOfAnyWordsAreReadOrRefused(t *testing.T) {
	words := []string{"-c", "a", "-i", "dummy", "-p", "a=b", "=", "-p\n=\n", "-t", "", "-F", "grep", "-m", "*", "-o", "null", "--flush=1", "-R", "x", "-e", "\x00", "-T", "--", "--=", "-vvq", "-H", "[OUTPUT]", "@INCLUDE /dev/zero", "-pmatch=${X"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		line := make([]string, r.IntN(8))
		for i := range line {
			line[i] = words[r.IntN(len(words))]
		}
		_, _, _ = parseFlags(fluentdFlags, line)
		flags, _, err := parseFlags(fluentBitFlags, line)
		if err != nil {
			continue
		}
		c := &cli{environment: environment{lookup: func(string) (string, bool) { return "", false }}}
		b := fluentBitLine{also: &c.also}
		for _, flag := range flags {
			b.flag(flag)
		}
		b.end()
		if b.err == nil {
			c.plan(commandLine)
		}
	}
}
