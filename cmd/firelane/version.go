package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// What `make` sets. Without commit and epoch, as after go install, the program has what the Go tool noted.
var (
	version = "dev"
	commit  string // "" outside of a repository
	epoch   string // when the commit was made, in seconds since 1970: two builds of it are the same
)

// versionCommand prints the version and, in a second line, what it was built from. The date is the commit's.
func versionCommand(c *cli, _ []string) int {
	of, at := commit, ""
	if seconds, err := strconv.ParseInt(epoch, 10, 64); err == nil && seconds > 0 {
		at = time.Unix(seconds, 0).UTC().Format(time.RFC3339)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		stamps := map[string]string{}
		for _, s := range info.Settings {
			stamps[s.Key] = s.Value
		}
		of = cmp.Or(of, stamps["vcs.revision"])
		at = cmp.Or(at, stamps["vcs.time"])
		if stamps["vcs.modified"] == "true" {
			of += ", changed"
		}
	}
	fmt.Fprintf(c.stdout, "firelane %s\ncommit %s of %s, %s, %s/%s\n",
		version, cmp.Or(of, "unknown"), cmp.Or(at, "unknown"), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitOK
}
