package kinesis

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/snappy"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws/put/puttest"
	"github.com/firelane/firelane/sink/kinesis/kinesistest"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const shards = 4

// serve starts a server with a stream called logs, and sets the environment's credentials to those that it accepts.
func serve(t testing.TB) *kinesistest.Server {
	t.Helper()
	s := kinesistest.New(shards, "logs")
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
func options(s *kinesistest.Server, set func(*Options)) *Options {
	o := &Options{Stream: "logs"}
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
	return made(t)(New(o, d, sink.Env{}))
}

func made(t testing.TB) func(sink.Destination, error) sink.Destination {
	return func(dest sink.Destination, err error) sink.Destination {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = dest.Close() })
		return dest
	}
}

// lines makes n records, numbered from first, of five users.
func lines(first, n int) []*sink.Record {
	records := make([]*sink.Record, n)
	for i := range records {
		records[i] = sinktest.Record("app.web", uint64(first+i), "log", fmt.Sprint("line ", first+i), "user", fmt.Sprint("u", i%5))
		records[i].ID.Queue = [10]byte{7}
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

// users are the user records in a stream, by their data.
func users(t testing.TB, s *kinesistest.Server) map[string]string {
	t.Helper()
	keys := map[string]string{}
	for _, r := range s.Records("logs") {
		list, err := kinesistest.Deaggregate(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range list {
			if _, twice := keys[string(u.Data)]; twice {
				t.Errorf("%s is there twice", u.Data)
			}
			keys[string(u.Data)] = u.Key
			if kinesistest.ShardOf(u.Key, shards) != r.Shard {
				t.Errorf("%s has a key of another shard: readers' libraries drop it", u.Data)
			}
		}
	}
	return keys
}

func TestContract(t *testing.T) {
	for name, set := range map[string]func(*Options){
		"plain": nil, "keyed": func(o *Options) { o.PartitionKey = "log" },
		"aggregated": func(o *Options) { o.Aggregation, o.PartitionKey = true, "log" }, "aggregated with random keys": func(o *Options) { o.Aggregation = true },
		"concatenated": func(o *Options) { o.Aggregate, o.Compression = true, "zstd" },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			hanging := kinesistest.New(1, "logs")
			hanging.Set(puttest.Faults{Hang: make(chan struct{})})
			t.Cleanup(hanging.Close)
			sinktest.Run(t, sinktest.Case{
				New:    func(t *testing.T) sink.Destination { return destination(t, options(s, set), config.FluentBit) },
				Broken: func(t *testing.T) sink.Destination { return destination(t, options(hanging, set), config.FluentBit) },
			})
		})
	}
}

func TestTheNewlineIsThatOfThePlugin(t *testing.T) {
	type maker func(*Options, config.Dialect, sink.Env) (sink.Destination, error)
	on, off := true, false
	for _, c := range []struct {
		name    string
		make    maker
		dialect config.Dialect
		option  *bool
		want    bool
	}{
		{"kinesis_streams", New, config.FluentBit, nil, true}, {"kinesis_streams, off", New, config.FluentBit, &off, false},
		{"kinesis", NewGo, config.FluentBit, nil, false}, {"kinesis, on", NewGo, config.FluentBit, &on, true},
		{"Fluentd", New, config.Fluentd, nil, true},
	} {
		s := serve(t)
		dest := made(t)(c.make(options(s, func(o *Options) { o.Newline = c.option }), c.dialect, sink.Env{}))
		delivered(t, send(t, dest, lines(0, 1)...))
		if data := s.Records("logs")[0].Data; bytes.HasSuffix(data, []byte("}\n")) != c.want {
			t.Errorf("%s: got %q, want a newline: %v", c.name, data, c.want)
		}
	}
}

func TestRandomKeysAreTheSameAtEachAttemptAndSpread(t *testing.T) {
	s := serve(t)
	dest := destination(t, options(s, nil), config.FluentBit)
	records := lines(0, 400)
	delivered(t, send(t, dest, records...))
	delivered(t, send(t, dest, records...))
	got := s.Records("logs")
	count := [shards]int{}
	for i, r := range got[:400] {
		count[r.Shard]++
		if r.Key != got[400+i].Key || !bytes.Equal(r.Data, got[400+i].Data) {
			t.Fatalf("record %d: got %+v and then %+v, want them equal", i, r, got[400+i])
		}
	}
	for _, n := range count {
		if n < 60 {
			t.Errorf("got %v records by shard, want about the same number in each", count)
		}
	}
}

func TestPartitionKeysAreRead(t *testing.T) {
	body := record.AppendMapHeader(nil, 5)
	body = record.AppendStr(record.AppendStr(body, "id"), "abc")
	body = record.AppendInt(record.AppendStr(body, "n"), 42)
	body = record.AppendMapHeader(record.AppendStr(body, "kubernetes"), 1)
	body = record.AppendStr(record.AppendStr(body, "pod.name"), "web-1")
	body = record.AppendStr(record.AppendStr(body, "long"), strings.Repeat("é", 300))
	body = record.AppendStr(record.AppendStr(body, "broken"), "a\xffb"+strings.Repeat("\xfe", 300))
	r := &sink.Record{Event: record.Event{Body: body}, ID: record.ID{Pos: 1}}
	id := r.ID.String()
	for _, c := range []struct {
		dialect   config.Dialect
		key, want string
	}{
		{config.FluentBit, "id", "abc"}, {config.FluentBit, "n", "42"}, {config.FluentBit, "kubernetes->pod.name", "web-1"},
		{config.FluentBit, "$kubernetes['pod.name']", "web-1"}, {config.FluentBit, "long", strings.Repeat("é", 256)},
		{config.FluentBit, "broken", "a\ufffdb\ufffd"}, {config.FluentBit, "kubernetes", id}, {config.FluentBit, "none", id}, {config.FluentBit, "", id},
		{config.FluentBit, "$[", id}, {config.FluentBit, "a->->b", id},
		{config.Fluentd, "id", "abc"}, {config.Fluentd, "none", id},
	} {
		s := serve(t)
		dest := destination(t, options(s, func(o *Options) { o.PartitionKey = c.key }), c.dialect)
		delivered(t, send(t, dest, r))
		if got := s.Records("logs")[0].Key; got != c.want {
			t.Errorf("%s: got key %q, want %q", c.key, got, c.want)
		}
	}
}

func TestAggregatedRecordsAreReadByOtherCode(t *testing.T) {
	for _, c := range []struct {
		name   string
		key    string
		random int // records without a key
	}{{"random keys", "", 0}, {"keys of the records", "user", 0}, {"some without a key", "user", 100}} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t)
			dest := destination(t, options(s, func(o *Options) { o.Aggregation, o.PartitionKey = true, c.key }), config.FluentBit)
			records := lines(0, 400)
			for i := range c.random {
				records[3*i] = sinktest.Record("app", uint64(3*i), "log", fmt.Sprint("line ", 3*i))
			}
			delivered(t, send(t, dest, records...))
			got := users(t, s)
			if len(got) != 400 {
				t.Errorf("got %d records, want 400", len(got))
			}
			for data, key := range got {
				want := ""
				if _, rest, ok := strings.Cut(data, `"user":"`); ok && c.key != "" {
					want, _, _ = strings.Cut(rest, `"`)
				}
				if want != "" && key != want {
					t.Errorf("%s has key %q, want %q", data, key, want)
				}
			}
			if n := len(s.Records("logs")); n > 6 {
				t.Errorf("got %d records of the stream for 400, want one for each key", n)
			}
		})
	}
}

func TestAggregatedRecordsAreOfAnySizeUpToTheLimit(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := serve(t)
	dest := destination(t, options(s, func(o *Options) { o.Aggregation = true }), config.FluentBit)
	var records []*sink.Record
	for i := range 500 {
		size := random.IntN(1 << random.IntN(17))
		records = append(records, sinktest.Record("app", uint64(i), "log", fmt.Sprint(i, strings.Repeat("x", size))))
	}
	records = append(records, sinktest.Record("app", 500, "log", strings.Repeat("y", kinesistest.MaxRecord-22-len(`{"log":""}`+"\n"))))
	delivered(t, send(t, dest, records...))
	if got := users(t, s); len(got) != 501 {
		t.Errorf("got %d records, want 501", len(got))
	}
	full := 0
	for _, r := range s.Records("logs") {
		list, _ := kinesistest.Deaggregate(r)
		if size := len(r.Data) + len(r.Key); len(list) > 1 && size > together {
			t.Errorf("got %d records in %d bytes, want at most %d", len(list), size, together)
		} else if size > together*9/10 {
			full++
		}
	}
	if full < 5 {
		t.Errorf("got %d full records, want more", full)
	}
}

func TestTheSizeOfAnAggregatedRecordIsKnownBefore(t *testing.T) {
	d := &Destination{aggregate: true}
	for _, n := range []int{0, 1, 100, 121, 122, 127, 128, 16_000, 16_383, 16_384} {
		req, size := &sink.Request{}, 0
		for i := range 3 {
			item := append([]byte{random, 0, 3}, "key"...)
			req.Body = append(append(req.Body, item...), bytes.Repeat([]byte{'x'}, n)...)
			req.Ends = append(req.Ends, len(req.Body))
			size += d.sizeOf(req.Item(i), i == 0)
		}
		if got := len(appendAggregated(nil, []byte("key"), req, []int{0, 1, 2})) + len("key"); got != size {
			t.Errorf("%d bytes: got %d, want %d as computed", n, got, size)
		}
	}
}

func TestRecordsOfOneKeyStayInOrder(t *testing.T) {
	s := serve(t)
	dest := destination(t, options(s, func(o *Options) { o.Aggregation, o.PartitionKey = true, "user" }), config.FluentBit)
	delivered(t, send(t, dest, lines(1000, 500)...))
	last := map[string]string{}
	for _, r := range s.Records("logs") {
		list, _ := kinesistest.Deaggregate(r)
		for _, u := range list {
			if string(u.Data) < last[u.Key] {
				t.Errorf("%s comes after %s", u.Data, last[u.Key])
			}
			last[u.Key] = string(u.Data)
		}
	}
}

func TestSimpleAggregationIsTextAfterText(t *testing.T) {
	for _, compression := range []string{"", "snappy"} {
		s := serve(t)
		dest := destination(t, options(s, func(o *Options) { o.Aggregate, o.Compression = true, compression }), config.FluentBit)
		records := lines(0, 2000)
		var want, got []byte
		for _, r := range records {
			want = append(record.AppendJSON(want, r.Body), '\n')
		}
		delivered(t, send(t, dest, records...))
		for _, r := range s.Records("logs") {
			data := r.Data
			if compression != "" {
				var err error
				if data, err = snappy.Decode(nil, data); err != nil {
					t.Fatal(err)
				}
			}
			got = append(got, data...)
		}
		if n := len(s.Records("logs")); !bytes.Equal(got, want) || n > len(want)/together+1 {
			t.Errorf("got %d bytes in %d records, want the %d bytes that were sent", len(got), n, len(want))
		}
	}
}

func TestRecordsAreCompressedBeforeTheyAreAggregated(t *testing.T) {
	s := serve(t)
	dest := made(t)(NewGo(options(s, func(o *Options) { o.Aggregation, o.Compression = true, "zlib" }), config.FluentBit, sink.Env{}))
	delivered(t, send(t, dest, lines(0, 10)...))
	got := users(t, s)
	if len(got) != 10 || len(s.Records("logs")) != 1 {
		t.Fatalf("got %d records in %d, want 10 in one", len(got), len(s.Records("logs")))
	}
	for data := range got {
		r, err := zlib.NewReader(strings.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || !bytes.HasPrefix(text, []byte(`{"log":"line `)) {
			t.Errorf("got %q and error %v", text, err)
		}
	}
}

func TestAThrottledShardHoldsUpOnlyItsOwnRecords(t *testing.T) {
	for _, aggregation := range []bool{false, true} {
		s := serve(t)
		dest := destination(t, options(s, func(o *Options) { o.PartitionKey, o.Aggregation = "user", aggregation }), config.FluentBit)
		shard := kinesistest.ShardOf("u1", shards)
		s.Throttle(shard, true)
		records := lines(0, 100)
		r := send(t, dest, records...)
		want := 0
		for i := range records {
			if kinesistest.ShardOf(fmt.Sprint("u", i%5), shards) != shard {
				continue
			}
			if want >= len(r.Items) || r.Items[want].Index != i || r.Items[want].Verdict != sink.Again || r.Items[want].Status != 429 || !r.Items[want].Busy {
				t.Fatalf("got %+v, want record %d again", r.Items, i)
			}
			want++
		}
		if len(r.Items) != want || r.Verdict != sink.Done || r.Cause != sink.Answered || len(users(t, s)) != 100-want {
			t.Errorf("got %d again and cause %d, want %d and the gate open", len(r.Items), r.Cause, want)
		}
		for i := range shards {
			s.Throttle(i, true)
		}
		if r := send(t, dest, records...); r.Cause != sink.Throttled || len(r.Items) != 100 {
			t.Errorf("got %+v, want all throttled", r)
		}
	}
}

func TestARecordThatIsTooLargeIsRefused(t *testing.T) {
	s := serve(t)
	dest := destination(t, options(s, func(o *Options) { o.PartitionKey = "k" }), config.FluentBit)
	of := func(n int) *sink.Record {
		return sinktest.Record("app", 1, "k", "12345", "log", strings.Repeat("x", n-5-len(`{"k":"12345","log":""}`+"\n")))
	}
	delivered(t, send(t, dest, of(kinesistest.MaxRecord)))
	if body, err := dest.Append([]byte("x"), of(kinesistest.MaxRecord+1)); err == nil || !strings.Contains(err.Error(), "1048577 bytes") || string(body) != "x" {
		t.Errorf("got %v, want an error with the size", err)
	}
}

func TestCompressedTextThatCannotBeCompressedFits(t *testing.T) {
	s := serve(t)
	dest := destination(t, options(s, func(o *Options) { o.Aggregate, o.Compression, o.LogKey = true, "gzip", "log" }), config.FluentBit)
	noise := make([]byte, kinesistest.MaxRecord-compressionMargin-22-1)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	delivered(t, send(t, dest, sinktest.Record("app", 1, "log", string(noise))))
}

func TestFluentdsAggregatedPlugin(t *testing.T) {
	for _, fixed := range []string{"", "all"} {
		s := serve(t)
		o := &AggregatedOptions{Stream: "logs", FixedKey: fixed, Options: options(s, nil).Options}
		if err := o.Check(config.Fluentd); err != nil {
			t.Fatal(err)
		}
		dest := made(t)(NewAggregated(o, config.Fluentd, sink.Env{}))
		delivered(t, send(t, dest, lines(0, 3000)...))
		got := users(t, s)
		if len(got) != 3000 || s.Calls() != 1 {
			t.Errorf("got %d records by %d calls, want 3000 by one", len(got), s.Calls())
		}
		for _, r := range s.Records("logs") {
			if fixed != "" && r.Key != fixed {
				t.Errorf("got key %q, want %q", r.Key, fixed)
			}
		}
	}
}

func TestTheLimitOfARequestIsTheUsers(t *testing.T) {
	s := serve(t)
	s.Set(puttest.Faults{Hang: make(chan struct{})})
	dest := destination(t, options(s, func(o *Options) { o.Timeout = 50 * time.Millisecond }), config.FluentBit)
	if r := send(t, dest, lines(0, 1)...); r.Verdict != sink.Again || r.Cause != sink.Unreached || !strings.Contains(r.Err.Error(), "no reply in time (50ms)") {
		t.Errorf("got %+v, want again with the limit", r)
	}
}

func TestWrongOptionsAreReported(t *testing.T) {
	for _, c := range []struct {
		dialect config.Dialect
		set     func(*Options)
		option  string
	}{
		{config.FluentBit, func(o *Options) { o.Stream = "" }, "stream"},
		{config.Fluentd, func(o *Options) { o.Stream = strings.Repeat("x", 129) }, "stream_name"},
		{config.FluentBit, func(o *Options) { o.Compression = "lz4" }, "compression"},
		{config.FluentBit, func(o *Options) { o.Concurrency = -1 }, "experimental_concurrency"},
		{config.FluentBit, func(o *Options) { o.Timeout = -1 }, "http_request_timeout"},
	} {
		err := options(serve(t), c.set).Check(c.dialect)
		if o := (*config.OptionError)(nil); !errors.As(err, &o) || o.Option != c.option {
			t.Errorf("got %v, want an error in %s", err, c.option)
		}
	}
}

func TestConcurrencyIsThatOfWorkers(t *testing.T) {
	for n, want := range map[int]int{0: 0, 3: 3, 99: sink.MaxWorkers} {
		dest := destination(t, options(serve(t), func(o *Options) { o.Concurrency = n }), config.FluentBit)
		if got := dest.Limits().Workers; got != want {
			t.Errorf("%d: got %d workers, want %d", n, got, want)
		}
	}
}

// What a record's field may hold becomes a key that Kinesis takes.
func FuzzKey(f *testing.F) {
	f.Add([]byte("abc"))
	f.Add([]byte("\xff\xfe"))
	f.Add(bytes.Repeat([]byte("é"), 400))
	d := &keyer{}
	d.at = partitionKey("k", config.FluentBit)
	f.Fuzz(func(t *testing.T, value []byte) {
		r := &sink.Record{Event: record.Event{Body: record.AppendStrBytes(record.AppendStr(record.AppendMapHeader(nil, 1), "k"), value)}}
		key, origin := d.append([]byte("before"), r)
		key, ok := bytes.CutPrefix(key, []byte("before"))
		if n := utf8.RuneCount(key); !ok || n < 1 || n > maxKey || !utf8.Valid(key) || (origin == written) != (len(value) > 0) {
			t.Errorf("%q: got %q", value, key)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for name, set := range map[string]func(*Options){
		"random key": nil,
		"key":        func(o *Options) { o.PartitionKey = "container_id" },
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
	for name, key := range map[string]string{"random key": "", "key": "user", "nested key": "a->b"} {
		dest := destination(t, options(serve(t), func(o *Options) { o.PartitionKey = key }), config.FluentBit)
		r := lines(0, 1)[0]
		body := make([]byte, 0, 1<<16)
		if n := testing.AllocsPerRun(1000, func() { body, _ = dest.Append(body[:0], r) }); n >= 1 {
			t.Errorf("%s: got %v allocations a record, want 0", name, n)
		}
	}
}
