package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/router"
)

// Limits of a live tail.
const (
	tailRate    = 20   // records a second, unless the request says otherwise
	maxTailRate = 1000 // that a request may say
	// maxTailBytes is how many bytes of lines wait for the viewer; more are dropped.
	maxTailBytes = 128 << 10
	// tailMemory is what a viewer takes from the memory of buffers: the lines that wait, those that are sent, and a large one each.
	tailMemory = 2 * (maxTailBytes + 5*maxTailValue)
	// maxTailValue is how much is shown of one value of a record, in bytes; of a whole record it is about four times that.
	maxTailValue = 4 << 10
	// maxConditions is how many conditions a request may have.
	maxConditions = 10
	// tailFlush is how often lines are sent, so that many make one write.
	tailFlush = 500 * time.Millisecond
	// tailBeat is how long nothing is sent before an empty object is: it finds out that the viewer has gone.
	tailBeat = 10 * time.Second
)

// A tail is one viewer of /api/firelane/tail. It gets lines of JSON until it hangs up: records, as appendLine writes them, and
// {"missed":N,"unexamined":M}, how many records since the last such line came too fast: N that the filter takes are not shown, and M
// were not examined. After {"error":…} nothing comes.
type tail struct {
	viewer router.Viewer

	mu     sync.Mutex
	lines  []byte
	missed int64 // that there was no room for
}

func (wt *watch) tail(w http.ResponseWriter, r *http.Request) {
	t, err := newTail(r.URL.Query())
	if err != nil {
		http.Error(w, "error: "+err.Error(), http.StatusBadRequest)
		return
	}
	end, err := wt.Watched.Tap(&t.viewer)
	if err != nil {
		refuseViewer(w, err)
		return
	}
	defer end()
	w.Header().Set("Content-Type", "application/x-ndjson")
	t.stream(r.Context(), w)
}

// newTail makes a tail of what a request wants: stage, match, where, text and rate.
func newTail(q url.Values) (*tail, error) {
	t := new(tail)
	t.viewer = router.Viewer{Records: tailRate, See: t.see, Memory: tailMemory}
	var err error
	if t.viewer.Stages, err = parseStages(q["stage"]); err != nil {
		return nil, err
	}
	if s := q.Get("rate"); s != "" {
		if t.viewer.Records, err = strconv.Atoi(s); err != nil || t.viewer.Records < 1 || t.viewer.Records > maxTailRate {
			return nil, fmt.Errorf("rate=%q; want 1 to %d records a second", s, maxTailRate)
		}
	}
	filter, err := parseTailFilter(q)
	if !filter.isEmpty() {
		t.viewer.Filter = filter
	}
	return t, err
}

// parseStages reads lists of stages with commas; none: out and refused.
func parseStages(lists []string) (stages []router.Stage, err error) {
	wanted := map[router.Stage]bool{}
	for name := range strings.FieldsFuncSeq(strings.Join(lists, ","), func(r rune) bool { return r == ',' || r == ' ' }) {
		s, ok := map[string]router.Stage{"in": router.StageIn, "out": router.StageOut, "refused": router.StageRefused}[name]
		if !ok {
			return nil, fmt.Errorf("stage=%q; want in, out or refused", name)
		}
		if !wanted[s] {
			wanted[s], stages = true, append(stages, s)
		}
	}
	if len(stages) == 0 {
		stages = []router.Stage{router.StageOut, router.StageRefused}
	}
	return stages, nil
}

// see adds a record to the lines.
func (t *tail) see(one *router.Shown) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) > maxTailBytes {
		t.missed++
		return
	}
	t.lines = appendLine(t.lines, one)
}

// appendLine appends a record as a line of JSON: stage, part, tag, time, of a refused one target, status, type and reason, and at last
// the record, cut as record.AppendJSONCut does.
func appendLine(dst []byte, one *router.Shown) []byte {
	str := func(key, value string) {
		dst = append(append(dst, key...), ':')
		dst = append(record.AppendJSONString(dst, []byte(value)), ',')
	}
	dst = append(dst, '{')
	str(`"stage"`, one.Stage.String())
	str(`"part"`, one.Part)
	str(`"tag"`, one.Event.Tag)
	dst = append(record.AppendTimeISO(append(dst, `"time":"`...), one.Event.Time, 9), `",`...)
	if d := one.Dead; d != nil {
		str(`"target"`, d.Target)
		dst = append(strconv.AppendInt(append(dst, `"status":`...), int64(d.Status), 10), ',')
		str(`"type"`, d.Type)
		str(`"reason"`, d.Reason[:min(len(d.Reason), maxTailValue)])
	}
	return append(record.AppendJSONCut(append(dst, `"record":`...), one.Event, maxTailValue), '}', '\n')
}

// stream sends lines until ctx ends or the viewer takes none within writeTimeout.
func (t *tail) stream(ctx context.Context, w http.ResponseWriter) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // otherwise it ends the request's context
	tick := time.NewTicker(tailFlush)
	defer tick.Stop()
	var spare []byte
	var told router.Missed
	sent := time.Time{}
	for {
		now := time.Now()
		lines, missed := t.take(spare)
		if missed != told && (len(lines) > 0 || now.Sub(sent) >= time.Second) {
			lines = fmt.Appendf(lines, "{\"missed\":%d,\"unexamined\":%d}\n", missed.Taken-told.Taken, missed.Unexamined-told.Unexamined)
			told = missed
		}
		fault := t.viewer.Err()
		if fault != nil {
			lines = append(record.AppendJSONString(append(lines, `{"error":`...), []byte(fault.Error())), "}\n"...)
		}
		if len(lines) == 0 && now.Sub(sent) >= tailBeat {
			lines = append(lines, "{}\n"...)
		}
		if len(lines) > 0 {
			sent = now
			_ = c.SetWriteDeadline(now.Add(writeTimeout))
			if _, err := w.Write(lines); err != nil {
				return
			}
			if err := c.Flush(); err != nil || fault != nil {
				return
			}
		}
		spare = lines[:0]
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// take returns the lines that wait, and how many records have been missed so far. The next lines are in spare's memory.
func (t *tail) take(spare []byte) (lines []byte, missed router.Missed) {
	missed = t.viewer.Missed()
	t.mu.Lock()
	defer t.mu.Unlock()
	lines, t.lines = t.lines, spare
	missed.Taken += t.missed
	return lines, missed
}

// A TailLine is a line of /api/firelane/tail: a record, or how many came too fast, or neither.
type TailLine struct {
	Stage  string          `json:"stage"` // in, out or refused
	Part   string          `json:"part"`  // the ID of the input or output
	Tag    string          `json:"tag"`
	Time   time.Time       `json:"time"` // the record's
	Target string          `json:"target"`
	Status int             `json:"status"`
	Type   string          `json:"type"`
	Reason string          `json:"reason"`
	Record json.RawMessage `json:"record"`

	Missed     int64  `json:"missed"`
	Unexamined int64  `json:"unexamined"`
	Error      string `json:"error"`
}

// Why says why a record was refused.
func (l *TailLine) Why() string {
	r := RefusedRecord{Target: l.Target, Status: l.Status, Type: l.Type, Reason: l.Reason}
	return r.Why()
}
