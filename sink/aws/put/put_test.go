package put

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
)

// request makes a request of n items for each stream.
func request(n int, streams ...string) *sink.Request {
	req := &sink.Request{}
	for i := range n {
		for _, stream := range streams {
			req.AddKey([]byte(stream))
			req.Body = fmt.Append(req.Body, stream, i)
			req.Ends = append(req.Ends, len(req.Body))
		}
	}
	return req
}

// sender makes a Sender whose calls are those of put.
func sender(t *testing.T, put func(ctx context.Context, stream string) ([]Result, error)) *Sender {
	t.Helper()
	service, err := aws.NewService(&aws.ServiceOptions{}, aws.Source{}, config.FluentBit, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return &Sender{Service: service, What: "stream", Field: "Name", MaxRecords: 500, MaxBytes: 1 << 20,
		Put: func(ctx context.Context, body *httpsend.Payload, _ bool) ([]Result, error) {
			var head struct{ Name string }
			if err := json.NewDecoder(body).Decode(&head); err != nil {
				t.Error(err)
			}
			return put(ctx, head.Name)
		}}
}

// single yields a record of each item.
func single(req *sink.Request) func(items []int) iter.Seq[Record] {
	return func(items []int) iter.Seq[Record] {
		return func(yield func(Record) bool) {
			for k, i := range items {
				if !yield(Record{Data: req.Item(i), Items: items[k : k+1]}) {
					return
				}
			}
		}
	}
}

func TestNoCallBeginsWhenThoseBeforeTookTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made []string
		s := sender(t, func(_ context.Context, stream string) ([]Result, error) {
			made = append(made, stream)
			time.Sleep(sendLimit*2/3 - time.Second)
			return nil, nil
		})
		req := request(2, "a", "b", "c")
		r := s.Send(t.Context(), req, single(req))
		if fmt.Sprint(made) != "[a b]" || r.Verdict != sink.Done || len(r.Items) != 2 || r.Items[0].Index != 2 || r.Items[1].Index != 5 || !errors.Is(r.Err, errSendLimit) {
			t.Errorf("got %+v after calls for %v, want the records of c again", r, made)
		}
	})
}

func TestVerdictsOfSeveralStreamsAreTheRecordsOwn(t *testing.T) {
	s := sender(t, func(_ context.Context, stream string) ([]Result, error) {
		switch stream {
		case "gone":
			return nil, &aws.Refusal{Status: 400, Code: "ResourceNotFoundException", Message: "not found"}
		case "part":
			return []Result{{}, {Code: "InternalFailure"}}, nil
		case "bad":
			return nil, &aws.Refusal{Status: 400, Code: "InvalidArgumentException", Message: "Records size exceeds 4 MB limit"}
		}
		return nil, nil
	})
	req := request(2, "good", "gone", "part", "bad")
	r := s.Send(t.Context(), req, single(req))
	got := ""
	for _, i := range r.Items {
		got += fmt.Sprint(i.Index, " ", i.Verdict == sink.Again, " ", i.Busy, " ", i.Status, ", ")
	}
	if want := "1 true true 400, 3 true false 400, 5 true true 400, 6 true true 503, 7 true false 400, "; got != want || r.Verdict != sink.Done || r.Split != sink.No {
		t.Errorf("got %s (%+v), want %s", got, r, want)
	}
	// Alone, the stream's own reply counts: the request is halved.
	req = request(2, "bad")
	if r := s.Send(t.Context(), req, single(req)); r.Split != sink.BySize {
		t.Errorf("got %+v, want that it is halved", r)
	}
}

// An item counts against the user's limit of retries by its status.
func TestACallThatIsThrottledOrBreaksBesideOthersIsNoRefusalOfItsRecords(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{&aws.Refusal{Status: 400, Code: "LimitExceededException"}, http.StatusTooManyRequests},
		{&aws.Refusal{Status: 500, Code: "ServiceUnavailableException"}, http.StatusTooManyRequests},
		{io.ErrUnexpectedEOF, http.StatusServiceUnavailable},
		{&aws.Refusal{Status: 500, Code: "InternalFailure"}, http.StatusInternalServerError},
	} {
		s := sender(t, func(_ context.Context, stream string) ([]Result, error) {
			if stream == "busy" {
				return nil, c.err
			}
			return nil, nil
		})
		req := request(1, "good", "busy")
		r := s.Send(t.Context(), req, single(req))
		if r.Verdict != sink.Done || len(r.Items) != 1 || r.Items[0].Index != 1 || r.Items[0].Verdict != sink.Again || r.Items[0].Status != c.want {
			t.Errorf("%v: got %+v, want record 1 again with status %d", c.err, r, c.want)
		}
	}
}

func TestAnAnswerOfAnotherLengthIsNoDelivery(t *testing.T) {
	s := sender(t, func(context.Context, string) ([]Result, error) { return []Result{{}}, nil })
	req := request(2, "a")
	if r := s.Send(t.Context(), req, single(req)); r.Verdict != sink.Again || !strings.Contains(r.Err.Error(), "results for 1 records, want 2") {
		t.Errorf("got %+v, want again", r)
	}
}

// A shape with "_" writes what record's own replacement of dots writes, and other text what "_" is replaced by in that.
func FuzzShape(f *testing.F) {
	for _, s := range []string{`{}`, `{"a.b":{"c.d":[{"e.f":1},"x.y"]},"a":null}`, `{"..":{".":{}},"a":[[],[{}]]}`, `{"a.b":1,"a_b":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, json []byte) {
		body, err := record.AppendFromJSON(nil, json)
		if err != nil || record.KindOf(body[0]) != record.KindMap {
			return
		}
		want := record.AppendJSONMembers(nil, body, &record.JSONOptions{ReplaceDots: true})
		shaped := (&shape{dots: "_"}).append(nil, body)
		if n, err := record.Check(shaped); err != nil || n != len(shaped) {
			t.Fatalf("%s: a malformed record: %d of %d bytes, %v", json, n, len(shaped), err)
		}
		if got := record.AppendJSONMembers(nil, shaped, nil); !bytes.Equal(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		longer := (&shape{dots: "<dot>"}).append(nil, body)
		if n, err := record.Check(longer); err != nil || n != len(longer) {
			t.Errorf("%s: a malformed record: %d of %d bytes, %v", json, n, len(longer), err)
		}
		none := (&shape{only: []string{"none"}}).append(nil, body)
		if n, err := record.Check(none); err != nil || n != len(none) {
			t.Errorf("%s: a malformed record: %d of %d bytes, %v", json, n, len(none), err)
		}
	})
}

func TestAShapeOfAMalformedRecordIsBounded(t *testing.T) {
	for _, body := range [][]byte{nil, {0x82, 0xc0, 0xc0, 0x07, 0x90}, {0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 'a', 0xdd, 0xff, 0xff, 0xff, 0xff}} {
		if got := (&shape{dots: "--"}).append(nil, body); len(got) > 100 {
			t.Errorf("%x: got %d bytes", body, len(got))
		}
	}
}
