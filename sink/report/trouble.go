package report

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
)

// A trouble is one that lasts.
type trouble struct {
	sink.Trouble
	since    time.Time
	seen     time.Time // when an attempt failed because of it last
	line     time.Time // when a line of its kind was written last
	logged   bool      // one was written on this trouble
	err      string
	status   int
	failures int           // requests that failed since the last line
	refused  int           // records of a target that the last of them refused
	retryIn  time.Duration // until the next request; 0: not known
}

func (t *trouble) failed(of sink.Trouble, reply *sink.Reply, now time.Time) {
	t.Trouble, t.seen, t.status = of, now, reply.Status
	if reply.Err != nil {
		t.err = dead.Cut(reply.Err.Error(), maxText)
	}
	t.failures++
}

// Failed is called when an attempt has failed as a whole: records wait. retryIn is when the next one is made.
func (r *Reporter) Failed(reply *sink.Reply, retryIn time.Duration) {
	of := describe(reply)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.whole == nil {
		r.whole = &trouble{since: now}
	}
	t := r.whole
	first := t.Kind != of.Kind
	if t.failed(of, reply, now); first {
		t.line = r.logged[of.Kind]
	}
	t.retryIn = retryIn
	if first && now.Sub(t.line) >= lineEvery { // else troubles that come and go, or take turns, would fill the log
		r.logTrouble(t, now)
	}
	r.arm()
}

// Passed is called when an attempt has passed: the destination takes records.
func (r *Reporter) Passed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.whole; t != nil {
		r.whole = nil
		r.logEnd(t, time.Now())
	}
}

// RefusedSome is called when a destination took a request, but refused n of its records for now. target is that of the first of
// them, "" if it isn't known.
func (r *Reporter) RefusedSome(reply *sink.Reply, n int, target string) {
	of := describe(reply)
	if reply.Trouble == nil {
		of.Target = dead.Cut(target, maxTarget)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	key := string(of.Kind) + " " + of.Target
	t := r.targets[key]
	if t == nil && len(r.targets) >= maxTargets {
		key, of.Target = "", "other targets"
		t = r.targets[key]
	}
	if t == nil {
		if r.targets == nil {
			r.targets = make(map[string]*trouble)
		}
		t = &trouble{since: now}
		r.targets[key] = t
	}
	t.refused = n
	if t.failed(of, reply, now); !t.logged {
		r.logTrouble(t, now)
	}
	r.arm()
}

// targetLines ends the troubles of targets because of which no record has been refused lately, and logs the others.
func (r *Reporter) targetLines(now time.Time) {
	if len(r.targets) == 0 {
		return
	}
	waiting := r.backlog().Refused
	for _, key := range slices.Sorted(maps.Keys(r.targets)) {
		t := r.targets[key]
		quiet := now.Sub(t.seen)
		switch {
		case quiet >= forgetAfter || quiet >= lineEvery && waiting == 0:
			delete(r.targets, key)
			r.logEnd(t, t.seen)
		case waiting > 0 && due(t.line, now):
			r.logTrouble(t, now)
		}
	}
}

// logTrouble writes a trouble's line: what happened, how many records wait, and what a person can do.
func (r *Reporter) logTrouble(t *trouble, now time.Time) {
	b, lasted := r.backlog(), now.Sub(t.since)
	n := b.Records
	if t != r.whole {
		n = max(b.Refused, int64(t.refused)) // which are counted when the attempt has been judged
	} else {
		if r.logged == nil {
			r.logged = make(map[sink.Kind]time.Time)
		}
		r.logged[t.Kind] = now
	}
	level := zerolog.WarnLevel
	if t.Kind.NeedsPerson() || lasted >= warnFor {
		level = zerolog.ErrorLevel
	}
	e := r.log.WithLevel(level).Str("trouble", string(t.Kind)).Str("error", t.err)
	if t.status != 0 {
		e.Int("status", t.status)
	}
	e.Int("failed_requests", t.failures).Float64("lasted_s", seconds(lasted)).Int64("records_waiting", n).
		Int64("queue_bytes", b.Bytes).Int64("limit_bytes", b.Limit)
	if !b.Oldest.IsZero() {
		e.Float64("oldest_s", seconds(now.Sub(b.Oldest)))
	}
	if t.retryIn > 0 {
		e.Float64("retry_in_s", seconds(t.retryIn))
	}
	e.Msg(r.sentence(t, n, &b, now))
	t.line, t.logged, t.failures = now, true, 0
}

// sentence is a trouble's message.
func (r *Reporter) sentence(t *trouble, n int64, b *Backlog, now time.Time) string {
	var s strings.Builder
	s.WriteString(r.service() + " " + t.Text() + ": " + waits(n))
	if t == r.whole {
		s.WriteString(", " + size(b.Bytes) + " of " + size(b.Limit))
		if !b.Oldest.IsZero() {
			s.WriteString(", oldest " + duration(now.Sub(b.Oldest)))
		}
	}
	if t.Want != "" {
		s.WriteString("; " + t.Want)
	}
	return s.String()
}

// logEnd writes that a trouble is over, if its line was written.
func (r *Reporter) logEnd(t *trouble, at time.Time) {
	if !t.logged {
		return
	}
	b, lasted := r.backlog(), at.Sub(t.since)
	text := "delivering again after " + duration(lasted)
	if t.Target != "" {
		text += ", " + t.Target
	}
	if b.Records > 0 {
		text += "; sending " + number(b.Records) + " waiting " + records(b.Records)
	}
	r.log.Info().Str("trouble", string(t.Kind)).Float64("lasted_s", seconds(lasted)).Int64("records_waiting", b.Records).Msg(text)
}
