package bulk

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/sink"
)

func replyDestination(t testing.TB) *Destination {
	return newDestination(t, fluentBit(nil), config.FluentBit)
}

// itemsOf is a request of n items that are only ever counted.
func itemsOf(n int) *sink.Request {
	req := &sink.Request{}
	for range n {
		req.Body = append(req.Body, `{"create":{"_index":"web","_id":"x"}}`+"\n{}\n"...)
		req.Ends = append(req.Ends, len(req.Body))
	}
	return req
}

const mixed = `{"took":30,"ingest_took":1,"errors":true,"items":[` +
	`{"create":{"_index":"web","_id":"a","_shards":{"total":2,"failed":0},"status":201}},` +
	`{"create":{"_index":"web","_id":"b","status":400,"error":{"type":"mapper_parsing_exception","reason":"failed to parse field [n] of type [long]",` +
	`"caused_by":{"type":"illegal_argument_exception","reason":"For input string: \"\u00e9\\\ud83d\ude00\""}}}},` +
	`{"create":{"_index":"web","_id":"c","status":429,"error":{"type":"rejected_execution_exception","reason":"busy"}}},` +
	`{"create":{"_index":"web","_id":"d","status":409,"error":{"type":"version_conflict_engine_exception","reason":"there"}}}]}`

func TestReplyIsSortedItemByItem(t *testing.T) {
	d := replyDestination(t)
	for name, in := range map[string]io.Reader{
		"whole": strings.NewReader(mixed), "byte by byte": iotest.OneByteReader(strings.NewReader(mixed)),
		"errors last": strings.NewReader(strings.Replace(mixed, `"errors":true,`, "", 1)[:len(mixed)-len(`"errors":true,}`)] + `,"errors":true}`),
	} {
		r := d.readBulk(in, itemsOf(4))
		want := []sink.Verdict{sink.Done, sink.Never, sink.Again, sink.Done}
		if got := verdicts(&r, 4); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got the verdicts %v, want %v", name, got, want)
		}
		if r.Err == nil || r.Cause != sink.Answered || len(r.Items) != 2 {
			t.Fatalf("%s: got reply %+v, want an error and 2 items", name, r)
		}
		bad := r.Items[0]
		if bad.Status != 400 || bad.Type != "mapper_parsing_exception" || bad.Reason != `failed to parse field [n] of type [long]: For input string: "é\😀"` {
			t.Errorf("%s: got %+v, want the server's own reason", name, bad)
		}
	}
}

func TestReplyWithoutErrorsIsDoneWhateverFollows(t *testing.T) {
	d := replyDestination(t)
	for _, in := range []string{`{"took":1,"errors":false,"items":[{"create":{"status":201}}]}`, `{"errors":false,`, `{ "took" : 1 , "errors" : false , garbage`} {
		if r := d.readBulk(strings.NewReader(in), itemsOf(1)); r.Verdict != sink.Done || r.Err != nil || len(r.Items) != 0 {
			t.Errorf("%s: got %+v, want done", in, r)
		}
	}
}

// TestCommonItemsAreReadAsOthersAre: those that come a byte at a time aren't recognised as common, and read like others.
func TestCommonItemsAreReadAsOthersAre(t *testing.T) {
	d := replyDestination(t)
	const in = `{"errors":true,"items":[{"create":{"status":201}},{"index":{"status":201}}, {"create":{"status":201,"x":1}},` +
		`{"create":{"status":429}},{"create":{"status":2010}},{"create":{"status":201}}]}`
	for n := range len(in) + 1 {
		fast := d.readBulk(strings.NewReader(in[:n]), itemsOf(6))
		slow := d.readBulk(iotest.OneByteReader(strings.NewReader(in[:n])), itemsOf(6))
		if f, s := verdicts(&fast, 6), verdicts(&slow, 6); fast.Cause != slow.Cause || !slices.Equal(f, s) {
			t.Errorf("%s: got %v by one read and %v byte by byte, want the same", in[:n], f, s)
		}
		if want := []sink.Verdict{0, 0, 0, sink.Again, sink.Again, 0}; n == len(in) && !slices.Equal(verdicts(&fast, 6), want) {
			t.Errorf("got the verdicts %v, want %v", verdicts(&fast, 6), want)
		}
	}
}

func TestTruncatedReplySendsTheRestAgain(t *testing.T) {
	d := replyDestination(t)
	whole := d.readBulk(strings.NewReader(mixed), itemsOf(4))
	full := verdicts(&whole, 4)
	for n := range len(mixed) {
		r := d.readBulk(strings.NewReader(mixed[:n]), itemsOf(4))
		if r.Err == nil || r.Cause != sink.Unreached {
			t.Fatalf("cut at %d: got %+v, want unreached", n, r)
		}
		for i, v := range verdicts(&r, 4) {
			if v != full[i] && v != sink.Again {
				t.Fatalf("cut at %d: got item %d %v, want again or %v", n, i, v, full[i])
			}
		}
	}
}

func TestReplyThatIsNoReplySendsAllAgain(t *testing.T) {
	d := replyDestination(t)
	for _, in := range []string{"", "<html>hello</html>", "null", "[]", "{}", `{"took":1}`, `{"items":{}}`, `{"errors":true,"items":[]}`,
		`{"errors":true,"items":[1,2]}`, strings.Repeat("[", 1<<16), `{"a":` + strings.Repeat(`{"a":`, 1<<16)} {
		r := d.readBulk(strings.NewReader(in), itemsOf(3))
		for _, v := range verdicts(&r, 3) {
			if v != sink.Again {
				t.Errorf("%.40s: got %+v, want all again", in, r)
			}
		}
		if r.Err == nil {
			t.Errorf("%.40s: got no error, want one", in)
		}
	}
}

func TestReplyOfTooFewOrTooManyItems(t *testing.T) {
	d := replyDestination(t)
	r := d.readBulk(strings.NewReader(mixed), itemsOf(6))
	if got := fmt.Sprint(verdicts(&r, 6)); got != fmt.Sprint([]sink.Verdict{sink.Done, sink.Never, sink.Again, sink.Done, sink.Again, sink.Again}) {
		t.Errorf("too few: got %s, want those that are missing again", got)
	}
	if r := d.readBulk(strings.NewReader(mixed), itemsOf(2)); len(r.Items) != 1 {
		t.Errorf("too many: got %+v, want 1 item", r)
	}
}

func TestGateClosesWhenEveryItemIsRefusedForLoad(t *testing.T) {
	d := replyDestination(t)
	busy := `{"create":{"status":429,"error":{"type":"x","reason":"busy"}}}`
	r := d.readBulk(strings.NewReader(`{"errors":true,"items":[`+busy+`,`+busy+`]}`), itemsOf(2))
	if r.Cause != sink.Throttled {
		t.Errorf("all busy: got %+v, want throttled", r)
	}
	r = d.readBulk(strings.NewReader(`{"errors":true,"items":[`+busy+`,{"create":{"status":201}}]}`), itemsOf(2))
	if r.Cause == sink.Throttled {
		t.Errorf("one busy: got %+v, want it not throttled", r)
	}
}

func TestBlocksAndLimitsOfTheClusterUseNoRetryUp(t *testing.T) {
	d := replyDestination(t)
	for item, busy := range map[string]bool{
		`"status":403,"error":{"type":"cluster_block_exception","reason":"index [web] blocked by: [FORBIDDEN/8/index write (api)];"}`:                                               true,
		`"status":400,"error":{"type":"validation_exception","reason":"this action would add [2] total shards, but this cluster currently has [1000]/[1000] maximum shards open;"}`: true,
		`"status":403,"error":{"type":"security_exception","reason":"no permissions"}`:                                                                                              true,
		`"status":500,"error":{"type":"null_pointer_exception","reason":"oops"}`:                                                                                                    false,
	} {
		r := d.readBulk(strings.NewReader(`{"errors":true,"items":[{"create":{`+item+`}}]}`), itemsOf(1))
		if len(r.Items) != 1 || r.Items[0].Verdict != sink.Again || r.Items[0].Busy != busy {
			t.Errorf("%s: got %+v, want it again, busy: %t", item, r, busy)
		}
	}
}

func TestOneIndexThatIsForbiddenDoesNotHoldUpTheOthers(t *testing.T) {
	d := replyDestination(t)
	denied := `{"create":{"status":403,"error":{"type":"security_exception","reason":"no permissions for [indices:data/write/bulk[s]]"}}}`
	if r := d.readBulk(strings.NewReader(`{"errors":true,"items":[`+denied+`,{"create":{"status":201}}]}`), itemsOf(2)); r.Cause == sink.Unauthorised {
		t.Errorf("one denied: got %+v, want it not unauthorised", r)
	}
	if r := d.readBulk(strings.NewReader(`{"errors":true,"items":[`+denied+`,`+denied+`]}`), itemsOf(2)); r.Cause != sink.Answered {
		t.Errorf("all denied: got %+v, want unauthorised", r)
	}
}

// TestReplyOf20MBTakesBoundedMemory reads a reply in which one item fails and all quote long reasons.
func TestReplyOf20MBTakesBoundedMemory(t *testing.T) {
	d := replyDestination(t)
	items, size := 10_000, 20<<20
	if race.Enabled { // it makes reading a byte ten times dearer, and finds nothing in the next megabyte
		items, size = items/10, size/10
	}
	req := itemsOf(items)
	reason := strings.Repeat("y", 2<<10)
	failed := `{"create":{"status":503,"error":{"type":"unavailable_shards_exception","reason":"` + reason + `"}}}`
	ok := `{"create":{"_index":"web","_id":"x","status":201,"note":"` + reason + `"}}`
	readers := []io.Reader{strings.NewReader(`{"took":1,"errors":true,"items":[` + failed)}
	for range items - 1 {
		readers = append(readers, strings.NewReader(","), strings.NewReader(ok))
	}
	readers = append(readers, strings.NewReader("]}"))
	in := &counting{r: io.MultiReader(readers...)}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := d.readBulk(in, req)
	runtime.ReadMemStats(&after)
	if in.n < size {
		t.Fatalf("got a reply of %d bytes, want %d", in.n, size)
	}
	if len(r.Items) != 1 || r.Items[0].Index != 0 || r.Items[0].Verdict != sink.Again {
		t.Fatalf("got %d items %+v, want the first again", len(r.Items), r.Items)
	}
	if len(r.Items[0].Reason) > maxReason {
		t.Errorf("got a reason of %d bytes kept, want at most %d", len(r.Items[0].Reason), maxReason)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 256<<10 {
		t.Errorf("got %d bytes allocated for a reply of %d, want at most 256 KiB", n, in.n)
	}
}

type counting struct {
	r io.Reader
	n int
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

// FuzzReply: no reply makes it panic, and what encoding/json reads is read the same.
func FuzzReply(f *testing.F) {
	f.Add(mixed)
	f.Add(`{"errors":false}`)
	f.Add(`{"errors":true,"items":[{"index":{"status":400,"error":"old"}},{"index":{"error":{"reason":"\ud800x\u12"}}}]}`)
	d, err := newBulk(fluentBit(nil), config.FluentBit, sink.Env{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in string) {
		r := d.readBulk(strings.NewReader(in), itemsOf(4))
		for i := 1; i < len(r.Items); i++ {
			if r.Items[i].Index <= r.Items[i-1].Index {
				t.Fatalf("got the items %+v, want them in order", r.Items)
			}
		}
		var oracle struct {
			Errors *bool                             `json:"errors"`
			Items  []map[string]struct{ Status int } `json:"items"`
		}
		if json.Unmarshal([]byte(in), &oracle) != nil || oracle.Errors == nil || !*oracle.Errors || strings.Count(in, `"errors"`) > 1 || strings.Count(in, `"items"`) > 1 {
			return
		}
		got := verdicts(&r, 4)
		for i, it := range oracle.Items[:min(4, len(oracle.Items))] {
			for op, v := range it {
				if len(it) == 1 && op == "create" && v.Status >= 200 && v.Status < 300 && got[i] != sink.Done && strings.Count(in, `status`) == len(oracle.Items) {
					t.Fatalf("got item %d %v, want it done, as it was accepted: %+v", i, got[i], r)
				}
			}
		}
	})
}

func BenchmarkReply(b *testing.B) {
	d := replyDestination(b)
	item := `{"create":{"status":201}}`
	for name, in := range map[string]string{
		"no errors": `{"took":1,"errors":false,"items":[` + item + strings.Repeat(","+item, 1999) + `]}`,
		"errors":    `{"took":1,"errors":true,"items":[` + item + strings.Repeat(","+item, 1999) + `]}`,
	} {
		b.Run(name, func(b *testing.B) {
			req := itemsOf(2000)
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				d.readBulk(strings.NewReader(in), req)
			}
		})
	}
}
