package report

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/sink/dead"
)

// A reason is why records were refused for good.
type reason struct {
	cause     string // status and type
	text      string // the destination's, of the last record
	target    string // of the last record
	where     string
	total     int64     // records, since the start
	logged    int64     // of these, the ones that are in the log's lines
	line      time.Time // when it was logged last
	delivered int64     // by the output at that time
	whole     bool      // every record of a request was refused, since the last line
}

// DeadLetter is called for each record that was put into the dead letter, with the place. If all records of a request were
// refused, whole is how many; else it is 0.
func (r *Reporter) DeadLetter(d *dead.Record, where string, whole int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := cause(d) + " " + family(d.Reason)
	one := r.reasons[key]
	if one == nil && len(r.reasons) >= maxReasons {
		key = "other reasons"
		one = r.reasons[key]
	}
	if one == nil {
		one = &reason{cause: cause(d)}
		if key == "other reasons" {
			one.cause = key
		}
		if r.reasons == nil {
			r.reasons = make(map[string]*reason)
		}
		r.reasons[key] = one
	}
	one.total++
	one.text, one.target, one.where = dead.Cut(d.Reason, maxText), dead.Cut(d.Target, maxTarget), where
	one.whole = one.whole || whole > 0
	if one.total == 1 {
		r.logFirst(one, d, whole)
	}
	r.arm()
}

// logFirst writes the line on the first record of a reason.
func (r *Reporter) logFirst(one *reason, d *dead.Record, whole int) {
	level, text := zerolog.WarnLevel, r.service()+" refused a record for good"+in(one.cause)+": it is in the dead letter"
	if whole > 1 {
		level, text = zerolog.ErrorLevel, r.service()+" refused all "+number(int64(whole))+" records of a request for good"+in(one.cause)+": they are in the dead letter"
	}
	r.fields(r.log.WithLevel(level), one, 1).Str("tag", dead.Cut(d.Record.Tag, maxTarget)).
		Msg(text + "; the field reason says why, firelane dead list shows the records")
	one.line, one.logged, one.whole = time.Now(), 1, false
	one.delivered = r.backlog().Delivered
}

func (r *Reporter) fields(e *zerolog.Event, one *reason, n int64) *zerolog.Event {
	return e.Int64("records", n).Int64("total_records", one.total).Str("cause", one.cause).Str("reason", one.text).
		Str("target", one.target).Str("dead_letter", one.where)
}

// logTotals writes a line for each reason by which records were refused since its last one.
func (r *Reporter) logTotals(now time.Time) {
	if !r.pending() {
		return
	}
	delivered := r.backlog().Delivered
	for _, key := range slices.Sorted(maps.Keys(r.reasons)) {
		one := r.reasons[key]
		n := one.total - one.logged
		if n == 0 || !due(one.line, now) && !r.closed {
			continue
		}
		level := zerolog.WarnLevel
		if one.whole || delivered == one.delivered {
			level = zerolog.ErrorLevel
		}
		r.fields(r.log.WithLevel(level), one, n).Msg(r.service() + " refused " + number(n) + " more " + records(n) + " for good" + in(one.cause) + ": " +
			number(one.total) + " in all are in the dead letter; the field reason says why, firelane dead list shows the records")
		one.line, one.logged, one.delivered, one.whole = now, one.total, delivered, false
	}
}

// pending reports whether records were refused for good that no line counts.
func (r *Reporter) pending() bool {
	for _, one := range r.reasons {
		if one.total > one.logged {
			return true
		}
	}
	return false
}

// GoOnAfter takes over what an earlier Reporter of the same queue has counted, which is closed. It is called before any other
// method.
func (r *Reporter) GoOnAfter(before *Reporter) {
	before.mu.Lock()
	defer before.mu.Unlock()
	r.reasons = before.reasons
	before.reasons = nil
}

// cause is the status and the type with which a record was refused.
func cause(d *dead.Record) string {
	if d.Status == 0 {
		return d.Type
	}
	return strings.TrimSpace(strconv.Itoa(d.Status) + " " + d.Type)
}

func in(cause string) string {
	if cause == "" {
		return ""
	}
	return " (" + cause + ")"
}

// family is what a reason has in common with those of other records: it ends where a document is quoted, and has no digits.
func family(reason string) string {
	for _, quote := range []string{" in document with id", "'", `"`} {
		reason, _, _ = strings.Cut(reason, quote)
	}
	return strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return -1
		}
		return c
	}, dead.Cut(reason, maxTarget))
}
