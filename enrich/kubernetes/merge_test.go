package kubernetes

import (
	"strconv"
	"testing"
	"time"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/record"
)

// Whatever log is, the record stays a valid map, and no merged field is in it twice.
func FuzzMergingKeepsRecordsWhole(f *testing.F) {
	f.Add([]byte(`{"log":"{\"a\":1,\"log\":\"x\\n\",\"b\":{}}\n","a":2}`), "")
	f.Add([]byte(`{"log":{"log":{"a":[1]}},"stream":"stdout"}`), "log")
	f.Add([]byte(`{"log":"\\n\n","m":1}`), "m")
	f.Fuzz(func(t *testing.T, js []byte, key string) {
		body, err := record.AppendFromJSON(nil, js)
		if err != nil || record.KindOf(body[0]) != record.KindMap {
			return
		}
		for _, keep := range []bool{true, false} {
			step := &filter{o: Options{MergeLog: true, MergeTrim: true, KeepLog: keep, MergeLogKey: key}}
			ev := record.Event{Body: body}
			step.mergeLog(&ev, &enrich.Scratch{}, nil)
			if n, err := record.Check(ev.Body); err != nil || n != len(ev.Body) || record.KindOf(ev.Body[0]) != record.KindMap {
				t.Fatalf("got %x of %s and error %v, want a valid map", ev.Body, js, err)
			}
		}
	})
}

// A record of as many fields as its log has is merged in less than the time that one comparison of each with each takes.
func TestMergingManyFieldsIsNotQuadratic(t *testing.T) {
	const n = 100_000
	fields := record.AppendMapHeader(nil, n)
	body := record.AppendMapHeader(nil, n+1)
	for i := range n {
		fields = record.AppendInt(record.AppendStr(fields, "a"+strconv.Itoa(i)), 1)
		body = record.AppendInt(record.AppendStr(body, "b"+strconv.Itoa(i)), 1)
	}
	body = append(record.AppendStr(body, "log"), fields...)
	step := &filter{o: Options{MergeLog: true}}
	ev := record.Event{Body: body}
	begin := time.Now()
	step.mergeLog(&ev, &enrich.Scratch{}, nil)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if got, _, err := record.MapHeader(ev.Body); err != nil || got != 2*n {
		t.Errorf("got %d fields and error %v, want %d", got, err, 2*n)
	}
}
