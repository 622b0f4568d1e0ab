package report

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
)

// A rig is a Reporter with a backlog that the test sets.
type rig struct {
	*Reporter
	mu    sync.Mutex
	now   Backlog
	log   bytes.Buffer
	start time.Time
}

func newRig() *rig {
	r := &rig{now: Backlog{Limit: 1 << 30}, start: time.Now()}
	r.Reporter = New(zerolog.New(&r.log).With().Timestamp().Logger(), func() string { return "OpenSearch" }, func() Backlog {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.now
	})
	zerolog.TimeFieldFormat = time.RFC3339Nano
	return r
}

// set changes the backlog.
func (r *rig) set(change func(*Backlog)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.now)
}

type line struct {
	second int
	level  string
	text   string
	fields map[string]any
}

// lines returns what was logged since the last call.
func (r *rig) lines(t *testing.T) (all []line) {
	t.Helper()
	synctest.Wait()
	for dec := json.NewDecoder(&r.log); ; {
		var f map[string]any
		if err := dec.Decode(&f); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		at, _ := time.Parse(time.RFC3339Nano, f["time"].(string))
		all = append(all, line{int(at.Sub(r.start).Round(time.Second) / time.Second), f["level"].(string), f["message"].(string), f})
	}
}

func (r *rig) want(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, l := range r.lines(t) {
		got = append(got, fmt.Sprintf("%d %s %s", l.second, l.level, l.text))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got these lines:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

var full = sink.Reply{Verdict: sink.Again, Cause: sink.Throttled, Status: 429, Err: errors.New("sending to https://search: 429"),
	Trouble: &sink.Trouble{Kind: sink.DiskFull, What: "is out of disk space", Want: "free disk space"}}

func TestATroubleIsLoggedAtOnceThenOnceAMinuteAndWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.set(func(b *Backlog) { b.Records, b.Bytes, b.Oldest = 1204, 400<<10, time.Now() })
		for range 15 { // an attempt every 10 s
			r.Failed(&full, 10*time.Second)
			time.Sleep(10 * time.Second)
		}
		r.set(func(b *Backlog) { b.Records = 12345 })
		r.Passed()
		r.want(t,
			"0 error OpenSearch is out of disk space: 1,204 records wait, 400 KiB of 1 GiB, oldest 1s; free disk space",
			"60 error OpenSearch is out of disk space: 1,204 records wait, 400 KiB of 1 GiB, oldest 1m; free disk space",
			"120 error OpenSearch is out of disk space: 1,204 records wait, 400 KiB of 1 GiB, oldest 2m; free disk space",
			"150 info delivering again after 2m; sending 12,345 waiting records",
		)
		time.Sleep(time.Hour)
		r.want(t)
		r.Close()
	})
}

func TestALineHasTheFiguresAsFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.set(func(b *Backlog) { b.Records, b.Bytes, b.Oldest = 7, 1000, time.Now().Add(-90*time.Second) })
		r.Failed(&full, 2500*time.Millisecond)
		f := r.lines(t)[0].fields
		for name, want := range map[string]any{
			"trouble": "disk_full", "error": "sending to https://search: 429", "status": 429.0, "failed_requests": 1.0, "lasted_s": 0.0,
			"records_waiting": 7.0, "queue_bytes": 1000.0, "limit_bytes": float64(1 << 30), "oldest_s": 90.0, "retry_in_s": 2.5,
		} {
			if f[name] != want {
				t.Errorf("%s is %v, want %v", name, f[name], want)
			}
		}
		r.Close()
	})
}

func TestATroubleThatEndsByItselfIsAWarningForFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.set(func(b *Backlog) { b.Records = 1 })
		for range 40 {
			r.Failed(&sink.Reply{Verdict: sink.Again, Err: syscall.ECONNREFUSED}, 10*time.Second)
			time.Sleep(10 * time.Second)
		}
		for _, l := range r.lines(t) {
			if want := map[bool]string{false: "warn", true: "error"}[l.second >= 300]; l.level != want {
				t.Errorf("got %s at second %d, want %s", l.level, l.second, want)
			}
		}
		r.Close()
	})
}

func TestTroublesThatComeAndGoHaveALineAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.set(func(b *Backlog) { b.Records = 1 })
		for range 180 { // each second one of two troubles, then a success
			r.Failed(&full, time.Second)
			r.Failed(&sink.Reply{Verdict: sink.Again, Err: io.EOF}, time.Second)
			r.Passed()
			time.Sleep(time.Second)
		}
		if n := len(r.lines(t)); n < 6 || n > 12 {
			t.Errorf("got %d lines in three minutes, want 2 or 3 a minute: each trouble and its end", n)
		}
		r.Close()
	})
}

func TestAnotherTroubleIsLoggedAtOnceAndEndsWithTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.set(func(b *Backlog) { b.Records = 2 })
		r.Failed(&sink.Reply{Verdict: sink.Again, Err: syscall.ECONNREFUSED}, time.Second)
		time.Sleep(5 * time.Second)
		r.Failed(&full, time.Second)
		time.Sleep(5 * time.Second)
		r.Passed()
		r.want(t,
			"0 warn OpenSearch refuses connections: 2 records wait, 0 bytes of 1 GiB; see whether it runs, and correct host and port",
			"5 error OpenSearch is out of disk space: 2 records wait, 0 bytes of 1 GiB; free disk space",
			"10 info delivering again after 10s; sending 2 waiting records",
		)
		r.Close()
	})
}

func TestATargetInTroubleHasItsOwnLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		refused := func(index string) {
			r.RefusedSome(&sink.Reply{Cause: sink.Answered, Status: 200, Err: errors.New("403"),
				Trouble: &sink.Trouble{Kind: sink.Closed, What: "has closed %s", Target: "index " + index, Want: "open the index"}}, 3, index)
		}
		r.set(func(b *Backlog) { b.Records, b.Refused = 100, 3 })
		refused("a")
		refused("b")
		refused("a")
		time.Sleep(70 * time.Second)
		refused("a")
		r.set(func(b *Backlog) { b.Refused = 0 })
		time.Sleep(2 * time.Minute)
		r.want(t,
			"0 error OpenSearch has closed index a: 3 records wait; open the index",
			"0 error OpenSearch has closed index b: 3 records wait; open the index",
			"60 error OpenSearch has closed index a: 3 records wait; open the index",
			"60 error OpenSearch has closed index b: 3 records wait; open the index",
			"120 info delivering again after 1s, index b; sending 100 waiting records",
			"180 info delivering again after 1m, index a; sending 100 waiting records",
		)
		r.Close()
	})
}

func TestTargetsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		for i := range 1000 {
			r.RefusedSome(&sink.Reply{Cause: sink.Answered, Err: errors.New("no")}, 1, fmt.Sprint("index-", i))
		}
		if n := len(r.lines(t)); n != maxTargets+1 {
			t.Errorf("got %d lines, want %d and one for all others", n, maxTargets)
		}
		r.Close()
	})
}

func letter(status int, kind, why string) *dead.Record {
	return &dead.Record{Status: status, Type: kind, Reason: why, Target: "web", Record: &sink.Record{Event: record.Event{Tag: "app"}}}
}

// The first dead letter of each reason has a line, then there are totals, and together they are all.
func TestDeadLettersAreTotalledByReason(t *testing.T) {
	const end = "; the field reason says why, firelane dead list shows the records"
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		for i := range 90 { // one each second, and something is delivered in between
			r.DeadLetter(letter(400, "mapper_parsing_exception", fmt.Sprintf("failed to parse field [n] of type [long] in document with id '%d'", i)), "/dead", 0)
			if i%30 == 0 {
				r.DeadLetter(letter(0, "encoding", fmt.Sprintf("the record is %d bytes long", 1000+i)), "/dead", 0)
			}
			r.set(func(b *Backlog) { b.Delivered++ })
			time.Sleep(time.Until(r.start.Add(time.Duration(i)*time.Second + time.Second/2))) // never at the timer's time
		}
		r.Close()
		r.want(t,
			"0 warn OpenSearch refused a record for good (400 mapper_parsing_exception): it is in the dead letter"+end,
			"0 warn OpenSearch refused a record for good (encoding): it is in the dead letter"+end,
			"60 warn OpenSearch refused 60 more records for good (400 mapper_parsing_exception): 61 in all are in the dead letter"+end,
			"60 warn OpenSearch refused 2 more records for good (encoding): 3 in all are in the dead letter"+end,
			"90 warn OpenSearch refused 29 more records for good (400 mapper_parsing_exception): 90 in all are in the dead letter"+end,
		)
	})
}

func TestARequestThatIsRefusedAsAWholeIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		for range 500 {
			r.DeadLetter(letter(400, "strict_dynamic_mapping_exception", "no"), "/dead", 500)
		}
		time.Sleep(time.Minute)
		var total float64
		for _, l := range r.lines(t) {
			if l.level != "error" {
				t.Errorf("got %s: %s, want an error", l.level, l.text)
			}
			total += l.fields["records"].(float64)
		}
		if total != 500 {
			t.Errorf("the lines add up to %v records, want 500", total)
		}
		r.Close()
	})
}

func TestReasonsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		for i := range 1000 {
			r.DeadLetter(letter(400, "type-"+string(rune('a'+i%26))+string(rune('a'+i/26)), "no"), "/dead", 0)
		}
		r.Close()
		var total float64
		lines := r.lines(t)
		for _, l := range lines {
			total += l.fields["records"].(float64)
		}
		if len(lines) != maxReasons+2 || total != 1000 {
			t.Errorf("got %d lines about %v records, want %d about 1000", len(lines), total, maxReasons+2)
		}
	})
}

// What takes over goes on counting.
func TestCountsGoOnAfterAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := newRig(), newRig()
		before.DeadLetter(letter(400, "a", "no"), "/dead", 0)
		before.Close()
		after.GoOnAfter(before.Reporter)
		after.DeadLetter(letter(400, "a", "no"), "/dead", 0)
		after.Close()
		if l := after.lines(t); len(l) != 1 || l[0].fields["total_records"] != 2.0 {
			t.Errorf("got %v, want one line with a total of 2", l)
		}
	})
}

func TestWhyADestinationIsNotReachedIsToldApart(t *testing.T) {
	seen := map[string]error{}
	for _, err := range []error{
		&net.DNSError{Err: "no such host", Name: "search", IsNotFound: true}, tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
		&tls.CertificateVerificationError{Err: errors.New("expired")}, syscall.ECONNREFUSED, syscall.EHOSTUNREACH, context.DeadlineExceeded,
		io.EOF, &fs.PathError{Op: "open", Path: "/x", Err: os.ErrPermission}, errors.New("something else"),
	} {
		got := describe(&sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("sending to x: %w", err)})
		if other := seen[got.What]; other != nil {
			t.Errorf("%v and %v have the same words: %s", err, other, got.What)
		}
		seen[got.What] = err
	}
}

func TestFiguresInWords(t *testing.T) {
	for got, want := range map[string]string{
		number(0): "0", number(999): "999", number(1204): "1,204", number(12345678): "12,345,678",
		size(0): "0 bytes", size(1023): "1023 bytes", size(400 << 10): "400 KiB", size(1 << 30): "1 GiB", size(1<<30 + 1<<29): "1.5 GiB",
		duration(0): "1s", duration(59 * time.Second): "59s", duration(14*time.Minute + 30*time.Second): "14m", duration(3*time.Hour + 12*time.Minute): "3h12m",
		duration(3 * time.Hour): "3h", duration(52 * time.Hour): "2d4h",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
