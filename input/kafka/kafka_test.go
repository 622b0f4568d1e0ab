package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	topic = "lines"
	group = "readers"

	patience = time.Minute // for what must happen, on a busy machine
)

func cluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, topic), kfake.GroupMinSessionTimeout(time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func options(c *kfake.Cluster) *Options {
	o := &Options{Topics: topic, GroupID: group, Format: "none", PollMs: 1, IDHeader: "firelane-id"}
	o.Brokers, o.ClientID, o.RdReset, o.RdIsolation = c.ListenAddrs(), "test", "earliest", "read_committed"
	o.RdFetchWait, o.RdHeartbeat = 10, 20
	return o
}

func open(t *testing.T, o *Options) *Input {
	t.Helper()
	if err := o.Check(config.FluentBit); err != nil {
		t.Fatal(err)
	}
	in, err := New(o, config.FluentBit, input.Env{ID: "kafka.0", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	return in.(*Input)
}

// produce writes records, and waits for their acks.
func produce(t *testing.T, c *kfake.Cluster, records ...*kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic(topic), kgo.DisableClientMetrics(), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// committed is how many records of the topic the group has committed.
func committed(c *kfake.Cluster) (n int) {
	info := c.GroupInfo(group)
	if info == nil {
		return 0
	}
	for _, commit := range info.Commits[topic] {
		n += int(commit.Offset)
	}
	return n
}

// A topicSource sends its texts as values {"log": text}.
type topicSource struct {
	c *kfake.Cluster
}

func (s topicSource) Send(t *testing.T, text string) {
	produce(t, s.c, &kgo.Record{Value: []byte(text)})
}
func (s topicSource) Acked(*testing.T) int { return committed(s.c) }
func (s topicSource) Close()               {}

// payloads is an input whose events have the field log instead of payload, as the contract tests read it.
type payloads struct{ *Input }

func (p payloads) Run(ctx context.Context, receiver func() input.Receiver) error {
	return p.Input.Run(ctx, func() input.Receiver { return renaming{receiver()} })
}

type renaming struct{ input.Receiver }

func (r renaming) Add(tag []byte, t record.Time, body []byte) {
	v, _ := record.Find(body, "payload")
	text, _ := record.Text(v)
	r.Receiver.Add(tag, t, record.AppendStrBytes(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), text))
}

func TestPromises(t *testing.T) {
	var all []*kfake.Cluster
	for range 7 { // one for each promise, made before it looks for goroutines that are left
		all = append(all, cluster(t))
	}
	inputtest.Run(t, inputtest.Subject{Acks: true, Open: func(t *testing.T) (input.Input, inputtest.Source) {
		c := all[0]
		all = all[1:]
		return payloads{open(t, options(c))}, topicSource{c}
	}})
}

// A reader is a Receiver that keeps what it gets.
type reader struct {
	t     *testing.T
	flush func(ctx context.Context) error

	mu     sync.Mutex
	added  []event
	events []event
	change chan struct{}
}

type event struct {
	json   string
	time   record.Time
	origin record.ID
}

func newReader(t *testing.T) *reader { return &reader{t: t, change: make(chan struct{}, 1)} }

func (r *reader) receiver() input.Receiver { return r }

func (r *reader) Add(tag []byte, t record.Time, body []byte) {
	r.AddIdentified(tag, t, body, record.ID{})
}

func (r *reader) AddIdentified(tag []byte, t record.Time, body []byte, origin record.ID) {
	if n, err := record.Check(body); err != nil || n != len(body) || string(tag) != "kafka.0" {
		r.t.Errorf("got the tag %s and a body of %d bytes that is read to %d, %v", tag, len(body), n, err)
	}
	r.added = append(r.added, event{string(record.AppendJSON(nil, body)), t, origin})
}

func (r *reader) Reject(n int, reason string) { r.t.Errorf("%d rejected: %s", n, reason) }

func (r *reader) Flush(ctx context.Context) error {
	if r.flush != nil {
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, r.added...)
	r.added = nil
	select {
	case r.change <- struct{}{}:
	default:
	}
	return nil
}

// got waits for n events.
func (r *reader) got(n int) []event {
	r.t.Helper()
	for deadline := time.After(patience); ; {
		r.mu.Lock()
		events := slices.Clone(r.events)
		r.mu.Unlock()
		if len(events) >= n {
			return events
		}
		select {
		case <-r.change:
		case <-deadline:
			r.t.Fatalf("got %d events, want %d", len(events), n)
		}
	}
}

// run runs an input until the test ends, or end is called.
func run(t *testing.T, in *Input, r *reader) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx, r.receiver) }()
	var once sync.Once
	end = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(end)
	return end
}

func TestAMessageBecomesTheRecordThatFluentBitMakesOfIt(t *testing.T) {
	c := cluster(t)
	at := time.UnixMilli(1_700_000_000_123)
	produce(t, c,
		&kgo.Record{Partition: 2, Key: []byte("k"), Value: []byte(`{"a":[1,"x"]}`), Timestamp: at},
		&kgo.Record{Partition: 2, Value: []byte(`no json`), Timestamp: at}, &kgo.Record{Partition: 2, Timestamp: at})
	for format, want := range map[string]string{
		"none": `{"topic":"lines","partition":2,"offset":0,"error":null,"key":"k","payload":"{\"a\":[1,\"x\"]}"}`,
		"json": `{"topic":"lines","partition":2,"offset":0,"error":null,"key":"k","payload":{"a":[1,"x"]}}`,
	} {
		o := options(c)
		o.Format, o.GroupID = format, format
		r := newReader(t)
		end := run(t, open(t, o), r)
		got := r.got(3)
		end()
		if got[0].json != want || got[0].time != (record.Time{Sec: 1_700_000_000, Nsec: 123_000_000}) {
			t.Errorf("%s: got %s at %v, want %s", format, got[0].json, got[0].time, want)
		}
		if want := `{"topic":"lines","partition":2,"offset":1,"error":null,"key":null,"payload":"no json"}`; got[1].json != want {
			t.Errorf("%s: got %s, want %s", format, got[1].json, want)
		}
		if want := `{"topic":"lines","partition":2,"offset":2,"error":null,"key":null,"payload":null}`; got[2].json != want {
			t.Errorf("%s: got %s, want %s", format, got[2].json, want)
		}
	}
}

// Whoever consumes a record, it has the same id; and no two records have one.
func TestARecordHasTheSameIDEachTimeThatItIsConsumed(t *testing.T) {
	for name, opts := range map[string][]kfake.Opt{"topic ids": nil, "brokers that don't tell topic ids": {kfake.MaxVersions(kversion.V2_8_0())}} {
		t.Run(name, func(t *testing.T) {
			c := cluster(t, opts...)
			for i := range 30 {
				produce(t, c, &kgo.Record{Partition: int32(i % 3), Value: []byte("x")})
			}
			ids := map[string]record.ID{}
			seen := map[record.ID]bool{}
			for n, g := range []string{"one", "two"} {
				o := options(c)
				o.GroupID = g
				r := newReader(t)
				end := run(t, open(t, o), r)
				for _, ev := range r.got(30) {
					if n == 0 {
						ids[ev.json] = ev.origin
						if seen[ev.origin] || ev.origin.IsZero() {
							t.Errorf("got the id %v for %s, which another record has, or none", ev.origin, ev.json)
						}
						seen[ev.origin] = true
					} else if ids[ev.json] != ev.origin {
						t.Errorf("got the id %v for %s the second time, want %v", ev.origin, ev.json, ids[ev.json])
					}
				}
				end()
			}
		})
	}
}

// A topic that was deleted and made again begins at offset 0 again: its records are others.
func TestRecordsOfATopicThatWasMadeAgainHaveOtherIDs(t *testing.T) {
	c := cluster(t)
	ids := map[record.ID]bool{}
	for n := range 2 {
		if n > 0 {
			if err := errors.Join(c.DeleteTopic(topic), c.CreateTopic(topic, 3, nil)); err != nil {
				t.Fatal(err)
			}
		}
		produce(t, c, &kgo.Record{Value: []byte("x")})
		o := options(c)
		o.GroupID = fmt.Sprint(n)
		r := newReader(t)
		end := run(t, open(t, o), r)
		ids[r.got(1)[0].origin] = true
		end()
	}
	if len(ids) != 2 {
		t.Errorf("got %v, want two ids", ids)
	}
}

// An output kafka of firelane that was killed may have produced a record twice: it has one id. A header that somebody copied to
// another message, or made up, doesn't make it the same record.
func TestARecordThatWasProducedTwiceHasOneID(t *testing.T) {
	c := cluster(t)
	id := record.ID{Queue: record.NewQueueIdentity(), Pos: 7}
	header := []kgo.RecordHeader{{Key: "other", Value: []byte("x")}, {Key: "firelane-id", Value: []byte(id.String())}}
	produce(t, c, &kgo.Record{Value: []byte("a"), Headers: header}, &kgo.Record{Value: []byte("a"), Headers: header},
		&kgo.Record{Value: []byte("b"), Headers: header}, &kgo.Record{Value: []byte("a"), Headers: []kgo.RecordHeader{{Key: "firelane-id", Value: []byte("none")}}})
	r := newReader(t)
	run(t, open(t, options(c)), r)
	got := r.got(4)
	if got[0].origin != got[1].origin {
		t.Errorf("got the ids %v and %v, want one", got[0].origin, got[1].origin)
	}
	if got[2].origin == got[0].origin || got[3].origin == got[0].origin || got[2].origin == got[3].origin {
		t.Errorf("got the ids %v, want others for the other messages", got)
	}
	o := options(c)
	o.GroupID, o.IDHeader = "other", "false"
	r = newReader(t)
	run(t, open(t, o), r)
	if got := r.got(4); got[0].origin == got[1].origin {
		t.Error("got one id for two messages although the header isn't read")
	}
}

// While a queue is full nothing more is polled, and what is in memory is limited; a partition isn't given up before what was read
// of it is in the queue.
func TestWhileTheQueueIsFullNoPartitionIsGivenUpAndLittleIsRead(t *testing.T) {
	c := cluster(t)
	var records []*kgo.Record
	for i := range 300 {
		records = append(records, &kgo.Record{Partition: int32(i % 3), Value: bytes.Repeat([]byte("x"), 20<<10)})
	}
	produce(t, c, records...)
	full, entered := make(chan struct{}), make(chan struct{}, 1)
	r := newReader(t)
	r.flush = func(ctx context.Context) error {
		select {
		case entered <- struct{}{}:
		default:
		}
		select {
		case <-full:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	run(t, open(t, options(c)), r)
	<-entered
	second := newReader(t)
	run(t, open(t, options(c)), second)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // heartbeats are 20 ms apart: a rebalance would be done by then
	defer cancel()
	if g, err := c.WaitGroupStable(ctx, group, 2); err == nil {
		t.Errorf("got a rebalance while records are in memory: %+v", g.Members)
	}
	if n := len(r.added); n >= 300 {
		t.Errorf("got %d records in memory, want less", n)
	}
	close(full)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // counts of two readers can only be asked for
		r.mu.Lock()
		second.mu.Lock()
		n := len(r.events) + len(second.events)
		r.mu.Unlock()
		second.mu.Unlock()
		if n == 300 {
			break
		}
		if n > 300 || time.Now().After(deadline) {
			t.Fatalf("got %d records, want 300, each once", n)
		}
	}
}

// Members come and go: each record is read, and after a clean stop none twice.
func TestMembersThatComeAndGoReadEachRecordOnce(t *testing.T) {
	c := cluster(t)
	const total = 300
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range total {
			produce(t, c, &kgo.Record{Partition: int32(i % 3), Value: []byte(fmt.Sprint(i))})
		}
	}()
	var readers []*reader
	var ends []func()
	for range 3 {
		r := newReader(t)
		readers = append(readers, r)
		ends = append(ends, run(t, open(t, options(c)), r))
		r.got(1)
	}
	ends[1]()
	<-sent
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // as above
		n := 0
		for _, r := range readers {
			r.mu.Lock()
			n += len(r.events)
			r.mu.Unlock()
		}
		if n == total {
			break
		}
		if n > total || time.Now().After(deadline) {
			t.Fatalf("got %d records, want %d, each once", n, total)
		}
	}
}

// Batches that become large when they are decompressed are read one after the other.
func TestDecompressedBatchesAreLimited(t *testing.T) {
	f, err := newInflater(1<<20, 2<<20)
	if err != nil {
		t.Fatal(err)
	}
	compress := func(n int) []byte {
		z, err := kgo.DefaultCompressor(kgo.ZstdCompression())
		if err != nil {
			t.Fatal(err)
		}
		out, _ := z.Compress(new(bytes.Buffer), make([]byte, n))
		return bytes.Clone(out)
	}
	if out, err := f.Decompress(compress(1<<20), kgo.CodecZstd); err != nil || len(out) != 1<<20 {
		t.Errorf("got %d bytes and %v, want all", len(out), err)
	}
	if _, err := f.Decompress(compress(10), kgo.CodecZstd); !errors.Is(err, errInflated) {
		t.Errorf("got %v for a second batch, want it refused for now", err)
	}
	f.reset()
	if out, err := f.Decompress(compress(10), kgo.CodecZstd); err != nil || len(out) != 10 {
		t.Errorf("got %d bytes and %v after the next poll, want all", len(out), err)
	}
	f.reset()
	if _, err := f.Decompress(compress(3<<20), kgo.CodecZstd); !errors.Is(err, kgo.ErrMaxDecompress) {
		t.Errorf("got %v for a batch that is larger than any may be, want that said", err)
	}
}

// All of a topic whose fetches decompress to more than the limit is read.
func TestFetchesThatBecomeLargeAreReadInParts(t *testing.T) {
	c := cluster(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic(topic), kgo.DisableClientMetrics(), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	const batches = 12
	for range batches { // of 800 kB each, and of a few bytes when they are compressed
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Value: make([]byte, 800_000)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	r := newReader(t)
	run(t, open(t, options(c)), r)
	r.got(batches)
}

// The better messages are compressed, the fewer bytes are fetched at once.
func TestFetchesAreAsLargeAsWhatTheyBecomeAllows(t *testing.T) {
	f, err := newInflater(4<<20, 16<<20)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.reset(); got != 4<<20 {
		t.Errorf("got %d bytes before anything was read, want the limit", got)
	}
	f.in.Store(100 << 10)
	f.out.Store(1 << 20)
	if got := f.reset(); got != 200<<10 {
		t.Errorf("got %d bytes for what becomes ten times as large, want 200 KiB", got)
	}
}

func TestWrongOptionsAreFound(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no topic":   {func(o *Options) { o.Topics = " , " }, "topics: is missing"},
		"no broker":  {func(o *Options) { o.Brokers = nil }, "brokers: is missing"},
		"bad broker": {func(o *Options) { o.Brokers = []string{"a:b"} }, "brokers: "},
		"strategy":   {func(o *Options) { o.RdAssignment = "range,best" }, "rdkafka.partition.assignment.strategy: "},
		"kerberos":   {func(o *Options) { o.SASLMechanism = "GSSAPI" }, "rdkafka.sasl.mechanism: "},
	} {
		o := options(cluster(t))
		tt.change(o)
		if err := o.Check(config.FluentBit); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}
