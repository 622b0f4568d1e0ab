// Package dummy is Fluent Bit's input dummy and Fluentd's sample, which make events of their own, for tests of a configuration.
package dummy

import (
	"bytes"
	"fmt"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

// Limits of what is made.
const (
	maxRate   = 1_000_000 // ticks per second
	maxCopies = 1_000_000 // events of a tick
)

// Options are those of the input, in both dialects.
type Options struct {
	Tag    string `fluentbit:"tag" fluentd:"tag" help:"tag of every event; unless written, the name of the input"`
	Dummy  string `fluentbit:"dummy" default:"{\"message\":\"dummy\"}" help:"record, a JSON object; or several, one after the other, which are made together"`
	Sample string `fluentd:"sample,dummy" default:"[{\"message\":\"sample\"}]" help:"record, a JSON object, or an array of records, which are made in turn"`

	Rate      int    `fluentbit:"rate" fluentd:"rate" default:"1" help:"how often in a second"`
	Copies    int    `fluentbit:"copies" default:"1" help:"how many events each time"`
	Size      int    `fluentd:"size" default:"1" help:"how many events each time"`
	Samples   int    `fluentbit:"samples" default:"0" help:"how often in all; 0: without end"`
	Sec       int64  `fluentbit:"interval_sec" default:"0" help:"seconds between two times, instead of rate"`
	Nsec      int64  `fluentbit:"interval_nsec" default:"0" help:"nanoseconds more between two times"`
	StartSec  int64  `fluentbit:"start_time_sec" default:"-1" help:"time of an event at the start, seconds since 1970, instead of now"`
	StartNsec int64  `fluentbit:"start_time_nsec" default:"-1" help:"nanoseconds of it"`
	Fixed     bool   `fluentbit:"fixed_timestamp" default:"off" help:"all events have the time of the start"`
	AtOnce    bool   `fluentbit:"flush_on_startup" default:"false" help:"the first time is at the start"`
	Metadata  string `fluentbit:"metadata" help:"accepted; records have no metadata here"`
	Counter   string `fluentd:"auto_increment_key" help:"field that counts the events, from 0"`
	Reuse     bool   `fluentd:"reuse_record" help:"accepted"`
	Suspend   bool   `fluentd:"suspend" help:"accepted; the counter begins at 0 with each start"`

	input.CommonOptions
}

// Check reports mistakes that the types of the options don't rule out.
func (o *Options) Check(d config.Dialect) error {
	if d == config.FluentBit {
		return nil // Fluent Bit starts with anything: see Warnings and limit
	}
	if o.Tag == "" {
		return &config.OptionError{Option: "tag", Reason: "is missing; want the tag of the events"}
	}
	if o.Rate < 0 || o.Rate > maxRate {
		return &config.OptionError{Option: "rate", Reason: fmt.Sprintf("must be from 0 to %d", maxRate)}
	}
	if o.Size < 1 || o.Size > maxCopies {
		return &config.OptionError{Option: "size", Reason: fmt.Sprintf("must be from 1 to %d", maxCopies)}
	}
	if _, err := objects(o.Sample, true); err != nil {
		return &config.OptionError{Option: "sample", Reason: err.Error()}
	}
	return nil
}

// Warnings returns a line for each option that was set and is not used.
func (o *Options) Warnings() (w []string) {
	if _, err := objects(o.Dummy, false); o.Dummy != "" && err != nil {
		w = append(w, fmt.Sprintf("dummy %s: the default is used", err))
	}
	if o.Rate > maxRate || o.Copies > maxCopies {
		w = append(w, fmt.Sprintf("rate is %d here at most, and copies %d", maxRate, maxCopies))
	}
	return w
}

// objects converts JSON objects: one after the other or, if arrays are allowed, in an array.
func objects(text string, arrays bool) (list [][]byte, err error) {
	wrong := fmt.Errorf("is not a JSON object; want, for example, %s", `{"message":"dummy"}`)
	for rest := bytes.TrimSpace([]byte(text)); len(rest) > 0; {
		var out []byte
		if out, rest, err = record.NextFromJSON(nil, rest); err != nil {
			return nil, wrong
		}
		n, values := 1, out
		if record.KindOf(out[0]) == record.KindArray && arrays {
			if n, values, err = record.ArrayHeader(out); err != nil {
				return nil, wrong
			}
		}
		for range n {
			size, err := record.Check(values)
			if err != nil || record.KindOf(values[0]) != record.KindMap {
				return nil, wrong
			}
			list = append(list, values[:size])
			values = values[size:]
		}
	}
	if len(list) == 0 {
		return nil, wrong
	}
	return list, nil
}

// interval is the time between two ticks.
func (o *Options) interval(d config.Dialect) time.Duration {
	if d == config.FluentBit && o.Sec >= 0 && o.Nsec >= 0 && o.Sec+o.Nsec > 0 {
		return time.Duration(min(o.Sec, int64(maxInterval/time.Second)))*time.Second + time.Duration(min(o.Nsec, int64(maxInterval)))
	}
	if o.Rate < 1 {
		return time.Second
	}
	return time.Second / time.Duration(min(o.Rate, maxRate))
}

// maxInterval is the longest time between two ticks.
const maxInterval = 365 * 24 * time.Hour
