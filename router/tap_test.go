package router

import (
	"encoding/json"
	"fmt"
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
