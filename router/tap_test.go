package router

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestATapShowsWhatIsQueued(t *testing.T) {
	r := opened(t, nullOutputs("*"), nil)
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "before")
	flush(t, i)
	lines, end := r.Tap("null.0", 1<<20)
	i.addLogs("app", "seen")
	flush(t, i)
	var line struct {
		Tag    string
		Time   time.Time
		Record map[string]string
	}
	if err := json.Unmarshal(<-lines, &line); err != nil || line.Tag != "app" || line.Record["log"] != "seen" {
		t.Errorf("got %+v and error %v, want the record that was queued after the tap was opened", line, err)
	}
	end()
	end()
	i.addLogs("app", "after")
	flush(t, i)
	if more, open := <-lines; open {
		t.Errorf("got %s after the end, want a closed channel", more)
	}
	if none, _ := r.Tap("no such output", 1); none != nil {
		if _, open := <-none; open {
			t.Error("got a line of an output that doesn't exist, want a closed channel")
		}
	}
}

func TestATapNeverHoldsUpTheRecordsAndKeepsToItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, nullOutputs("*"), nil)
		i := r.newIntake(r.inputs[0])
		lines, end := r.Tap("null.0", 1000)
		defer end()
		for n := range 2 * tapLines { // which nobody reads
			i.addLogs("app", fmt.Sprint("line ", n))
			flush(t, i)
		}
		bytes := 0
		for len(lines) > 0 {
			bytes += len(<-lines)
		}
		if bytes == 0 || bytes > 1000 {
			t.Errorf("got %d bytes in a second, want 1 to 1000", bytes)
		}
		time.Sleep(time.Second)
		i.addLogs("app", "the next second's")
		flush(t, i)
		if line := <-lines; !strings.Contains(string(line), "the next second's") {
			t.Errorf("got %s, want a line of the next second", line)
		}
	})
}

// Here a fault empties a batch that holds two records which have been counted.
func TestARecordThatAFaultDropsIsUnaccounted(t *testing.T) {
	r := opened(t, nullOutputs("*"), nil)
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "counted", "dropped by a fault")
	i.pending[0].batch.Reset()
	i.addLogs("app", "counted, too")
	flush(t, i)
	if a := r.Status().Outputs[0].Account; a.Received != 3 || a.Buffered != 1 || a.Unaccounted != 2 {
		t.Errorf("got %+v, want 2 unaccounted", a)
	}
}

func TestTapsThatNobodyReadsHoldALimitedNumberOfBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, nullOutputs("*"), nil)
		i := r.newIntake(r.inputs[0])
		lines, end := r.Tap("null.0", math.MaxInt)
		defer end()
		large := strings.Repeat("x", 100<<10)
		for range tapLines {
			i.addLogs("app", large)
			flush(t, i)
			queued(t, r.outputs[0])
		}
		held := 0
		for len(lines) > 0 {
			held += len(<-lines)
		}
		if held == 0 || held > maxTapBytes {
			t.Errorf("got %d bytes waiting for a viewer, want 1 to %d", held, maxTapBytes)
		}
		time.Sleep(time.Second)
		i.addLogs("app", "read again")
		flush(t, i)
		if line := <-lines; !strings.Contains(string(line), "read again") {
			t.Errorf("got %s, want the line after those that were read", line)
		}
	})
}

func TestTheNumberOfTapsIsLimited(t *testing.T) {
	r := opened(t, nullOutputs("*", "*"), nil)
	var ends []func()
	for n := range maxTaps {
		lines, end := r.Tap(fmt.Sprint("null.", n%2), 1000)
		select {
		case <-lines:
			t.Fatalf("got a closed channel for viewer %d, want one that is open", n)
		default:
		}
		ends = append(ends, end)
	}
	lines, end := r.Tap("null.0", 1000)
	if _, open := <-lines; open {
		t.Error("got a tap beyond the limit, want a closed channel")
	}
	end()
	ends[0]()
	ends[0]()
	again, end := r.Tap("null.0", 1000)
	defer end()
	select {
	case <-again:
		t.Error("got a closed channel after a viewer has gone, want one that is open")
	default:
	}
	if more, _ := r.Tap("null.1", 1000); more != nil {
		if _, open := <-more; open {
			t.Error("got a tap beyond the limit, want a closed channel")
		}
	}
	for _, end := range ends {
		end()
	}
}

// Making a line costs more than all else that is done to a record.
func TestALineThatATapHasNoRoomForIsNotMadeAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, nullOutputs("*"), nil)
		i := r.newIntake(r.inputs[0])
		_, end := r.Tap("null.0", 100)
		defer end()
		var logs []string
		for range 1000 {
			logs = append(logs, strings.Repeat("x", 200))
		}
		i.addLogs("app", logs...)
		p := i.pending[0]
		if n := testing.AllocsPerRun(1, func() { r.outputs[0].taps.offer(&p.batch.Batch) }); n > 10 {
			t.Errorf("got %v allocations for 1,000 lines that are too long for the rate, want those of a few lines", n)
		}
	})
}
