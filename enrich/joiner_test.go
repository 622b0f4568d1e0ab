package enrich

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/record"
)

// dockerPart is a part as Docker's driver sends it.
func dockerPart(container, source, id string, ordinal int, last bool, log string) []byte {
	b := record.AppendMapHeader(nil, 8)
	for _, kv := range [][2]string{
		{"container_id", container}, {"partial_message", "true"}, {"partial_id", id}, {"log", log},
		{"partial_ordinal", fmt.Sprint(ordinal)}, {"container_name", "/" + container},
		{"partial_last", fmt.Sprint(last)}, {"source", source},
	} {
		b = record.AppendStr(record.AppendStr(b, kv[0]), kv[1])
	}
	return b
}

// oldPart is a record of a Docker that knows no partial_id; whole is one that was not split.
func oldPart(container, log string, whole bool) []byte {
	n := 5
	if whole {
		n = 4
	}
	b := record.AppendMapHeader(nil, n)
	for _, kv := range [][2]string{
		{"container_id", container}, {"container_name", "/" + container}, {"source", "stdout"}, {"log", log}, {"partial_message", "true"},
	}[:n] {
		b = record.AppendStr(record.AppendStr(b, kv[0]), kv[1])
	}
	return b
}

// collector keeps what a joiner emits.
type collector struct {
	t     testing.TB
	mu    sync.Mutex
	logs  []string
	parts int
	last  record.Event
}

func (c *collector) emit(ev *record.Event, parts int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := record.Find(ev.Body, "log")
	text, _ := record.Text(value)
	if n, err := record.Check(ev.Body); !ok || err != nil || n != len(ev.Body) {
		c.t.Errorf("got the record %x and error %v, want a valid one", ev.Body, err)
	}
	if _, ok := record.Find(ev.Body, "partial_message"); ok {
		c.t.Error("got partial_message in the joined record, want it removed")
	}
	c.logs = append(c.logs, string(text))
	c.parts += parts
	c.last = *ev
	c.last.Body = append([]byte(nil), ev.Body...)
}

func (c *collector) add(j *Joiner, body []byte) (whole bool) {
	buffer := bytes.Clone(body)
	defer clear(buffer) // a connection's read buffer is used again
	ev := &record.Event{Tag: "app", Time: record.Time{Sec: 7, Nsec: 8}, Body: buffer}
	if !j.Wants(ev) {
		return true
	}
	out := NewOut(func(ev *record.Event, parts int) {
		if whole = parts == 0; !whole {
			c.emit(ev, parts)
		}
	}, nil)
	out.Scratch = &Scratch{}
	j.Apply(ev, out)
	return whole
}

func (c *collector) out() *Out {
	out := NewOut(c.emit, nil)
	out.Scratch = &Scratch{}
	return out
}

// held is what a joiner holds: parts, and the bytes that they count for.
func held(j *Joiner) (parts, bytes int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.parts, j.bytes
}

func (c *collector) want(logs ...string) {
	c.t.Helper()
	if fmt.Sprint(c.logs) != fmt.Sprint(logs) || len(c.logs) != len(logs) {
		c.t.Errorf("got %d events %.200q, want %d %.200q", len(c.logs), c.logs, len(logs), logs)
	}
}

func TestASplitLineIsOneRecordAgain(t *testing.T) {
	j, c := NewJoiner(JoinerConfig{}), &collector{t: t}
	for i, log := range []string{"one ", "two ", "three"} {
		if c.add(j, dockerPart("c1", "stdout", "id1", i+1, i == 2, log)) {
			t.Fatal("got a part emitted, want it held")
		}
	}
	c.want("one two three")
	want := `{"container_id":"c1","log":"one two three","container_name":"/c1","source":"stdout"}`
	if got := rawJSON(c.last.Body); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if c.last.Tag != "app" || c.last.Time != (record.Time{Sec: 7, Nsec: 8}) || c.parts != 3 {
		t.Errorf("got %v of %d parts, want the tag and the time of the first of 3", c.last, c.parts)
	}
	if parts, bytes := held(j); parts != 0 || bytes != 0 {
		t.Errorf("got %d parts and %d bytes held, want none", parts, bytes)
	}
}

func TestWhatIsNoPartPasses(t *testing.T) {
	j, c := NewJoiner(JoinerConfig{}), &collector{t: t}
	for _, js := range []string{
		`{}`, `{"log":"x"}`, `{"container_id":"a","container_name":"b","source":"stdout","log":"x"}`,
		`{"a":1,"b":2,"c":3,"partial_message":"false","log":"x","container_id":"a"}`,
		`{"a":1,"b":2,"c":3,"partial_message":"true","log":"x"}`,
		`{"a":1,"b":2,"c":3,"partial_message":"true","container_id":"x"}`,
		`{"a":1,"b":2,"c":3,"partial_message":"true","log":17,"container_id":"x"}`,
	} {
		if !c.add(j, body(t, js)) {
			t.Errorf("got %s held, want it emitted", js)
		}
	}
	c.want()
}

func TestPartsOfSeveralStreamsMayInterleaveAndComeOutOfOrder(t *testing.T) {
	j, c := NewJoiner(JoinerConfig{}), &collector{t: t}
	c.add(j, dockerPart("c1", "stdout", "a", 2, false, "2"))
	c.add(j, dockerPart("c1", "stderr", "b", 1, false, "x"))
	c.add(j, dockerPart("c2", "stdout", "c", 1, false, "-"))
	c.add(j, dockerPart("c1", "stdout", "a", 3, true, "3"))
	c.add(j, dockerPart("c1", "stderr", "b", 2, true, ""))
	c.add(j, dockerPart("c1", "stdout", "a", 1, false, "1"))
	c.add(j, dockerPart("c2", "stdout", "c", 2, true, "."))
	c.want("x", "123", "-.")
}

func TestStdoutAndStderrAreNeverMixed(t *testing.T) {
	j, c := NewJoiner(JoinerConfig{}), &collector{t: t}
	c.add(j, dockerPart("c", "stdout", "same", 1, false, "o"))
	c.add(j, dockerPart("c", "stderr", "same", 1, false, "e"))
	c.add(j, dockerPart("c", "stdout", "same", 2, true, "O"))
	c.add(j, dockerPart("c", "stderr", "same", 2, true, "E"))
	c.want("oO", "eE")
}

func TestAPartThatIsSentAgainIsThereOnce(t *testing.T) {
	j, c := NewJoiner(JoinerConfig{}), &collector{t: t}
	c.add(j, dockerPart("c", "stdout", "a", 1, false, "1"))
	c.add(j, dockerPart("c", "stdout", "a", 1, false, "1"))
	c.add(j, dockerPart("c", "stdout", "a", 2, true, "2"))
	c.want("12")
	if c.parts != 3 {
		t.Errorf("got %d parts accounted for, want 3", c.parts)
	}
}

func TestALineWithoutItsEndIsEmittedAfterTheFlushTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, c := NewJoiner(JoinerConfig{}), &collector{t: t}
		c.add(j, dockerPart("c", "stdout", "a", 1, false, "no newline"))
		c.add(j, dockerPart("c", "stdout", "lost first", 2, true, "end"))
		time.Sleep(DefaultFlushAfter - time.Millisecond)
		j.Expire(time.Now(), c.out())
		c.want()
		c.add(j, dockerPart("c", "stdout", "a", 2, false, ", more"))
		time.Sleep(time.Millisecond)
		j.Expire(time.Now(), c.out())
		c.want("end")
		time.Sleep(DefaultFlushAfter)
		j.Expire(time.Now(), c.out())
		c.want("end", "no newline, more")
		if parts, bytes := held(j); parts != 0 || bytes != 0 {
			t.Errorf("got %d parts and %d bytes held, want none", parts, bytes)
		}
	})
}

func TestEverythingIsEmittedAtAStop(t *testing.T) {
	j, c := NewJoiner(JoinerConfig{}), &collector{t: t}
	c.add(j, dockerPart("c", "stdout", "a", 1, false, "x"))
	c.add(j, dockerPart("d", "stdout", "b", 1, false, "y"))
	j.Expire(Everything, c.out())
	c.want("x", "y")
}

func TestALongLineComesInPiecesOfTheCapAtMost(t *testing.T) {
	j, c := NewJoiner(JoinerConfig{MaxLine: 10}), &collector{t: t}
	for i, log := range []string{"aaaa", "bbbb", "cccc", "dddd", ""} {
		c.add(j, dockerPart("c", "stdout", "a", i+1, i == 4, log))
	}
	c.want("aaaabbbb", "ccccdddd")
	if parts, bytes := held(j); parts != 0 || bytes != 0 || c.parts != 5 {
		t.Errorf("got %d parts and %d bytes held and %d parts emitted, want none and 5", parts, bytes, c.parts)
	}
}

func TestTheOldestLineMakesRoom(t *testing.T) {
	const limit = 64 << 10
	j, c := NewJoiner(JoinerConfig{MaxTotal: limit}), &collector{t: t}
	text := strings.Repeat("x", 8<<10)
	for i := range 100 {
		c.add(j, dockerPart(fmt.Sprint("c", i%50), "stdout", "a", i/50+1, false, text))
		if _, bytes := held(j); bytes > limit {
			t.Fatalf("got %d bytes held, want at most %d", bytes, limit)
		}
	}
	for i := range 5_000 { // lines without any text
		c.add(j, dockerPart(fmt.Sprint("d", i), "stdout", "a", 1, false, ""))
	}
	parts, bytes := held(j)
	if bytes > limit || len(j.lines) > limit/lineOverhead {
		t.Errorf("got %d lines and %d bytes held, want at most %d and %d", len(j.lines), bytes, limit/lineOverhead, limit)
	}
	if parts+c.parts != 5_100 {
		t.Errorf("got %d parts accounted for, want 5,100", parts+c.parts)
	}
}

func TestPartsOfAnOldDockerEndWithTheNextWholeRecord(t *testing.T) {
	j, c := NewJoiner(JoinerConfig{}), &collector{t: t}
	c.add(j, oldPart("c", "one ", false))
	c.add(j, oldPart("c", "two ", false))
	if !c.add(j, oldPart("other", "whole", true)) {
		t.Error("got another container's record held, want it emitted")
	}
	if c.add(j, oldPart("c", "three", true)) {
		t.Error("got the end of the line emitted by itself, want it joined")
	}
	c.want("one two three")
	if !c.add(j, oldPart("c", "next", true)) {
		t.Error("got the next line held, want it emitted")
	}
	if n := j.unnamed.Load(); n != 0 {
		t.Errorf("got %d lines that keep whole records from passing unlocked, want none", n)
	}
}

func TestAWholeRecordPassesWithoutAllocating(t *testing.T) {
	j, ev := NewJoiner(JoinerConfig{}), &record.Event{Body: dockerRecord(t)}
	out := NewOut(func(*record.Event, int) {}, nil)
	out.Scratch = &Scratch{}
	if n := testing.AllocsPerRun(100, func() {
		if j.Wants(ev) {
			t.Fatal("got a whole record taken for a part, want it left alone")
		}
		j.Apply(ev, out) // as where lines without a partial_id are unfinished
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// FuzzJoinerRestoresEveryLine sends lines of several streams, split and interleaved, by one goroutine a stream pair,
// and expects every one of them back.
func FuzzJoinerRestoresEveryLine(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(seed, seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, shuffle bool) {
		r := rand.New(rand.NewPCG(seed, 1))
		j, c := NewJoiner(JoinerConfig{}), &collector{t: t}
		want, queues := map[string]int{}, [][][]byte{}
		parts := 0
		for stream := range 6 {
			var queue [][]byte
			for n := range 5 {
				text := fmt.Sprintf("%d/%d:", stream, n) + strings.Repeat("x", r.IntN(60))
				want[text]++
				split := splitParts(r, stream, n, text)
				if shuffle {
					r.Shuffle(len(split), func(a, b int) { split[a], split[b] = split[b], split[a] })
				}
				queue = append(queue, split...)
				parts += len(split)
			}
			queues = append(queues, queue)
		}
		for len(queues) > 0 {
			i := r.IntN(len(queues))
			c.add(j, queues[i][0])
			if queues[i] = queues[i][1:]; len(queues[i]) == 0 {
				queues = append(queues[:i], queues[i+1:]...)
			}
		}
		for _, log := range c.logs {
			want[log]--
		}
		for log, n := range want {
			if n != 0 {
				t.Errorf("got %q off by %d, want each part once", log, n)
			}
		}
		if held, bytes := held(j); held != 0 || bytes != 0 || c.parts != parts {
			t.Errorf("got %d parts and %d bytes held and %d parts emitted, want none and %d", held, bytes, c.parts, parts)
		}
	})
}

// splitParts splits a text in two parts or more.
func splitParts(r *rand.Rand, stream, n int, text string) (parts [][]byte) {
	source := [2]string{"stdout", "stderr"}[stream%2]
	id := fmt.Sprintf("%d-%d", stream, n)
	for ordinal := 1; ; ordinal++ {
		cut := min(1+r.IntN(20), len(text))
		last := ordinal > 1 && (len(text) == 0 || cut == len(text) && r.IntN(2) == 0)
		parts = append(parts, dockerPart(fmt.Sprint("c", stream/2), source, id, ordinal, last, text[:cut]))
		if text = text[cut:]; last {
			return parts
		}
	}
}

func TestPartsMayComeByTwoConnectionsAtOnce(t *testing.T) {
	j, c := NewJoiner(JoinerConfig{}), &collector{t: t}
	const lines = 200
	var wg sync.WaitGroup
	for conn := range 2 {
		wg.Go(func() {
			for n := range lines {
				c.add(j, dockerPart("c", "stdout", fmt.Sprint(n), conn+1, conn == 1, fmt.Sprint(conn)))
			}
		})
	}
	wg.Wait()
	if len(c.logs) != lines || strings.Trim(strings.Join(c.logs, ""), "01") != "" || c.logs[0] != "01" {
		t.Errorf("got %d lines, the first %q, want %d times 01", len(c.logs), c.logs[0], lines)
	}
}

func BenchmarkJoinerWhole(b *testing.B) {
	j, ev := NewJoiner(JoinerConfig{}), &record.Event{Body: dockerRecord(b)}
	b.ReportAllocs()
	for b.Loop() {
		if j.Wants(ev) {
			b.Fatal("a whole record is taken for a part")
		}
	}
}

func BenchmarkJoinerLineOf64KiB(b *testing.B) {
	j, ev := NewJoiner(JoinerConfig{}), &record.Event{}
	out := NewOut(func(*record.Event, int) {}, nil)
	out.Scratch = &Scratch{}
	text := strings.Repeat("x", 16<<10)
	var parts [][]byte
	for i := range 4 {
		parts = append(parts, dockerPart("c", "stdout", "a", i+1, i == 3, text))
	}
	b.SetBytes(64 << 10)
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range parts {
			out.Reset()
			ev.Body = p
			j.Apply(ev, out)
		}
	}
}

// Parts are inserted by their number. 100,000 empty ones in descending order took minutes, in which no connection's lines
// were joined.
func TestPartsInTheWrongOrderCostNoMoreThanALimit(t *testing.T) {
	j := NewJoiner(JoinerConfig{})
	c := &collector{t: t}
	const parts = 3*maxParts + 1
	for n := range parts {
		c.add(j, dockerPart("c", "stdout", "id", parts-n, false, ""))
		if held := j.Held(); held > maxParts {
			t.Fatalf("got %d parts of one line held, want at most %d", held, maxParts)
		}
	}
	if c.parts != parts-1 || j.Held() != 1 {
		t.Errorf("got %d parts emitted and %d held, want all but the last emitted", c.parts, j.Held())
	}
}

// TestALongLineIsJoinedHoweverLittleOfTheBudgetIsLeft: in pieces it would be several documents.
func TestALongLineIsJoinedHoweverLittleOfTheBudgetIsLeft(t *testing.T) {
	b := budget.New(0)
	j, c := NewJoiner(JoinerConfig{Share: b.Share(0)}), &collector{t: t}
	const parts = 200 // 3.1 MiB
	for n := range parts {
		c.add(j, dockerPart("c", "stdout", "id", n+1, n == parts-1, strings.Repeat("x", 16<<10)))
		if n < parts-1 && j.Held() != n+1 {
			t.Fatalf("got %d parts held, want all %d", j.Held(), n+1)
		}
	}
	if j.Held() != 0 {
		t.Errorf("got %d parts held after the last one, want none", j.Held())
	}
}

// TestHeldLinesAreChargedToTheBudget: where it is used up, a joiner holds little.
func TestHeldLinesAreChargedToTheBudget(t *testing.T) {
	b := budget.New(9 << 20)
	other := b.Share(0)
	j, c := NewJoiner(JoinerConfig{Share: b.Share(0)}), &collector{t: t}
	add := func(lines int) {
		for n := range lines {
			c.add(j, dockerPart(fmt.Sprintf("%d-%d", j.Held(), n), "stdout", "a", 1, false, strings.Repeat("x", 16<<10)))
		}
	}
	add(350)
	if free := b.Free(); j.Held() != 350 || free > 9<<20-350*(16<<10) {
		t.Errorf("got %d parts held and %d bytes free, want all held and charged", j.Held(), free)
	}
	other.Add(9 << 20)
	add(1)
	if n := j.Held(); n < 50 || n > minHeld>>14 {
		t.Errorf("got %d parts of 16 KiB held of a budget that is used up, want about 5 MiB", n)
	}
}

// TestTheJoinersOfAllInputsHoldLittleTogether: each input has one, and the memory beyond the budget is one for all.
func TestTheJoinersOfAllInputsHoldLittleTogether(t *testing.T) {
	b, reserve := budget.New(0), new(JoinerReserve)
	var all []*Joiner
	for range 10 {
		all = append(all, NewJoiner(JoinerConfig{Share: b.Share(0), Reserve: reserve}))
	}
	const parts = 200 // 3.1 MiB
	line := func(j *Joiner, c *collector, id string) {
		for n := range parts {
			c.add(j, dockerPart("c", "stdout", id, n+1, n == parts-1, strings.Repeat("x", 16<<10)))
			held := 0
			for _, j := range all {
				held += j.Held()
			}
			if held > minHeld>>14 {
				t.Fatalf("got %d parts of 16 KiB held by all joiners of a budget that is used up, want 5 MiB at most", held)
			}
		}
	}
	for i, j := range all { // each has the beginning of a line
		c := &collector{t: t}
		for n := range parts - 1 {
			c.add(j, dockerPart("c", "stdout", fmt.Sprint(i), n+1, false, strings.Repeat("x", 16<<10)))
		}
	}
	for _, j := range all {
		line(j, &collector{t: t}, "another")
	}
	for _, j := range all {
		j.Expire(Everything, (&collector{t: t}).out())
	}
	if n := reserve.held.Load(); n != 0 || b.Free() != 0 {
		t.Errorf("got %d bytes counted as held and %d free, want nothing held", n, b.Free())
	}
	for _, j := range all { // one after the other each has room for a whole line
		for n := range parts {
			(&collector{t: t}).add(j, dockerPart("c", "stdout", "last", n+1, n == parts-1, strings.Repeat("x", 16<<10)))
			if n < parts-1 && j.Held() != n+1 {
				t.Fatalf("got %d parts held, want all %d", j.Held(), n+1)
			}
		}
	}
}
