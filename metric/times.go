package metric

import "time"

// timeBounds are the upper bounds of the buckets of Times, in seconds. Those of Fluent Bit's fluentbit_output_latency_seconds
// (0.5 to 30) are among them.
var timeBounds = [...]float64{.005, .01, .025, .05, .1, .25, .5, 1, 1.5, 2.5, 5, 10, 20, 30, 60, 300, 1800, 3600}

// Times is a histogram of durations with fixed buckets, from 5 ms to 1 h. The zero value is empty. It is not safe for concurrent use.
type Times struct {
	counts [len(timeBounds)]int64 // by bucket, not cumulative
	beyond int64                  // longer than the last bound
	sum    float64                // seconds
}

// Add counts n durations d.
func (t *Times) Add(d time.Duration, n int) {
	seconds := max(d, 0).Seconds()
	t.sum += seconds * float64(n)
	for i, bound := range timeBounds {
		if seconds <= bound {
			t.counts[i] += int64(n)
			return
		}
	}
	t.beyond += int64(n)
}

// Fill makes s a Histogram with these durations, in seconds. It keeps the name, the help and the labels of s.
func (t *Times) Fill(s *Sample) {
	s.Kind, s.Sum, s.Points = Histogram, t.sum, s.Points[:0]
	total := int64(0)
	for i, bound := range timeBounds {
		total += t.counts[i]
		s.Points = append(s.Points, Point{bound, float64(total)})
	}
	s.Count = float64(total + t.beyond)
}
