package firehose

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws/put/puttest"
	"github.com/firelane/firelane/sink/firehose/firehosetest"
	"github.com/firelane/firelane/sink/format"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// serve starts a server with a stream called logs, and sets the environment's credentials to those that it accepts.
func serve(t testing.TB) *firehosetest.Server {
	t.Helper()
	s := firehosetest.New("logs")
	t.Cleanup(s.Close)
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": puttest.AccessKey, "AWS_SECRET_ACCESS_KEY": puttest.SecretKey, "AWS_SESSION_TOKEN": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
	} {
		t.Setenv(k, v)
	}
	return s
}

// options are those of a section that sets nothing but what set does.
func options(s *firehosetest.Server, set func(*Options)) *Options {
	o := &Options{Stream: "logs", Newline: true}
	o.TimeKeyFormat, o.Region, o.Endpoint = "%Y-%m-%dT%H:%M:%S", puttest.Region, s.URL
	o.Verify, o.Keepalive, o.VerifyPeer = true, true, true
	if set != nil {
		set(o)
	}
	return o
}

func destination(t testing.TB, o *Options, d config.Dialect) sink.Destination {
	t.Helper()
	if err := o.Check(d); err != nil {
		t.Fatal(err)
	}
	dest, err := New(o, d, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dest.Close() })
	return dest
}

// lines makes n records, numbered from first.
func lines(first, n int) []*sink.Record {
	records := make([]*sink.Record, n)
	for i := range records {
		records[i] = sinktest.Record("app.web", uint64(first+i), "log", fmt.Sprint("line ", first+i))
	}
	return records
}

// send sends records, and returns the reply.
func send(t testing.TB, dest sink.Destination, records ...*sink.Record) sink.Reply {
	t.Helper()
	req, err := sinktest.Encode(dest, records...)
	if err != nil {
		t.Fatal(err)
	}
	return dest.Send(t.Context(), req)
}

func delivered(t testing.TB, r sink.Reply) {
	t.Helper()
	if r.Verdict != sink.Done || r.Err != nil || len(r.Items) > 0 {
		t.Fatalf("got %+v, want everything delivered", r)
	}
}

func TestContract(t *testing.T) {
	for name, set := range map[string]func(*Options){
		"plain": nil, "gzip": func(o *Options) { o.Compression = "gzip" }, "aggregated": func(o *Options) { o.Aggregate = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			hanging := firehosetest.New("logs")
			hanging.Set(puttest.Faults{Hang: make(chan struct{})})
			t.Cleanup(hanging.Close)
			sinktest.Run(t, sinktest.Case{
				New:    func(t *testing.T) sink.Destination { return destination(t, options(s, set), config.FluentBit) },
				Broken: func(t *testing.T) sink.Destination { return destination(t, options(hanging, set), config.FluentBit) },
			})
		})
	}
}

func TestRecordsAreWrittenAsThePluginsWriteThem(t *testing.T) {
	body := record.AppendMapHeader(nil, 3)
	body = record.AppendStr(record.AppendStr(body, "log"), `say "hi"`)
	body = record.AppendStr(record.AppendStr(body, "time"), "its own")
	body = record.AppendMapHeader(record.AppendStr(body, "a.b"), 1)
	body = record.AppendStr(record.AppendStr(body, "c.d"), "x.y")
	r := &sink.Record{Event: record.Event{Tag: "app", Time: record.Time{Sec: 1_700_000_000, Nsec: 123_456_789}, Body: body}}
	for _, c := range []struct {
		name    string
		dialect config.Dialect
		goOne   bool
		set     func(*Options)
		want    string
	}{
		{"as JSON", config.FluentBit, false, nil, `{"log":"say \"hi\"","time":"its own","a.b":{"c.d":"x.y"}}` + "\n"},
		{"log_key", config.FluentBit, false, func(o *Options) { o.LogKey = "log" }, "say \"hi\"\n"},
		{"time_key in place of the record's own", config.FluentBit, false, func(o *Options) { o.TimeKey = "time" },
			`{"log":"say \"hi\"","a.b":{"c.d":"x.y"},"time":"2023-11-14T22:13:20"}` + "\n"},
		{"fractions", config.FluentBit, false, func(o *Options) { o.TimeKey, o.TimeKeyFormat, o.DataKeys = "t", "%S %3N %9N %L %f %%L", []string{"t"} },
			`{"t":"20 123 123456789 123456789 123456 %L"}` + "\n"},
		{"fractions of the plugin in Go", config.FluentBit, true, func(o *Options) { o.TimeKey, o.TimeKeyFormat, o.DataKeys = "t", "%S.%L %f", []string{"t"} },
			`{"t":"20.123 123456"}` + "\n"},
		{"data_keys, which time_key is none of", config.FluentBit, true, func(o *Options) { o.DataKeys, o.TimeKey = []string{"log", "none"}, "t" },
			`{"log":"say \"hi\""}` + "\n"},
		{"dots by _", config.FluentBit, true, func(o *Options) { o.ReplaceDots, o.TimeKey = "_", "t.t" },
			`{"log":"say \"hi\"","time":"its own","a_b":{"c_d":"x.y"},"t_t":"2023-11-14T22:13:20"}` + "\n"},
		{"dots by other text", config.FluentBit, true, func(o *Options) { o.ReplaceDots = "--" },
			`{"log":"say \"hi\"","time":"its own","a--b":{"c--d":"x.y"}}` + "\n"},
		{"dots by other text in one field", config.FluentBit, true, func(o *Options) { o.ReplaceDots, o.LogKey = "--", "a.b" }, `{"c--d":"x.y"}` + "\n"},
		{"Fluentd", config.Fluentd, false, nil, `{"log":"say \"hi\"","time":"its own","a.b":{"c.d":"x.y"}}` + "\n"},
		{"Fluentd without a newline", config.Fluentd, false, func(o *Options) { o.Newline, o.Chomp = false, true },
			`{"log":"say \"hi\"","time":"its own","a.b":{"c.d":"x.y"}}`},
		{"Fluentd with a formatter's newline only", config.Fluentd, false, func(o *Options) {
			o.Newline, o.Format = false, &format.Options{Type: "single_value", MessageKey: "time"}
		}, "its own\n"},
		{"data_key", config.Fluentd, false, func(o *Options) { o.DataKey = "time" }, "its own\n"},
		{"inject", config.Fluentd, false, func(o *Options) {
			o.Inject = &format.InjectOptions{TimeKey: "time", UTC: ptr(true)}
		}, `{"log":"say \"hi\"","a.b":{"c.d":"x.y"},"time":"2023-11-14T22:13:20.123456789+0000"}` + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(serve(t), c.set)
			dest := destination(t, o, c.dialect)
			if c.goOne {
				var err error
				if dest, err = NewGo(o, c.dialect, sink.Env{}); err != nil {
					t.Fatal(err)
				}
			}
			got, err := dest.Append(nil, r)
			if err != nil || string(got) != c.want {
				t.Errorf("got  %s, error %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestARecordWithoutTheOnlyFieldToBeSentIsRefused(t *testing.T) {
	dest := destination(t, options(serve(t), func(o *Options) { o.LogKey = "message" }), config.FluentBit)
	if body, err := dest.Append([]byte("before"), lines(0, 1)[0]); err == nil || !strings.Contains(err.Error(), "message") || string(body) != "before" {
		t.Errorf("got %q and error %v, want one that names the field", body, err)
	}
}

func TestEachRecordIsCompressed(t *testing.T) {
	for name, read := range readers {
		s := serve(t)
		dest := destination(t, options(s, func(o *Options) { o.Compression = name }), config.FluentBit)
		delivered(t, send(t, dest, lines(0, 3)...))
		got := s.Records("logs")
		if len(got) != 3 {
			t.Fatalf("%s: got %d records, want 3", name, len(got))
		}
		for i, data := range got {
			if text, err := read(data); err != nil || string(text) != fmt.Sprintf("{\"log\":\"line %d\"}\n", i) {
				t.Errorf("%s: got %q and error %v, want record %d", name, text, err, i)
			}
		}
	}
}

// readers read what compression wrote, with other code than what wrote it where there is any.
var readers = map[string]func([]byte) ([]byte, error){
	"gzip": func(b []byte) ([]byte, error) {
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	},
	"zlib": func(b []byte) ([]byte, error) {
		r, err := zlib.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	},
	"snappy": func(b []byte) ([]byte, error) { return snappy.Decode(nil, b) },
	"zstd": func(b []byte) ([]byte, error) {
		r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return r.DecodeAll(b, nil)
	},
}

func TestAggregatedRecordsAreAsLargeAsFirehoseTakes(t *testing.T) {
	for _, compression := range []string{"", "gzip"} {
		s := serve(t)
		dest := destination(t, options(s, func(o *Options) { o.Aggregate, o.Compression = true, compression }), config.FluentBit)
		noise := make([]byte, 3000)
		var want []byte
		var records []*sink.Record
		for i := range 1200 {
			for k := range noise {
				noise[k] = '!' + byte((i*31+k*k*7+k/3*i)%90)
			}
			r := sinktest.Record("app", uint64(i), "log", string(noise))
			want = append(record.AppendJSON(want, r.Body), '\n')
			records = append(records, r)
		}
		delivered(t, send(t, dest, records...))
		got := s.Records("logs")
		if len(got) != len(want)/firehosetest.MaxRecord+1 {
			t.Errorf("got %d records for %d bytes, want as few as possible", len(got), len(want))
		}
		var text []byte
		for _, data := range got {
			if compression != "" {
				var err error
				if data, err = readers[compression](data); err != nil {
					t.Fatal(err)
				}
			}
			if text = append(text, data...); data[len(data)-1] != '\n' {
				t.Error("a record doesn't end with a newline")
			}
		}
		if !bytes.Equal(text, want) {
			t.Errorf("%q: got other text than was sent", compression)
		}
	}
}

func TestCompressedTextThatCannotBeCompressedFits(t *testing.T) {
	for name := range readers {
		s := serve(t)
		dest := destination(t, options(s, func(o *Options) { o.Aggregate, o.Compression, o.LogKey = true, name, "log" }), config.FluentBit)
		random := rand.New(rand.NewPCG(1, 2))
		var records []*sink.Record
		for i := range 1100 {
			noise := make([]byte, 999)
			for k := range noise {
				noise[k] = byte(random.Uint32())
			}
			records = append(records, sinktest.Record("app", uint64(i), "log", string(noise)))
		}
		delivered(t, send(t, dest, records...))
		if got := s.Records("logs"); len(got) != 2 || len(got[0]) < firehosetest.MaxRecord-compressionMargin-1000 {
			t.Errorf("%s: got %d records, want two, of which one is full", name, len(got))
		}
	}
}

func TestRecordsOfSeveralStreamsAreAggregatedEachByItself(t *testing.T) {
	s := serve(t)
	s.Create("web")
	s.Create("api")
	o := options(s, func(o *Options) { o.Stream, o.Aggregate = "${tag}", true })
	dest := destination(t, o, config.Fluentd)
	records := lines(0, 9)
	for i, r := range records {
		if r.Tag = "web"; i%3 == 0 {
			r.Tag = "api"
		}
	}
	delivered(t, send(t, dest, records...))
	web, api := s.Records("web"), s.Records("api")
	if len(web) != 1 || len(api) != 1 || bytes.Count(web[0], []byte("\n")) != 6 || string(api[0]) != `{"log":"line 0"}`+"\n"+`{"log":"line 3"}`+"\n"+`{"log":"line 6"}`+"\n" {
		t.Errorf("got %q and %q, want a record of six and one of three", web, api)
	}
}

func TestExpiredCredentialsAreRenewedAtOnce(t *testing.T) {
	s := serve(t)
	dest := destination(t, options(s, nil), config.FluentBit)
	s.Set(puttest.Faults{Call: func(n int) *puttest.Error {
		if n == 1 {
			return puttest.Refuse("ExpiredTokenException", "The security token included in the request is expired")
		}
		return nil
	}})
	delivered(t, send(t, dest, lines(0, 3)...))
	if s.Calls() != 2 {
		t.Errorf("got %d calls, want two", s.Calls())
	}
}

func TestARecordThatIsTooLargeIsRefusedAndTheLargestIsTaken(t *testing.T) {
	s := serve(t)
	dest := destination(t, options(s, nil), config.FluentBit)
	of := func(n int) *sink.Record {
		return sinktest.Record("app", 1, "log", strings.Repeat("x", n-len(`{"log":""}`+"\n")))
	}
	delivered(t, send(t, dest, of(firehosetest.MaxRecord)))
	if _, err := dest.Append(nil, of(firehosetest.MaxRecord+1)); err == nil || !strings.Contains(err.Error(), "1024001 bytes") {
		t.Errorf("got %v, want an error with the size", err)
	}
}

func TestMoreThanARequestTakesIsSentByMoreCalls(t *testing.T) {
	s := serve(t)
	dest := destination(t, options(s, nil), config.FluentBit)
	delivered(t, send(t, dest, lines(0, 1201)...))
	if n := len(s.Records("logs")); n != 1201 || s.Calls() != 3 {
		t.Errorf("got %d records by %d calls, want 1201 by 3", n, s.Calls())
	}
	large := sinktest.Record("app", 1, "log", strings.Repeat("x", 900<<10))
	delivered(t, send(t, dest, large, large, large, large, large))
	if s.Calls() != 5 {
		t.Errorf("got %d calls, want two more for 4.5 MiB", s.Calls())
	}
	// The second of three calls is refused: its records alone are sent again.
	s.Set(puttest.Faults{Call: func(n int) *puttest.Error {
		if n == 7 {
			return puttest.Refuse("InternalFailure", "why")
		}
		return nil
	}})
	r := send(t, dest, lines(0, 1100)...)
	if r.Verdict != sink.Done || len(r.Items) != 500 || r.Items[0].Index != 500 || r.Items[499].Index != 999 || r.Items[0].Verdict != sink.Again || r.Err == nil {
		t.Errorf("got verdict %v, %d items and error %v, want records 500 to 999 again", r.Verdict, len(r.Items), r.Err)
	}
}

func TestAfterACallThatIsRefusedForItsCredentialsNoOtherIsMade(t *testing.T) {
	s := serve(t)
	dest := destination(t, options(s, nil), config.FluentBit)
	s.Set(puttest.Faults{Call: func(int) *puttest.Error { return puttest.Refuse("AccessDeniedException", "no") }})
	r := send(t, dest, lines(0, 2000)...)
	if r.Verdict != sink.Again || r.Cause != sink.Unauthorised || s.Calls() != 2 {
		t.Errorf("got %+v after %d calls, want one, and once more with new credentials", r, s.Calls())
	}
}

func TestPortIsThatOfAnEndpointWithoutOne(t *testing.T) {
	s := serve(t)
	host, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	for _, endpoint := range []string{"http://" + host, "http://" + host + "/", s.URL} {
		dest := destination(t, options(s, func(o *Options) {
			o.Endpoint = endpoint
			if o.Port, _ = strconv.Atoi(port); endpoint == s.URL {
				o.Port = 1
			}
		}), config.FluentBit)
		delivered(t, send(t, dest, lines(0, 1)...))
	}
}

func TestOnlyRefusedRecordsAreSentAgain(t *testing.T) {
	for _, aggregate := range []bool{false, true} {
		s := serve(t)
		dest := destination(t, options(s, func(o *Options) { o.Aggregate = aggregate }), config.FluentBit)
		s.Set(puttest.Faults{Record: func(data []byte) (string, string) {
			switch {
			case bytes.Contains(data, []byte("line 1\"")):
				return "ServiceUnavailableException", "Slow down."
			case bytes.Contains(data, []byte("line 3\"")):
				return "InternalFailure", "Internal failure."
			case bytes.Contains(data, []byte("line 4\"")):
				return "StrangeException", "?"
			}
			return "", ""
		}})
		r := send(t, dest, lines(0, 6)...)
		if aggregate { // all are one record
			if r.Verdict != sink.Done || len(r.Items) != 6 || r.Cause != sink.Throttled || r.Items[5].Status != http.StatusTooManyRequests {
				t.Errorf("got %+v, want all six again", r)
			}
			continue
		}
		want := []sink.ItemReply{
			{Index: 1, Verdict: sink.Again, Status: 429, Type: "ServiceUnavailableException", Reason: "Slow down.", Busy: true},
			{Index: 3, Verdict: sink.Again, Status: 503, Type: "InternalFailure", Reason: "Internal failure.", Busy: true},
			{Index: 4, Verdict: sink.Again, Status: 400, Type: "StrangeException", Reason: "?"},
		}
		if r.Verdict != sink.Done || r.Cause != sink.Answered || !slices.Equal(r.Items, want) {
			t.Errorf("got %+v, want items %+v", r, want)
		}
		if !strings.Contains(r.Err.Error(), "3 of 6 records are refused for now: ServiceUnavailableException: Slow down.") {
			t.Errorf("got error %v, want one that says how many and why", r.Err)
		}
	}
}

func TestAStreamThatIsThrottledClosesTheGateOnlyIfMostRecordsAreRefused(t *testing.T) {
	s := serve(t)
	dest := destination(t, options(s, nil), config.FluentBit)
	for _, refused := range []int{1, 5, 6, 10} {
		n := 0
		s.Set(puttest.Faults{Record: func([]byte) (string, string) {
			if n++; n <= refused {
				return "ServiceUnavailableException", "Slow down."
			}
			return "", ""
		}})
		r := send(t, dest, lines(0, 10)...)
		if got, want := r.Cause == sink.Throttled, refused > 5; got != want || len(r.Items) != refused {
			t.Errorf("%d of 10: got %+v, want throttled: %v", refused, r, want)
		}
	}
}

func TestRefusalsOfCallsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		code, message string
		status        int
		cause         sink.Cause
		split         sink.Split
		waits         bool // every record, without counting against Retry_Limit
		want          string
	}{
		{"ResourceNotFoundException", "Firehose logs under account 1 not found.", 400, sink.Answered, sink.No, true,
			"sending to Firehose stream logs: 400 ResourceNotFoundException: Firehose logs under account 1 not found.; create it, or correct the output's name of it or region"},
		{"InvalidKMSResourceException", "no", 400, sink.Answered, sink.No, true, "enable the key, or allow kms:GenerateDataKey"},
		{"InvalidSourceException", "no", 400, sink.Answered, sink.No, true, "Direct PUT"},
		{"AccessDeniedException", "User is not authorized to perform: firehose:PutRecordBatch", 400, sink.Unauthorised, sink.No, false, "allow the task role firehose:PutRecordBatch"},
		{"ExpiredTokenException", "expired", 400, sink.Unauthorised, sink.No, false, "expired"},
		{"ServiceUnavailableException", "Slow down.", 503, sink.Throttled, sink.No, false, "503 ServiceUnavailableException: Slow down."},
		{"LimitExceededException", "no", 400, sink.Throttled, sink.No, false, ""},
		{"InvalidArgumentException", "Records size exceeds 4 MB limit", 400, sink.Answered, sink.BySize, false, ""},
		{"InvalidArgumentException", "no", 400, sink.Answered, sink.No, false, ""},
		{"InternalFailure", "no", 500, sink.Answered, sink.No, false, ""},
	} {
		s := serve(t)
		dest := destination(t, options(s, nil), config.FluentBit)
		s.Set(puttest.Faults{Call: func(int) *puttest.Error { return &puttest.Error{Status: c.status, Code: c.code, Message: c.message} }})
		r := send(t, dest, lines(0, 3)...)
		if c.code == "ResourceNotFoundException" && (r.Trouble == nil || r.Trouble.Text() != "has no stream logs") {
			t.Errorf("%s: got the trouble %+v, want that there is no such stream", c.code, r.Trouble)
		}
		if r.Cause != c.cause || r.Split != c.split || r.Err == nil || !strings.Contains(r.Err.Error(), c.want) {
			t.Errorf("%s: got %+v, want cause %d, split %d and error %q", c.code, r, c.cause, c.split, c.want)
		}
		if waits := r.Verdict == sink.Done && len(r.Items) == 3 && r.Items[2].Busy && r.Items[2].Verdict == sink.Again; waits != c.waits || !waits && r.Verdict != sink.Again {
			t.Errorf("%s: got %+v, want that all wait: %v", c.code, r, c.waits)
		}
	}
}

func TestAMissingStreamIsFilledOnceItExists(t *testing.T) {
	s := serve(t)
	dest := destination(t, options(s, func(o *Options) { o.Stream = "later" }), config.FluentBit)
	if r := send(t, dest, lines(0, 1)...); len(r.Items) != 1 || r.Items[0].Verdict != sink.Again {
		t.Fatalf("got %+v, want again", r)
	}
	s.Create("later")
	delivered(t, send(t, dest, lines(0, 1)...))
}

func TestRecordsGoToTheStreamOfTheirName(t *testing.T) {
	s := serve(t)
	s.Create("web-2023")
	dest := destination(t, options(s, func(o *Options) { o.Stream = "${tag}-%Y" }), config.Fluentd)
	records := lines(0, 4)
	records[1].Tag, records[3].Tag = "web", "web"
	r := send(t, dest, records...)
	if len(s.Records("web-2023")) != 2 || r.Verdict != sink.Done || len(r.Items) != 2 || r.Items[0].Index != 0 || r.Items[1].Index != 2 ||
		!strings.Contains(r.Err.Error(), "app.web-2023") {
		t.Errorf("got %+v, want the records of web delivered, and those of app.web to wait for their stream", r)
	}
	records[1].Tag = "no name!"
	if _, err := sinktest.Encode(dest, records...); err == nil || !strings.Contains(err.Error(), `"no name!-2023" is not a stream's name`) {
		t.Errorf("got %v, want an error that names the name", err)
	}
}

func TestALostAnswerIsTriedAgainAtOnce(t *testing.T) {
	s := serve(t)
	dest := destination(t, options(s, nil), config.FluentBit)
	s.Set(puttest.Faults{Close: func(n int) bool { return n == 1 }})
	delivered(t, send(t, dest, lines(0, 1)...))
	if n := len(s.Records("logs")); n != 2 {
		t.Errorf("got %d records, want two: Firehose can't tell that one is sent twice, as the page says", n)
	}
}

func TestAnAnswerWithoutAllResultsIsNotADelivery(t *testing.T) {
	for _, answer := range []string{`{}`, `{"FailedPutCount":1,"RequestResponses":[]}`, `{"FailedPutCount":1,"RequestResponses":[{"RecordId":"1"}]}`, `[]`, `{"Failed`} {
		s := serve(t)
		o := options(s, nil)
		dest := destination(t, o, config.FluentBit)
		s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
		if r := send(t, dest, lines(0, 2)...); r.Verdict != sink.Again || r.Err == nil {
			t.Errorf("%s: got %+v, want again", answer, r)
		}
	}
}

func TestWrongOptionsAreReported(t *testing.T) {
	for _, c := range []struct {
		dialect config.Dialect
		set     func(*Options)
		option  string
	}{
		{config.FluentBit, func(o *Options) { o.Stream = "no name!" }, "delivery_stream"},
		{config.Fluentd, func(o *Options) { o.Stream = strings.Repeat("x", 65) }, "delivery_stream_name"},
		{config.Fluentd, func(o *Options) { o.Stream = "${tag" }, "delivery_stream_name"},
		{config.FluentBit, func(o *Options) { o.Compression = "arrow" }, "compression"},
		{config.FluentBit, func(o *Options) { o.TimeKeyFormat = "%" }, "time_key_format"},
		{config.FluentBit, func(o *Options) { o.ReplaceDots = strings.Repeat("x", 65) }, "replace_dots"},
		{config.FluentBit, func(o *Options) { o.DataKeys = make([]string, 257) }, "data_keys"},
		{config.FluentBit, func(o *Options) { o.Endpoint = "ftp://x" }, "endpoint"},
		{config.Fluentd, func(o *Options) { o.AccessKeyID = "A" }, "aws_key_id"},
	} {
		err := options(serve(t), c.set).Check(c.dialect)
		if o := (*config.OptionError)(nil); !errors.As(err, &o) || o.Option != c.option {
			t.Errorf("got %v, want an error in %s", err, c.option)
		}
	}
}

func TestFluentdsKeysAndLimitsAreUsed(t *testing.T) {
	s := serve(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "WRONG")
	dest := destination(t, options(s, func(o *Options) {
		o.AccessKeyID, o.SecretKey = puttest.AccessKey, puttest.SecretKey
		o.MaxCount, o.MaxSize, o.MaxRecord = 100, 50_000, 20
	}), config.Fluentd)
	delivered(t, send(t, dest, lines(0, 1)...))
	if l := dest.Limits(); l.MaxItems != 100 || l.MaxBytes != 50_000 {
		t.Errorf("got %+v, want the user's limits", l)
	}
	if _, err := dest.Append(nil, lines(123456, 1)[0]); err == nil {
		t.Error("got no error for a record over max_record_size")
	}
}

func TestAServiceThatHangsIsGivenUpWithTheContext(t *testing.T) {
	s := serve(t)
	s.Set(puttest.Faults{Hang: make(chan struct{})})
	dest := destination(t, options(s, nil), config.FluentBit)
	req, err := sinktest.Encode(dest, lines(0, 1)...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if r := dest.Send(ctx, req); r.Verdict != sink.Again || r.Cause != sink.Unreached {
		t.Errorf("got %+v, want again", r)
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, set := range map[string]func(*Options){
		"plain":     nil,
		"time":      func(o *Options) { o.TimeKey, o.TimeKeyFormat = "time", "%Y-%m-%dT%H:%M:%S.%3N" },
		"data_keys": func(o *Options) { o.DataKeys, o.ReplaceDots = []string{"log"}, "--" },
		"log_key":   func(o *Options) { o.LogKey = "log" },
		"gzip":      func(o *Options) { o.Compression = "gzip" },
		"zstd":      func(o *Options) { o.Compression = "zstd" },
		"zlib":      func(o *Options) { o.Compression = "zlib" },
	} {
		b.Run(name, func(b *testing.B) {
			dest := destination(b, options(serve(b), set), config.FluentBit)
			r := sinktest.Record("app.web", 7, "log", strings.Repeat("hello, world ", 16), "container_id", "0123456789abcdef", "container_name", "web", "source", "stdout")
			b.ReportAllocs()
			var body []byte
			for b.Loop() {
				var err error
				if body, err = dest.Append(body[:0], r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector empties pools")
	}
	for name, set := range map[string]func(*Options){
		"plain":     nil,
		"time":      func(o *Options) { o.TimeKey, o.TimeKeyFormat = "time", "%Y-%m-%dT%H:%M:%S.%3N" },
		"data_keys": func(o *Options) { o.DataKeys, o.ReplaceDots = []string{"log"}, "--" },
		"gzip":      func(o *Options) { o.Compression = "gzip" },
	} {
		dest := destination(t, options(serve(t), set), config.FluentBit)
		r := lines(0, 1)[0]
		body := make([]byte, 0, 1<<16)
		if n := testing.AllocsPerRun(1000, func() { body, _ = dest.Append(body[:0], r) }); n >= 1 {
			t.Errorf("%s: got %v allocations a record, want 0", name, n)
		}
	}
}
