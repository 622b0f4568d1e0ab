package main

import (
	"slices"
	"time"
)

// An outcome is what arrived, compared with what was sent.
type outcome struct {
	documents, lost, duplicates, conflicts, requests, items, faulty int
	needless                                                        int // items sent again although they had been answered for good
	p50, p99                                                        time.Duration
}

// result returns the outcome for records 0 to sent-1, of which dead must be dead letters.
func (d *destination) result(sent int, dead int) outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := outcome{documents: d.documents, conflicts: d.conflicts, requests: d.requests, items: d.items, faulty: d.faulty, lost: -dead}
	for _, copies := range d.copies[:sent] {
		if copies == 0 {
			o.lost++
		} else {
			o.duplicates += int(copies) - 1
		}
	}
	o.needless = d.items + d.tooLarge - d.toResend - (sent - o.lost)
	if n := len(d.latencies); n > 0 {
		slices.Sort(d.latencies)
		o.p50 = time.Duration(d.latencies[n/2]) * time.Millisecond
		o.p99 = time.Duration(d.latencies[n*99/100]) * time.Millisecond
	}
	return o
}

// tally returns how many different records have arrived, how many of them more often than once, and how many belong to
// another destination.
func (d *destination) tally() (distinct, duplicates, foreign int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, copies := range d.copies {
		distinct += min(int(copies), 1)
		duplicates += max(int(copies)-1, 0)
	}
	return distinct, duplicates, d.foreign
}

// distinct returns how many different records have arrived.
func (d *destination) distinct() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.latencies)
}

// counted returns how many records have arrived, copies included.
func (d *destination) counted() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.documents
}

// last returns when the last request was indexed.
func (d *destination) last() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lastDoc
}
