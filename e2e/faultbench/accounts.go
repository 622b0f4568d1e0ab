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

// An account is where an output's records are, as in the last lines of firelane's log.
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

// sum returns the sum of the terms, which must equal Received.
func (a *account) sum() int {
	n := a.Delivered + a.Filtered + a.Dead + a.Buffered + a.Merged + a.Held - a.Added
	for _, dropped := range a.Dropped {
		n += dropped
	}
	return n
}

// A processLog is the counts that one process has logged.
type processLog struct {
	recovered, taken, unrouted int
	outputs                    []account // in the order of the configuration; none if the process was killed
	removed                    []account // of outputs that a reload has removed
}

// readLogs reads a run's log file, which has the lines of all its processes.
func readLogs(file string) ([]processLog, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var logs []processLog
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
			logs = append(logs, processLog{recovered: line.Recovered})
		}
		if len(logs) == 0 {
			continue
		}
		last := &logs[len(logs)-1]
		switch {
		case line.Message == "stopping":
			last.outputs, last.removed = nil, last.outputs
		case line.Message == "stopped taking records":
			last.taken, last.unrouted = line.Received, line.Unrouted
		case line.Output != "" && strings.HasPrefix(line.Message, "stopped"):
			last.outputs = append(last.outputs, line.account)
		}
	}
	return logs, lines.Err()
}

// checkAccounts compares firelane's accounts with what was sent and what arrived.
func checkAccounts(logs []processLog, s *scenario, res *result) (problems []string) {
	wrong := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf("accounts: "+format, args...))
	}
	taken, delivered, dead := 0, 0, 0
	for i, l := range logs {
		if len(l.outputs) == 0 {
			if !s.killed || i == len(logs)-1 {
				wrong("process %d logged no accounts at its end", i+1)
			}
			continue
		}
		for n, a := range l.outputs {
			if a.Unaccounted != 0 || a.sum() != a.Received || a.Received != l.recovered+l.taken-l.unrouted {
				wrong("process %d, output %d: %d received and %d recovered, %+v", i+1, n+1, l.taken, l.recovered, a)
			}
			if len(a.Dropped) > 0 {
				wrong("process %d, output %d dropped records: %v", i+1, n+1, a.Dropped)
			}
		}
		for _, a := range l.removed {
			if a.Unaccounted != 0 || a.sum() != a.Received || len(a.Dropped) > 0 || a.Buffered > 0 {
				wrong("process %d, an output that was removed: %+v", i+1, a)
			}
		}
		first := l.outputs[0]
		taken, delivered, dead = taken+l.taken, delivered+first.Delivered, dead+first.Dead
		if i+1 < len(logs) && logs[i+1].recovered != first.Buffered {
			wrong("process %d left %d records, the next one recovered %d", i+1, first.Buffered, logs[i+1].recovered)
		}
		if i+1 == len(logs) && first.Buffered > 0 {
			wrong("%d records are still buffered", first.Buffered)
		}
	}
	if s.deadTwin && len(logs) > 0 && len(logs[0].outputs) > 1 {
		if twin := logs[0].outputs[len(logs[0].outputs)-1]; twin.Buffered != res.sent {
			wrong("the dead output buffers %d records of %d", twin.Buffered, res.sent)
		}
	}
	if !s.killed && (taken != res.sent || delivered != res.sent-dead || dead != res.dead) {
		wrong("sent %d, of them %d to be dead-lettered; received %d, delivered %d, dead-lettered %d", res.sent, res.dead, taken, delivered, dead)
	}
	return problems
}

// checkDeadLetters checks that the dead letter's files have want lines, each with the reason.
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
