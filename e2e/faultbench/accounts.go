package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// An account is what firelane's log says, at its end, of where an output's records are.
type account struct {
	Received  int            `json:"received"`
	Delivered int            `json:"delivered"`
	Filtered  int            `json:"filtered"`
	Dropped   map[string]int `json:"dropped"`
	Dead      int            `json:"dead_lettered"`
	Buffered  int            `json:"buffered"`
	Added     int            `json:"added"`
	Merged    int            `json:"merged"`
	Held      int            `json:"held"`

	Unaccounted int `json:"unaccounted"` // as the router itself counts it
}

// sum is where the records are; it must be what was received.
func (a *account) sum() int {
	n := a.Delivered + a.Filtered + a.Dead + a.Buffered + a.Merged + a.Held - a.Added
	for _, dropped := range a.Dropped {
		n += dropped
	}
	return n
}

// A life is what one process has said, from its start to its end.
type life struct {
	recovered, taken, unrouted int
	outputs                    []account // in the order of the configuration; none if it was killed
}

// readLives reads the log of a run.
func readLives(file string) ([]life, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lives []life
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Message   string `json:"message"`
			Output    string `json:"output"`
			Recovered int    `json:"recovered"`
			Unrouted  int    `json:"unrouted"`
			account
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue
		}
		if line.Message == "firelane is running" {
			lives = append(lives, life{recovered: line.Recovered})
		}
		if len(lives) == 0 {
			continue
		}
		last := &lives[len(lives)-1]
		switch {
		case line.Message == "stopped taking records":
			last.taken, last.unrouted = line.Received, line.Unrouted
		case line.Output != "" && strings.HasPrefix(line.Message, "stopped"):
			last.outputs = append(last.outputs, line.account)
		}
	}
	return lives, lines.Err()
}

// checkAccounts holds firelane's own accounts against what was sent and what the destination has.
func checkAccounts(lives []life, s *scenario, res *result) (problems []string) {
	wrong := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf("accounts: "+format, args...))
	}
	taken, delivered, dead := 0, 0, 0
	for i, l := range lives {
		if len(l.outputs) == 0 {
			if !s.killed || i == len(lives)-1 {
				wrong("process %d said nothing at its end", i+1)
			}
			continue
		}
		for n, a := range l.outputs {
			if a.Unaccounted != 0 || a.sum() != a.Received || a.Received != l.recovered+l.taken-l.unrouted {
				wrong("process %d, output %d: %d taken and %d recovered, %+v", i+1, n+1, l.taken, l.recovered, a)
			}
			if len(a.Dropped) > 0 {
				wrong("process %d, output %d dropped records: %v", i+1, n+1, a.Dropped)
			}
		}
		own := l.outputs[0]
		taken, delivered, dead = taken+l.taken, delivered+own.Delivered, dead+own.Dead
		if i+1 < len(lives) && lives[i+1].recovered != own.Buffered {
			wrong("process %d left %d records, the next one found %d", i+1, own.Buffered, lives[i+1].recovered)
		}
		if i+1 == len(lives) && own.Buffered > 0 {
			wrong("%d records are still buffered", own.Buffered)
		}
	}
	if s.deadTwin && len(lives) > 0 && len(lives[0].outputs) == 2 {
		if twin := lives[0].outputs[1]; twin.Buffered != res.sent {
			wrong("the dead output buffers %d records of %d", twin.Buffered, res.sent)
		}
	}
	if !s.killed && (taken != res.sent || delivered != res.sent-dead || dead != res.dead) {
		wrong("%d sent, %d of them to be dead letters; taken %d, delivered %d, dead letters %d", res.sent, res.dead, taken, delivered, dead)
	}
	return problems
}

// checkDeadLetters holds the dead letter's files against what must be in them.
func checkDeadLetters(dir string, want int, reason string) (problems []string) {
	files, _ := filepath.Glob(filepath.Join(dir, "queue", "dead", "*.jsonl*"))
	lines := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return []string{err.Error()}
		}
		for line := range bytes.Lines(text) {
			lines++
			if !strings.Contains(string(line), reason) {
				problems = append(problems, fmt.Sprintf("a dead letter without its reason %q: %.300s", reason, line))
			}
		}
	}
	if lines != want {
		problems = append(problems, fmt.Sprintf("%d dead letters on disk, want %d", lines, want))
	}
	return problems
}
