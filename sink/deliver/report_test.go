package deliver

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/sink"
)

// A line is one of the log.
type line struct {
	Level, Message, Trouble string
	DeadLetter              string `json:"dead_letter"`
	Records                 int64
	Waiting                 int64 `json:"records_waiting"`
}

func (r *rig) logged() (all []line) {
	r.Helper()
	for text := range strings.Lines(r.logs.String()) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			r.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// The lines about dead letters add up to the account, whatever the reasons and however many there are.
func TestTheLinesAboutDeadLettersAddUpToTheAccount(t *testing.T) {
	d := newStrict(func(_ context.Context, n int, items []string) sink.Reply {
		r := sink.Reply{Cause: sink.Answered, Status: 200}
		for i := range items {
			if n%2 == 0 || i%3 == 0 {
				r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Never, Status: 400, Type: fmt.Sprint("reason-", string(rune('a'+i%4))), Reason: "no"})
			}
		}
		return r
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, func(c *Config) { c.Limits.MaxItems = 10 })
		r.start(t.Context())
		for i := range 300 {
			r.put(upTo(10*i, 10*i+10)...)
			time.Sleep(time.Second)
		}
		s := r.finish()
		var total, errs int64
		lines := r.logged()
		for _, l := range lines {
			if l.DeadLetter == "" {
				t.Errorf("got the line %q, want lines about dead letters only", l.Message)
			}
			if total += l.Records; l.Level == "error" {
				errs++
			}
		}
		if total != s.Dead || s.Dead == 0 {
			t.Errorf("the lines add up to %d records, want the account's %d", total, s.Dead)
		}
		if n := len(lines); n < 4*5 || n > 4*7 {
			t.Errorf("got %d lines in five minutes, want about one a minute for each of the 4 reasons", n)
		}
		if errs == 0 {
			t.Error("got no error, want one for requests that are refused as a whole")
		}
	})
}

// A destination that refuses each record of a request for good has answered: nothing waits for it, and it isn't down.
func TestARequestWhoseRecordsAreAllRefusedForGoodIsNoFailure(t *testing.T) {
	d := newStrict(func(_ context.Context, n int, items []string) sink.Reply {
		if n < 50 {
			return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 400, Cause: sink.Answered, Items: []sink.ItemReply{{Verdict: sink.Never, Status: 400, Reason: "no"}}}
		}
		return sink.Reply{Cause: sink.Answered, Status: 200}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, func(c *Config) { c.Limits.MaxItems = 1 })
		r.put(upTo(0, 60)...)
		r.start(t.Context())
		time.Sleep(time.Second)
		if n := len(d.received()); n != 60 {
			t.Errorf("got %d requests in a second, want all 60", n)
		}
		if s := r.finish(); s.Dead != 50 || s.Delivered != 10 || s.Gate != GateOpen {
			t.Errorf("got %+v, want 50 dead letters, and 10 delivered", s)
		}
		for _, l := range r.logged() {
			if l.DeadLetter == "" {
				t.Errorf("got the line %q, want lines about dead letters only", l.Message)
			}
		}
	})
}

// Loki names the records that it refuses, and says nothing about the others, of which there may be none.
func TestADestinationThatRefusesAllForGoodIsNoLongerDown(t *testing.T) {
	d := newStrict(func(_ context.Context, n int, items []string) sink.Reply {
		if n < 5 {
			return sink.Reply{Verdict: sink.Again, Err: errRefused, Cause: sink.Unreached}
		}
		return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 400, Cause: sink.Answered, Unjudged: true, Items: []sink.ItemReply{{Verdict: sink.Never, Status: 400, Reason: "too old"}}}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, func(c *Config) { c.Limits.MaxItems = 1 })
		r.put(upTo(0, 60)...)
		r.start(t.Context())
		time.Sleep(time.Hour)
		if s := r.finish(); s.Dead != 60 || s.Gate != GateOpen {
			t.Errorf("got %+v, want 60 dead letters and an open gate", s)
		}
	})
}

// A trouble of one target doesn't count as an outage, and its line has the records that wait because of it.
func TestATargetThatWaitsIsLoggedWhileOthersFlow(t *testing.T) {
	open := time.Now().Add(time.Hour)
	d := newStrict(func(_ context.Context, _ int, items []string) sink.Reply {
		r := sink.Reply{Cause: sink.Answered, Status: 200}
		for i, item := range items {
			if strings.HasPrefix(number(item), "late") && time.Now().Before(open) {
				r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Again, Status: 400, Type: "index_closed_exception", Busy: true})
				r.Err, r.Trouble = errRefused, &sink.Trouble{Kind: sink.Closed, What: "has closed %s", Target: "index late", Want: "open the index"}
			}
		}
		return r
	})
	synctest.Test(t, func(t *testing.T) {
		open = time.Now().Add(150 * time.Second)
		r := newRig(t, d, nil)
		r.start(t.Context())
		for i := range 600 { // a minute's worth of late records in between
			r.put(fmt.Sprint(i))
			if i < 60 {
				r.put(fmt.Sprint("late", i))
			}
			time.Sleep(time.Second)
		}
		r.finish()
		lines := r.logged()
		var said []string
		for _, l := range lines {
			if l.Trouble != "" {
				said = append(said, l.Level+" "+l.Message)
			}
		}
		if len(said) < 3 || said[0] != "error the destination has closed index late: 1 record waits; open the index" ||
			said[1] != "error the destination has closed index late: 60 records wait; open the index" && said[1] != "error the destination has closed index late: 61 records wait; open the index" {
			t.Errorf("got these lines, want one at once and one after a minute with 60 records:\n%s", strings.Join(said, "\n"))
		}
		if last := said[len(said)-1]; !strings.HasPrefix(last, "info delivering again after ") || !strings.Contains(last, "m, index late") {
			t.Errorf("got %q as the last line, want that it is over", last)
		}
	})
}
