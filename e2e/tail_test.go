package e2e

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// A logWriter appends numbered lines to many files in turn, and rotates those that it has just written to: by renaming, and by
// copying and truncating.
type logWriter struct {
	dir                 string
	lines, files, burst int // burst is how many lines are written to a file at a time
	rotateEvery         int // bursts
	period              time.Duration
	renamed, copied     int
}

func (w *logWriter) run() error {
	begin := time.Now()
	for n, step := 0, 0; n < w.lines; step++ {
		name := filepath.Join(w.dir, fmt.Sprintf("app-%d.log", step%w.files))
		var b bytes.Buffer
		for range min(w.burst, w.lines-n) {
			fmt.Fprintf(&b, "n=%d. %s\n", n, strings.Repeat("x", 80))
			n++
		}
		if err := appendTo(name, b.Bytes()); err != nil {
			return err
		}
		if step >= w.files && step%w.rotateEvery == 0 { // a file that is renamed before anybody has seen it is nobody's
			if err := w.rotate(name); err != nil {
				return err
			}
		}
		time.Sleep(time.Until(begin.Add(w.period * time.Duration(n) / time.Duration(w.lines)))) // the load, not a wait
	}
	return nil
}

func appendTo(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(b)
	return err
}

func (w *logWriter) rotate(name string) error {
	if w.renamed == w.copied {
		w.renamed++
		return os.Rename(name, fmt.Sprintf("%s.%d", name, w.renamed+w.copied))
	}
	w.copied++
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(fmt.Sprintf("%s.%d", name, w.renamed+w.copied), b, 0o600); err != nil {
		return err
	}
	return os.Truncate(name, 0)
}

// count returns how many of the numbers have arrived, and how many more than once.
func count(s *bulktest.Server) (seen map[int]int, twice int) {
	seen = map[int]int{}
	for _, d := range s.Documents("web-*") {
		_, rest, _ := bytes.Cut(d.Source, []byte("n="))
		text, _, _ := bytes.Cut(rest, []byte("."))
		n, err := strconv.Atoi(string(text))
		if err != nil {
			n = -1
		}
		if seen[n]++; seen[n] > 1 {
			twice++
		}
	}
	return seen, twice
}

// missing names the bursts of which lines are missing, with the step that wrote them.
func (w *logWriter) missing(seen map[int]int) string {
	var list []string
	for n := 0; n < w.lines && len(list) < 20; n += w.burst {
		if seen[n] == 0 {
			step := n / w.burst
			list = append(list, fmt.Sprintf("%d (app-%d, rotated: %v)", n, step%w.files, step%w.rotateEvery == 0))
		}
	}
	return strings.Join(list, ", ")
}

// 1,000 files are written to and rotated while firelane is killed again and again.
func TestTailLosesAndDoublesNothingAcrossRotationsAndKills(t *testing.T) {
	w := &logWriter{lines: 200_000, files: 1000, burst: 10, rotateEvery: 7, period: 25 * time.Second}
	kills := 8
	if testing.Short() {
		w.lines, w.files, w.period, kills = 40_000, 200, 6*time.Second, 2
	}
	search := bulktest.New(bulktest.Options{})
	server := serve(t, "", httptest.NewServer(search))
	dir := t.TempDir()
	w.dir = filepath.Join(dir, "logs")
	if err := os.Mkdir(w.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	config := programConfig(dir, fmt.Sprintf(`    Name es
    Host 127.0.0.1
    Port %d
[INPUT]
    Name           tail
    Path           %s/*.log
    Tag            app.*
    Read_from_Head On
    Rotate_Wait    2
    DB             %s/offsets.db
`, portOf(server), w.dir, dir))
	p := startProgram(t, dir, config, "")
	written := make(chan error, 1)
	go func() { written <- w.run() }()
	for n := range kills {
		time.Sleep(w.period / time.Duration(kills+1)) // the time of the kill is arbitrary
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.cmd.Wait()
		os.Rename(filepath.Join(dir, "log"), filepath.Join(dir, fmt.Sprint("log.", n)))
		p = startProgram(t, dir, config, "")
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, func() (bool, string) {
		seen, twice := count(search)
		return len(seen) == w.lines, fmt.Sprintf("%d lines of %d, %d of them twice; missing: %s", len(seen), w.lines, twice, w.missing(seen))
	})
	peak := p.peak(t)
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	p.stop(t)
	seen, twice := count(search)
	if twice > 0 || seen[-1] > 0 {
		t.Errorf("%d lines came twice, %d without a number", twice, seen[-1])
	}
	t.Logf("%d lines, %d files renamed, %d copied and truncated, %d kills: %d missing, %d twice; at most %.0f MiB, %d descriptors",
		w.lines, w.renamed, w.copied, kills, w.lines-len(seen), twice, peak, len(open))
	if peak > 50 {
		t.Errorf("firelane took %.0f MiB, want at most 50", peak)
	}
}
