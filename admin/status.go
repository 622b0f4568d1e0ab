package admin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/firelane/firelane/router"
	"github.com/firelane/firelane/sink/deliver"
)

// Status is /api/firelane/status: everything that the status page and `firelane top` show, at one moment. Rates are the differences of
// two.
type Status struct {
	Version  string    `json:"version"`
	Now      time.Time `json:"now"`
	Uptime   float64   `json:"uptime_s"`
	CPU      float64   `json:"cpu_s"`
	Memory   int64     `json:"memory_bytes"` // resident; 0: not known
	Dialect  string    `json:"dialect"`
	Files    []string  `json:"files"`
	Reloads  int64     `json:"reloads"`
	Verdict  Verdict   `json:"verdict"`
	Records  bool      `json:"records"` // log records are shown here
	NotShown string    `json:"not_shown,omitempty"`

	Inputs  []InputStatus         `json:"inputs"`
	Steps   []router.PipelinePart `json:"steps"`
	Outputs []OutputStatus        `json:"outputs"`
	Orphans []router.Orphan       `json:"queues_without_output,omitempty"`
	Refused []RefusedRecord       `json:"refused"` // the newest first
}

// A Verdict says in a sentence whether records flow.
type Verdict struct {
	Kind string `json:"kind"` // ok, warn or bad
	Text string `json:"text"`
}

// InputStatus is an input.
type InputStatus struct {
	router.PipelinePart
	Account router.InputAccount `json:"account"`
}

// OutputStatus is an output: what it is doing, its account, its deliveries and its queue.
type OutputStatus struct {
	router.PipelinePart
	State   string         `json:"state"` // idle, delivering, waiting, throttled, unauthorised or failing
	Words   string         `json:"words"` // the same in a sentence
	Account router.Account `json:"account"`

	SentBytes    int64      `json:"sent_bytes"` // before compression
	Requests     int64      `json:"requests"`
	Failed       int64      `json:"failed_requests"`
	Retried      int64      `json:"retried_records"`
	InFlight     int        `json:"requests_in_flight"`
	Concurrency  int        `json:"requests_at_most"`
	Gate         string     `json:"gate"`
	LastError    string     `json:"last_error,omitempty"`
	LastErrorAt  *time.Time `json:"last_error_at,omitempty"`
	DeliveredAt  *time.Time `json:"delivered_at,omitempty"`
	FailingSince *time.Time `json:"failing_since,omitempty"`

	Queue QueueStatus `json:"queue"`
}

// QueueStatus is an output's queue, with its deferred records.
type QueueStatus struct {
	Bytes   int64 `json:"bytes"`
	Limit   int64 `json:"limit_bytes"` // 0: none
	Records int64 `json:"records"`
	Waiting int   `json:"waiting_appends"` // inputs that wait for room
	Durable bool  `json:"on_disk"`

	Oldest *time.Time `json:"oldest,omitempty"` // when the oldest record was queued, about
}

// RefusedRecord is a record in a dead letter. Reason, Tag and Record are left out where log records are not shown: a destination's
// reason may quote the record.
type RefusedRecord struct {
	Time   time.Time       `json:"time"`
	Output string          `json:"output"`
	Target string          `json:"target,omitempty"`
	Status int             `json:"status,omitempty"`
	Type   string          `json:"type,omitempty"`
	Reason string          `json:"reason,omitempty"`
	Tag    string          `json:"tag,omitempty"`
	Record json.RawMessage `json:"record,omitempty"`
}

func (wt *watch) status(w http.ResponseWriter, _ *http.Request) { writeJSON(w, wt.look(time.Now())) }

// look returns the router's status.
func (wt *watch) look(now time.Time) *Status {
	p := wt.Watched.Pipeline()
	s := &Status{
		Version: wt.Version, Now: now.UTC(), Uptime: now.Sub(wt.Start).Seconds(), CPU: cpuSeconds(),
		Dialect: p.Dialect, Files: p.Files, Reloads: wt.Watched.Reloads(), Records: wt.records,
		Steps: p.Steps, Orphans: wt.Watched.Orphans(), Inputs: []InputStatus{}, Outputs: []OutputStatus{}, Refused: []RefusedRecord{},
	}
	if n, ok := residentBytes(); ok {
		s.Memory = int64(n)
	}
	if !wt.records {
		s.NotShown = recordsOffText
	}
	status := wt.Watched.Status()
	for _, a := range status.Inputs {
		s.Inputs = append(s.Inputs, InputStatus{partOf(p.Inputs, a.Input), a})
	}
	for i := range status.Outputs {
		o := &status.Outputs[i]
		if !wt.records {
			hideRecords(o)
		}
		s.Outputs = append(s.Outputs, outputStatus(partOf(p.Outputs, o.Account.Output), o, now))
	}
	s.Verdict = verdictOf(s, status.Outputs)
	for _, r := range wt.Watched.Refusals() {
		one := RefusedRecord{Time: r.Time.UTC(), Output: r.Output, Target: r.Target, Status: r.Status, Type: r.Type}
		if wt.records {
			one.Reason, one.Tag, one.Record = r.Reason, r.Tag, r.Record
		}
		s.Refused = append(s.Refused, one)
	}
	return s
}

// recordsRefused replaces the reason why records were refused, which may quote them, where log records are not shown.
const recordsRefused = "records were refused"

// hideRecords removes from an output's status what may quote a record.
func hideRecords(o *router.OutputStatus) {
	if d := &o.Delivery; d.LastErrorOfItems && d.LastError != "" {
		o.Trouble = strings.ReplaceAll(o.Trouble, d.LastError, recordsRefused)
		d.LastError = recordsRefused
	}
}

// withoutRecords is a Source where log records are not shown.
type withoutRecords struct{ Source }

// Status implements Source.
func (s withoutRecords) Status() router.Status {
	all := s.Source.Status()
	for i := range all.Outputs {
		hideRecords(&all.Outputs[i])
	}
	return all
}

// Healthy implements Source.
func (s withoutRecords) Healthy() (bool, string) {
	all := s.Status()
	for i := range all.Outputs {
		if why := all.Outputs[i].Trouble; why != "" {
			return false, why
		}
	}
	return true, ""
}

// verdictOf says whether records flow: the worst of what is wrong.
func verdictOf(s *Status, outputs []router.OutputStatus) Verdict {
	for i := range outputs {
		if a := &outputs[i].Account; a.Unaccounted != 0 {
			return Verdict{"bad", fmt.Sprintf("The accounts of %s don't add up, by %s. This is a fault of the router; please report it.", a.Output, countOf(a.Unaccounted, "record", "records"))}
		}
	}
	for i := range outputs {
		if outputs[i].Trouble != "" {
			return Verdict{"bad", outputs[i].Trouble}
		}
	}
	var warn []string
	for i := range s.Outputs {
		if o := &s.Outputs[i]; o.State != "idle" && o.State != "delivering" {
			warn = append(warn, o.ID+": "+o.Words)
		}
	}
	if len(warn) > 0 {
		return Verdict{"warn", strings.Join(warn, " ")}
	}
	return Verdict{"ok", "Everything flows, and the accounts add up."}
}

// partOf returns the part of that ID. An output that a reload has removed, or that delivers dead letters, is in no pipeline.
func partOf(parts []router.PipelinePart, id string) router.PipelinePart {
	for _, p := range parts {
		if p.ID == id {
			return p
		}
	}
	return router.PipelinePart{ID: id}
}

func outputStatus(part router.PipelinePart, o *router.OutputStatus, now time.Time) OutputStatus {
	d := &o.Delivery
	s := OutputStatus{
		PipelinePart: part, Account: o.Account,
		SentBytes: d.BytesSent, Requests: d.Requests, Failed: d.Failed, Retried: d.Retried, InFlight: d.InFlight,
		Concurrency: d.Concurrency, Gate: d.Gate.String(), LastError: d.LastError, LastErrorAt: moment(d.LastErrorAt),
		DeliveredAt: moment(d.DeliveredAt), FailingSince: moment(d.FailingSince),
		Queue: QueueStatus{
			Bytes: d.Queue.Bytes + d.DeferredQueue.Bytes, Limit: d.Queue.Limit, Records: o.Account.Buffered, Waiting: d.Queue.Waiting,
			Durable: d.Queue.Durable,
		},
	}
	if o.Account.Buffered > 0 {
		s.Queue.Oldest = moment(d.Queue.Oldest)
	}
	s.State, s.Words = stateOf(o, now)
	return s
}

// moment returns a time for JSON, nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// stateOf says what an output is doing, in a word and in a sentence.
func stateOf(o *router.OutputStatus, now time.Time) (state, words string) {
	d := &o.Delivery
	since := ""
	if !d.FailingSince.IsZero() {
		since = " for " + now.Sub(d.FailingSince).Round(time.Second).String()
	}
	wait := countOf(o.Account.Buffered, "record waits", "records wait")
	switch {
	case d.Gate == deliver.GateThrottled:
		state, words = "throttled", "The destination has been overloaded"+since+": one request is tried at a time. "+wait+"."
	case d.Gate == deliver.GateUnauthorised:
		state, words = "unauthorised", "The destination has refused the credentials"+since+". "+wait+"."
	case d.Gate == deliver.GateFailing:
		state, words = "failing", "Requests have failed"+since+". "+wait+"."
	case o.Account.Deferred > 0:
		state = "waiting"
		words = fmt.Sprintf("Delivering, but the destination refuses %s again and again; these are tried less often.", countOf(o.Account.Deferred, "record", "records"))
	case o.Account.Buffered == 0:
		return "idle", "Nothing waits."
	default:
		state, words = "delivering", "Delivering. "+wait+"."
	}
	if d.Queue.Waiting > 0 {
		words += " The queue is full, so inputs wait."
	}
	return state, words
}

// countOf is n with the noun that fits it; no records: "nothing …".
func countOf(n int64, one, many string) string {
	return Count(n) + " " + map[bool]string{true: one, false: many}[n == 1]
}

// Count writes a number with commas: 1,234,567.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// cpuSeconds returns the CPU time that the process has used.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return seconds(u.Utime) + seconds(u.Stime)
}

// byBytes orders usage, the most bytes first.
func byBytes(a, b Share) int {
	return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Name, b.Name))
}

// Why says in a line why the record was refused: "400 mapper_parsing_exception: the reason (for web-2026-11-27)".
func (r *RefusedRecord) Why() string {
	var head []string
	if r.Status != 0 {
		head = append(head, strconv.Itoa(r.Status))
	}
	if r.Type != "" {
		head = append(head, r.Type)
	}
	text := strings.Join(head, " ")
	if r.Reason != "" {
		text = strings.TrimPrefix(text+": "+r.Reason, ": ")
	}
	if r.Target != "" {
		text += " (for " + r.Target + ")"
	}
	return text
}
