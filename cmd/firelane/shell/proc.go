package shell

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// replaced are the programs that the router is the replacement of. It is found under their names, too.
var replaced = [...]string{"fluent-bit", "fluentd"}

// clockTicks is the unit of a process's CPU time in /proc: USER_HZ, 100 a second on every architecture of Linux.
const clockTicks = 100

// A process is one of /proc.
type process struct {
	pid, ppid  int
	comm       string // the program's name, up to 15 bytes
	args       []string
	state      byte // R, S, D; T: stopped; Z: ended
	cpu        int  // clock ticks
	rss        int  // pages
	user       string
	fromBinary bool // it is a process of this program
}

// processes reads /proc. The shell that asks isn't among them: its own command line may have the name that it looks for.
func processes() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	self, _ := os.Stat("/proc/self/exe")
	var all []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if p, err := readProcess(pid, self); err == nil { // or it has ended since
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b process) int { return cmp.Compare(a.pid, b.pid) })
	return all, nil
}

func readProcess(pid int, self fs.FileInfo) (p process, err error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, err
	}
	// PID (COMM) STATE PPID …, and COMM may have parentheses: proc(5)
	before, rest, _ := cutLast(string(stat), ")")
	fields := strings.Fields(rest)
	if len(fields) < 22 {
		return p, errors.New("no process")
	}
	_, p.comm, _ = strings.Cut(before, "(")
	number := func(field int) int {
		n, _ := strconv.Atoi(fields[field])
		return n
	}
	p.pid, p.state, p.ppid, p.cpu, p.rss = pid, fields[0][0], number(1), number(11)+number(12), number(21)
	if line, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil && len(line) > 0 {
		p.args = strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	}
	if info, err := os.Stat(dir); err == nil {
		p.user = owner(info)
	}
	if exe, err := os.Stat(filepath.Join(dir, "exe")); err == nil && self != nil {
		p.fromBinary = os.SameFile(exe, self)
	}
	return p, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// owner is the number of a file's user.
func owner(info fs.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return strconv.Itoa(int(s.Uid))
	}
	return "?"
}

// running reports whether the process does anything: it isn't stopped by a signal, and hasn't ended.
func (p *process) running() bool { return strings.IndexByte("TtZX", p.state) < 0 }

// isRouter reports whether it is the router that runs, and not one of the small programs.
func (p *process) isRouter() bool {
	if !p.fromBinary || !p.running() {
		return false
	}
	return p.pid == 1 || p.ppid == 1 || len(p.args) > 0 && !Has(path.Base(p.args[0]))
}

// names are those that pgrep and pidof find it under.
func (p *process) names() []string {
	names := []string{p.comm}
	if len(p.args) > 0 {
		names = append(names, path.Base(p.args[0]))
	}
	if p.isRouter() {
		names = append(names, replaced[:]...)
	}
	return names
}

// command is the command line. That of the router has the names of what it replaces, which checks look for in the output of ps.
func (p *process) command() string {
	if len(p.args) == 0 {
		return "[" + p.comm + "]"
	}
	line := strings.Join(p.args, " ")
	if p.isRouter() {
		line += " (in place of " + strings.Join(replaced[:], ", ") + ")"
	}
	return line
}

// column is a column of ps; the value is "" for one that isn't known.
func (p *process) column(name string) string {
	switch name {
	case "pid":
		return strconv.Itoa(p.pid)
	case "ppid":
		return strconv.Itoa(p.ppid)
	case "user", "uid", "uname", "euser":
		return p.user
	case "stat", "s", "state":
		return string(p.state)
	case "rss", "rssize":
		return strconv.Itoa(p.rss * os.Getpagesize() >> 10)
	case "time", "cputime":
		seconds := p.cpu / clockTicks
		return fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	case "comm", "ucmd":
		return p.comm
	case "args", "cmd", "command":
		return p.command()
	}
	return ""
}

// ps lists processes: "ps", "ps aux", "ps -ef", "ps -o pid,comm", "ps -p 1", "ps -C NAME".
func (c *call) ps() int {
	args := c.args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") { // BSD's options have no dash
		c.args = args[1:]
	}
	given, _, err := c.flags("AaefFlwxuTHj", "opC", map[string]byte{"pid": 'p', "format": 'o', "no-headers": 'H'}, false)
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	columns, header := []string{"pid", "ppid", "user", "stat", "rss", "time", "args"}, !has(given, 'H')
	if format, ok := given['o']; ok {
		columns = nil
		for name := range strings.FieldsFuncSeq(format, func(r rune) bool { return r == ',' || r == ' ' }) {
			name, heading, own := strings.Cut(name, "=")
			if new(process).column(name) == "" && name != "user" && !strings.Contains("comm args cmd command uid ucmd uname euser", name) {
				return c.fail(exitUsage, "column %q is not supported in this image", name)
			}
			header = header && (!own || heading != "")
			columns = append(columns, name)
		}
	}
	all, err := processes()
	if err != nil {
		return c.fail(exitFailed, "%v", err)
	}
	if header {
		fmt.Fprintln(c.stdout, psLine(columns, title))
	}
	found := false
	for i := range all {
		p := &all[i]
		if pids, ok := given['p']; ok && !slices.Contains(strings.FieldsFunc(pids, func(r rune) bool { return r == ',' || r == ' ' }), strconv.Itoa(p.pid)) {
			continue
		}
		if name, ok := given['C']; ok && !slices.Contains(p.names(), name) {
			continue
		}
		found = true
		fmt.Fprintln(c.stdout, psLine(columns, p.column))
	}
	if !found {
		return exitFailed
	}
	return exitOK
}

// title is the name of a column in the first line.
func title(column string) string {
	if column == "args" || column == "cmd" {
		return "COMMAND"
	}
	return strings.ToUpper(column)
}

func psLine(columns []string, value func(name string) string) string {
	var b strings.Builder
	for i, name := range columns {
		switch last := i == len(columns)-1; {
		case last:
			b.WriteString(value(name))
		case name == "comm":
			fmt.Fprintf(&b, "%-15s ", value(name))
		default:
			fmt.Fprintf(&b, "%8s ", value(name))
		}
	}
	return b.String()
}

// pgrep prints the numbers of the processes whose names match. Processes that are stopped or have ended don't count.
func (c *call) pgrep() int {
	given, words, err := c.flags("fxlacnovi", "udPg", map[string]byte{"full": 'f', "exact": 'x', "list-name": 'l', "list-full": 'a', "count": 'c'}, false)
	if err == nil && len(words) != 1 {
		err = errors.New("want one pattern")
	}
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	text := "(?:" + words[0] + ")"
	if has(given, 'x') {
		text = "^" + text + "$"
	}
	pattern, err := regexp.Compile(text)
	if err != nil {
		return c.fail(exitUsage, "the pattern: %v", err)
	}
	all, err := processes()
	if err != nil {
		return c.fail(exitFailed, "%v", err)
	}
	matched := 0
	for i := range all {
		p := &all[i]
		names := p.names()
		if has(given, 'f') {
			names = append(names, p.command())
		}
		if !p.running() || !slices.ContainsFunc(names, pattern.MatchString) {
			continue
		}
		matched++
		switch {
		case has(given, 'c'):
		case has(given, 'a'):
			fmt.Fprintln(c.stdout, p.pid, p.command())
		case has(given, 'l'):
			fmt.Fprintln(c.stdout, p.pid, p.comm)
		default:
			fmt.Fprintln(c.stdout, p.pid)
		}
	}
	if has(given, 'c') {
		fmt.Fprintln(c.stdout, matched)
	}
	if matched == 0 {
		return exitFailed
	}
	return exitOK
}

// pidof prints the numbers of the processes with one of these names.
func (c *call) pidof() int {
	_, words, err := c.flags("sx", "o", nil, false)
	if err != nil || len(words) == 0 {
		return c.fail(exitUsage, "want a name")
	}
	all, err := processes()
	if err != nil {
		return c.fail(exitFailed, "%v", err)
	}
	var found []string
	for i := range all {
		if p := &all[i]; p.running() && slices.ContainsFunc(p.names(), func(n string) bool { return slices.Contains(words, n) }) {
			found = append(found, strconv.Itoa(p.pid))
		}
	}
	if len(found) == 0 {
		return exitFailed
	}
	fmt.Fprintln(c.stdout, strings.Join(found, " "))
	return exitOK
}

// kill sends a signal: "kill -0 1", "kill -HUP 1", "kill -s TERM 7".
func (c *call) kill() int {
	name, pids := "TERM", c.args
	switch {
	case len(pids) > 1 && pids[0] == "-s":
		name, pids = pids[1], pids[2:]
	case len(pids) > 0 && strings.HasPrefix(pids[0], "-") && pids[0] != "--":
		name, pids = pids[0][1:], pids[1:]
	}
	number, err := strconv.Atoi(name)
	if err != nil {
		number = int(unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG")))
	}
	if len(pids) == 0 || err != nil && number == 0 {
		return c.fail(exitUsage, "want a signal, such as -HUP, and the number of a process")
	}
	for _, text := range pids {
		pid, err := strconv.Atoi(text)
		if err != nil || pid <= 0 {
			return c.fail(exitUsage, "%q is not a process's number", text)
		}
		if err := syscall.Kill(pid, syscall.Signal(number)); err != nil {
			return c.fail(exitFailed, "%d: %v", pid, err)
		}
	}
	return exitOK
}
