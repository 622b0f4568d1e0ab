package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// What the build sets. Without commit and date, as in a build by go install, the program has what the Go tool noted.
var (
	version = "dev"
	commit  string // "" for a build outside of a repository
	date    string // of the commit, so that two builds of it are the same: RFC 3339
)

// versionCommand prints the version in its first line, and what it was built from in the second.
func versionCommand(c *cli, _ []string) int {
	of, at := commit, date
	if info, ok := debug.ReadBuildInfo(); ok {
		stamps := map[string]string{}
		for _, s := range info.Settings {
			stamps[s.Key] = s.Value
		}
		of = cmp.Or(of, stamps["vcs.revision"])
		at = cmp.Or(at, stamps["vcs.time"])
		if stamps["vcs.modified"] == "true" {
			of += " with changes"
		}
	}
	fmt.Fprintf(c.stdout, "firelane %s\ncommit %s of %s, %s, %s/%s\n",
		version, cmp.Or(of, "unknown"), cmp.Or(at, "unknown"), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitOK
}
