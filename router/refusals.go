package router

import (
	"bytes"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/dead"
)

// A Refusal is a record that was put into a dead letter, and why.
type Refusal struct {
	Time   time.Time
	Output string
	Target string // such as an index; "": not known
	Status int    // the destination's code; 0: none
	Type   string // the destination's error type
	Reason string
	Tag    string
	Record []byte // JSON, see record.AppendJSONCut
}

// Limits of what is kept of refused records.
const (
	maxRefusals      = 20
	maxRefusalReason = 512 // bytes
	// maxRefusalValue is for each value of a record, in bytes.
	maxRefusalValue = 512
)

// refusals are the newest refused records of a process.
type refusals struct {
	mu   sync.Mutex
	n    int // that were ever added
	last [maxRefusals]Refusal
}

func (r *refusals) add(d *dead.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slot := &r.last[r.n%maxRefusals]
	r.n++
	*slot = Refusal{
		Time: d.Time, Output: d.Output, Target: strings.Clone(d.Target), Status: d.Status, Type: strings.Clone(d.Type),
		Reason: strings.Clone(dead.Cut(d.Reason, maxRefusalReason)), Tag: strings.Clone(d.Record.Tag),
		Record: record.AppendJSONCut(slot.Record[:0], &d.Record.Event, maxRefusalValue),
	}
}

// Refusals returns the newest records that were put into a dead letter since the process began, the newest first.
func (r *Router) Refusals() (list []Refusal) {
	kept := &r.refusals
	kept.mu.Lock()
	defer kept.mu.Unlock()
	for n := kept.n - 1; n >= 0 && n >= kept.n-maxRefusals; n-- {
		one := kept.last[n%maxRefusals]
		one.Record = bytes.Clone(one.Record)
		list = append(list, one)
	}
	return list
}

// A shownLetter is a dead letter whose records viewers see, and whose newest are kept.
type shownLetter struct {
	dead.Letter
	p *process
}

// Put implements dead.Letter.
func (l *shownLetter) Put(d *dead.Record) (where string) {
	where = l.Letter.Put(d)
	l.p.refusals.add(d)
	l.p.taps.offerRefused(d)
	return where
}
