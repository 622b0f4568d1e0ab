package shell

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// maxListed is how many entries of a folder ls prints.
const maxListed = 10_000

// ls lists files and folders, with -l their modes, sizes and times.
func (c *call) ls() int {
	given, names, err := c.flags("la1hdtrASF", "", map[string]byte{"all": 'a', "color": '1'}, false)
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	if len(names) == 0 {
		names = []string{"."}
	}
	status := exitOK
	for _, name := range names {
		if len(names) > 1 && !has(given, 'd') {
			fmt.Fprintf(c.stdout, "%s:\n", name)
		}
		if err := c.list(name, given); err != nil {
			status = c.fail(exitFailed, "%v", err)
		}
	}
	return status
}

func (c *call) list(name string, given map[byte]string) error {
	info, err := os.Stat(c.abs(name))
	if err != nil {
		return err
	}
	if !info.IsDir() || has(given, 'd') {
		if info, err = os.Lstat(c.abs(name)); err != nil {
			return err
		}
		c.entry(name, info, given)
		return nil
	}
	entries, err := os.ReadDir(c.abs(name))
	if err != nil {
		return err
	}
	for i, e := range entries {
		if i == maxListed {
			return fmt.Errorf("%s: %d more", name, len(entries)-i)
		}
		if strings.HasPrefix(e.Name(), ".") && !has(given, 'a') && !has(given, 'A') {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) { // removed since
			continue
		}
		if err != nil {
			return err
		}
		c.entry(e.Name(), info, given)
	}
	return nil
}

func (c *call) entry(name string, info fs.FileInfo, given map[byte]string) {
	if !has(given, 'l') {
		fmt.Fprintln(c.stdout, name)
		return
	}
	fmt.Fprintf(c.stdout, "%s %5s %10d %s %s\n", info.Mode(), owner(info), info.Size(), info.ModTime().UTC().Format("2006-01-02 15:04:05"), name)
}

// mkdir makes folders, and those above them.
func (c *call) mkdir() int {
	_, names, err := c.flags("pv", "m", nil, false)
	if err != nil || len(names) == 0 {
		return c.fail(exitUsage, "want the names of folders")
	}
	for _, name := range names {
		if err := os.MkdirAll(c.abs(name), 0o755); err != nil {
			return c.fail(exitFailed, "%v", err)
		}
	}
	return exitOK
}

// chmod gives files a mode in octal digits, or adds read, write and execute rights: "+x", "u+rw".
func (c *call) chmod() int {
	var words []string
	for _, arg := range c.args {
		if arg != "-R" && arg != "-v" && arg != "-f" {
			words = append(words, arg)
		}
	}
	if len(words) < 2 {
		return c.fail(exitUsage, "want a mode and a file")
	}
	mode, err := strconv.ParseUint(words[0], 8, 12)
	who, rights, adds := strings.Cut(words[0], "+")
	if err != nil && (!adds || strings.Trim(who, "ugoa") != "" || strings.Trim(rights, "rwx") != "") {
		return c.fail(exitUsage, "%q is not supported in this image; want, for example, +x or 755", words[0])
	}
	for _, name := range words[1:] {
		bits := os.FileMode(mode)
		if err != nil {
			info, statErr := os.Stat(c.abs(name))
			if statErr != nil {
				return c.fail(exitFailed, "%v", statErr)
			}
			bits = info.Mode().Perm() | added(who, rights)
		}
		if err := os.Chmod(c.abs(name), bits); err != nil {
			return c.fail(exitFailed, "%v", err)
		}
	}
	return exitOK
}

// added are the bits that "u+x" adds to a mode.
func added(who, rights string) (bits os.FileMode) {
	if who == "" || strings.Contains(who, "a") {
		who = "ugo"
	}
	for _, w := range who {
		shift := map[rune]int{'u': 6, 'g': 3, 'o': 0}[w]
		for _, r := range rights {
			bits |= map[rune]os.FileMode{'r': 4, 'w': 2, 'x': 1}[r] << shift
		}
	}
	return bits
}

// duration parses "2", "0.5", "3s", "1m".
func duration(text string) (time.Duration, error) {
	if x, err := strconv.ParseFloat(text, 64); err == nil && x >= 0 && x <= maxRun.Seconds() {
		return time.Duration(x * float64(time.Second)), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > maxRun {
		return 0, fmt.Errorf("want a time up to %v, got %q", maxRun, text)
	}
	return d, nil
}

// sleep waits.
func (c *call) sleep() int {
	if len(c.args) != 1 {
		return c.fail(exitUsage, "want one time")
	}
	d, err := duration(c.args[0])
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	select {
	case <-time.After(d):
		return exitOK
	case <-c.ctx.Done():
		return exitFailed
	}
}

// exitTimedOut is the exit code of timeout if the command has been ended.
const exitTimedOut = 124

// timeout runs a command that ends after a time.
func (c *call) timeout() int {
	d, words, err := c.timeoutWords()
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	ctx, cancel := context.WithTimeout(c.ctx, d)
	defer cancel()
	below := *c
	below.ctx, below.name, below.args = ctx, path.Base(words[0]), words[1:]
	status, ok := below.run(words[0])
	if !ok {
		return c.fail(exitNotFound, "this image has no %q", words[0])
	}
	if ctx.Err() != nil && c.ctx.Err() == nil {
		return exitTimedOut
	}
	return status
}

// timeoutWords are the time and the command of timeout.
func (c *call) timeoutWords() (time.Duration, []string, error) {
	_, words, err := c.flags("", "ks", map[string]byte{"kill-after": 'k', "signal": 's'}, true)
	if err != nil {
		return 0, nil, err
	}
	if len(words) < 2 {
		return 0, nil, errors.New("want a time and a command")
	}
	d, err := duration(words[0])
	return d, words[1:], err
}
