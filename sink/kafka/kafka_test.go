package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const topic = "logs"

// cluster is a stand-in for a cluster of one broker, with the topic logs of three partitions.
func cluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, topic)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// bit are options of Fluent Bit for a cluster.
func bit(addrs ...string) *Options {
	o := &Options{Topics: topic, Format: "json", TimestampKey: "@timestamp", TimestampForm: "double", IDHeader: "firelane-id"}
	o.RdPartitioner = "consistent_random"
	o.Brokers, o.ClientID, o.Verify = addrs, "test", true
	return o
}

func producer(t *testing.T, o *Options, d config.Dialect) *destination {
	t.Helper()
	k := open(t, o, d)
	t.Cleanup(func() { k.Close() })
	return k
}

// open is producer, for a destination that the test closes itself.
func open(t *testing.T, o *Options, d config.Dialect) *destination {
	t.Helper()
	if err := o.Check(d); err != nil {
		t.Fatal(err)
	}
	k, err := New(o, d, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return k.(*destination)
}

// consumed reads n records of all partitions of a topic, and fails if there are more.
func consumed(t *testing.T, c *kfake.Cluster, topic string, n int) []*kgo.Record {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.DisableClientMetrics(), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var all []*kgo.Record
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(all) < n && ctx.Err() == nil {
		all = append(all, cl.PollFetches(ctx).Records()...)
	}
	end := int64(0)
	for _, p := range c.PartitionInfos(topic) {
		end += p.HighWatermark
	}
	if len(all) != n || end != int64(n) {
		t.Fatalf("got %d records and %d offsets, want %d", len(all), end, n)
	}
	return all
}

// numbered is a request of n records, each with its number as its id's position.
func numbered(t *testing.T, k *destination, n int) *sink.Request {
	t.Helper()
	var records []*sink.Record
	for i := range n {
		records = append(records, sinktest.Record("app", uint64(i), "log", fmt.Sprint("line ", i)))
	}
	req, err := sinktest.Encode(k, records...)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestContract(t *testing.T) {
	c := cluster(t, kfake.AllowAutoTopicCreation())
	sinktest.Run(t, sinktest.Case{
		New: func(t *testing.T) sink.Destination { return open(t, bit(c.ListenAddrs()...), config.FluentBit) },
		Broken: func(t *testing.T) sink.Destination {
			ln, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { ln.Close() })
			return open(t, bit(ln.Addr().String()), config.FluentBit)
		},
	})
}

// Neither goroutines nor connections before there is something to send.
func TestNothingIsStartedBeforeTheFirstSend(t *testing.T) {
	k := open(t, bit("127.0.0.1:1"), config.FluentBit)
	if k.client != nil {
		t.Error("got a client before the first Send")
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
}

func TestEachRecordIsStoredOnceUnderItsIDInItsTopic(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(2, "a", "b"))
	o := bit(c.ListenAddrs()...)
	o.Topics, o.TopicKey, o.MessageField, o.MessageKey = "a,b", "to", "user", "nobody"
	k := producer(t, o, config.FluentBit)
	req, err := sinktest.Encode(k,
		sinktest.Record("app", 1, "to", "b", "user", "ann"), sinktest.Record("app", 2, "to", "c"), sinktest.Record("app", 3, "to", "b", "user", "bob"))
	if err != nil {
		t.Fatal(err)
	}
	if r := k.Send(t.Context(), req); r.Verdict != sink.Done || r.Cause != sink.Answered || r.Err != nil || len(r.Items) > 0 {
		t.Fatalf("got %+v, want done", r)
	}
	a, b := consumed(t, c, "a", 1), consumed(t, c, "b", 2)
	r := a[0]
	if string(r.Value) != `{"@timestamp":1700000000.123456,"to":"c"}` || string(r.Key) != "nobody" || len(r.Headers) != 1 ||
		r.Headers[0].Key != "firelane-id" || string(r.Headers[0].Value) != sinktest.Record("app", 2).ID.String() {
		t.Errorf("got %s with the key %s and the headers %v", r.Value, r.Key, r.Headers)
	}
	keys := []string{string(b[0].Key), string(b[1].Key)}
	if slices.Sort(keys); !slices.Equal(keys, []string{"ann", "bob"}) {
		t.Errorf("got the keys %q, want ann and bob", keys)
	}
}

// A lost reply: the broker has stored the records, and says that it took too long. The client sends them again.
func TestRecordsWhoseAckWasLostAreStoredOnce(t *testing.T) {
	c := cluster(t)
	k := producer(t, bit(c.ListenAddrs()...), config.FluentBit)
	lost := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut, Count: 2})
	if r := k.Send(t.Context(), numbered(t, k, 50)); r.Verdict != sink.Done || r.Err != nil {
		t.Fatalf("got %+v, want done", r)
	}
	if lost.Hits() == 0 {
		t.Error("no request failed")
	}
	consumed(t, c, topic, 50)
}

// The wait for an ack ends before it comes; the loop sends the same records again.
func TestRecordsOfUnknownFateAreNotProducedASecondTime(t *testing.T) {
	c := cluster(t)
	k := producer(t, bit(c.ListenAddrs()...), config.FluentBit)
	lost := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut, Count: -1})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		lost.Wait(ctx, 3)
		cancel()
	}()
	req := numbered(t, k, 50)
	r := k.Send(ctx, req)
	if r.Verdict != sink.Again || r.Cause != sink.Unreached || r.Err == nil {
		t.Fatalf("got %+v, want again", r)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if r = k.Send(ctx, req); r.Verdict != sink.Again { // still no ack
		t.Fatalf("got %+v, want again", r)
	}
	lost.Remove()
	if r = k.Send(t.Context(), req); r.Verdict != sink.Done || r.Err != nil {
		t.Fatalf("got %+v, want done", r)
	}
	consumed(t, c, topic, 50)
	if len(k.late) > 0 {
		t.Errorf("got %d records whose outcome was taken, want none", len(k.late))
	}
}

// While it can't be known whether a record is stored, it is not produced again; once it is known that it isn't, it is.
func TestRecordsThatAreKnownNotToBeStoredAreProducedAnew(t *testing.T) {
	c := cluster(t)
	k := producer(t, bit(c.ListenAddrs()...), config.FluentBit)
	refused := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	req := numbered(t, k, 10)
	r := k.Send(t.Context(), req)
	if r.Verdict != sink.Done || r.Cause != sink.Answered || len(r.Items) != 10 || r.Items[0].Verdict != sink.Again || !r.Items[0].Busy ||
		r.Items[0].Type != "NOT_ENOUGH_REPLICAS" || !strings.Contains(r.Err.Error(), "min.insync.replicas") {
		t.Fatalf("got %+v, want each record again, and why", r)
	}
	refused.Remove()
	if r = k.Send(t.Context(), req); r.Verdict != sink.Done || len(r.Items) > 0 {
		t.Fatalf("got %+v, want done", r)
	}
	consumed(t, c, topic, 10)
}

func TestATopicThatIsMissingWaitsAndTheOthersGoOn(t *testing.T) {
	c := cluster(t)
	o := bit(c.ListenAddrs()...)
	o.TopicKey, o.DynamicTopic = "to", true
	k := producer(t, o, config.FluentBit)
	req, err := sinktest.Encode(k, sinktest.Record("app", 1, "log", "a"), sinktest.Record("app", 2, "to", "missing"), sinktest.Record("app", 3, "log", "b"))
	if err != nil {
		t.Fatal(err)
	}
	r := k.Send(t.Context(), req)
	if r.Verdict != sink.Done || r.Cause != sink.Answered || len(r.Items) != 1 || r.Items[0].Index != 1 || r.Items[0].Verdict != sink.Again ||
		!strings.Contains(r.Err.Error(), "producing to missing: ") || !strings.Contains(r.Err.Error(), "create the topic") {
		t.Fatalf("got %+v, want item 1 again with the topic's name", r)
	}
	consumed(t, c, topic, 2)
	if err := c.CreateTopic("missing", 1, nil); err != nil {
		t.Fatal(err)
	}
	one, _ := sinktest.Encode(k, sinktest.Record("app", 2, "to", "missing"))
	if r := k.Send(t.Context(), one); r.Verdict != sink.Done || len(r.Items) > 0 {
		t.Fatalf("got %+v, want done", r)
	}
	consumed(t, c, "missing", 1)
}

// A partition that doesn't answer holds up its own records, not those of the others, and is no refusal of them.
func TestRecordsOfUnknownFateWaitAlone(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "slow"))
	o := bit(c.ListenAddrs()...)
	o.TopicKey, o.DynamicTopic = "to", true
	k := producer(t, o, config.FluentBit)
	lost := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "slow", Err: kerr.RequestTimedOut, Count: -1})
	req, err := sinktest.Encode(k, sinktest.Record("app", 1, "to", "slow"), sinktest.Record("app", 2, "log", "a"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		lost.Wait(ctx, 3)
		cancel()
	}()
	r := k.Send(ctx, req)
	if r.Verdict != sink.Done || r.Cause != sink.Unreached || r.Err == nil || len(r.Items) != 1 || r.Items[0].Index != 0 || r.Items[0].Verdict != sink.Again {
		t.Fatalf("got %+v, want item 0 again, and no refusal", r)
	}
	lost.Remove()
	one, _ := sinktest.Encode(k, sinktest.Record("app", 1, "to", "slow"))
	if r := k.Send(t.Context(), one); r.Verdict != sink.Done || len(r.Items) > 0 {
		t.Fatalf("got %+v, want done", r)
	}
	consumed(t, c, "slow", 1)
	consumed(t, c, topic, 1)
}

// Only the record that is too large goes to the dead letter, not those that were in a batch with it.
func TestOfARefusedBatchOnlyTheRecordsThatAreRefusedAloneAreGivenUp(t *testing.T) {
	c := cluster(t)
	if err := c.CreateTopic("small", 1, map[string]string{"max.message.bytes": "2000"}); err != nil {
		t.Fatal(err)
	}
	o := bit(c.ListenAddrs()...)
	o.Topics = "small"
	k := producer(t, o, config.FluentBit)
	var records []*sink.Record
	for i := range 60 {
		text := strings.Repeat("x", 200)
		if i == 7 || i == 33 {
			text = strings.Repeat("x", 3000)
		}
		records = append(records, sinktest.Record("app", uint64(i), "log", text))
	}
	req, err := sinktest.Encode(k, records...)
	if err != nil {
		t.Fatal(err)
	}
	r := k.Send(t.Context(), req)
	if r.Verdict != sink.Done || len(r.Items) != 2 {
		t.Fatalf("got %+v, want two items", r)
	}
	for n, i := range []int{7, 33} {
		if it := r.Items[n]; it.Index != i || it.Verdict != sink.Never || it.Type != "MESSAGE_TOO_LARGE" || it.Status != 10 {
			t.Errorf("got %+v, want item %d never", it, i)
		}
	}
	consumed(t, c, "small", 58)
}

func TestRecordsThatTheBrokerCallsInvalidAreGivenUp(t *testing.T) {
	c := cluster(t)
	k := producer(t, bit(c.ListenAddrs()...), config.FluentBit)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidRecord, Count: -1})
	r := k.Send(t.Context(), numbered(t, k, 4))
	if r.Verdict != sink.Done || len(r.Items) != 4 || r.Items[3].Verdict != sink.Never || r.Items[3].Type != "INVALID_RECORD" {
		t.Fatalf("got %+v, want each record given up", r)
	}
}

func TestRefusedCredentialsAreUnauthorised(t *testing.T) {
	c := cluster(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "ann", "right"))
	c.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code // as Kafka does; the stand-in hangs up
		return resp, nil, true
	})
	o := bit(c.ListenAddrs()...)
	o.SecurityProtocol, o.SASLMechanism, o.SASLUsername, o.SASLPassword = "sasl_plaintext", "PLAIN", "ann", "wrong"
	k := producer(t, o, config.FluentBit)
	r := k.Send(t.Context(), numbered(t, k, 3))
	if r.Verdict != sink.Again || r.Cause != sink.Unauthorised || r.Err == nil {
		t.Errorf("got %+v, want unauthorised", r)
	}
}

func TestEachMechanismSignsIn(t *testing.T) {
	for _, m := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		c := cluster(t, kfake.EnableSASL(), kfake.Superuser(m, "ann", "right"))
		o := bit(c.ListenAddrs()...)
		o.SecurityProtocol, o.SASLMechanism, o.SASLUsername, o.SASLPassword = "sasl_plaintext", m, "ann", "right"
		k := producer(t, o, config.FluentBit)
		if r := k.Send(t.Context(), numbered(t, k, 3)); r.Verdict != sink.Done || r.Err != nil {
			t.Errorf("%s: got %+v, want done", m, r)
		}
		f := &Options{IDHeader: "false", Fluentd: Fluentd{DefaultTopic: topic}}
		f.Brokers, f.Username, f.Password = c.ListenAddrs(), "ann", "right"
		f.ScramMechanism = map[string]string{"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}[m]
		k = producer(t, f, config.Fluentd)
		if r := k.Send(t.Context(), numbered(t, k, 3)); r.Verdict != sink.Done || r.Err != nil {
			t.Errorf("Fluentd, %s: got %+v, want done", m, r)
		}
	}
}

func TestATopicWithoutPermissionWaitsAlone(t *testing.T) {
	c := cluster(t)
	o := bit(c.ListenAddrs()...)
	o.TopicKey, o.DynamicTopic = "to", true
	k := producer(t, o, config.FluentBit)
	if err := c.CreateTopic("secret", 1, nil); err != nil {
		t.Fatal(err)
	}
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "secret", Err: kerr.TopicAuthorizationFailed, Count: -1})
	req, err := sinktest.Encode(k, sinktest.Record("app", 1, "to", "secret"), sinktest.Record("app", 2, "log", "a"))
	if err != nil {
		t.Fatal(err)
	}
	r := k.Send(t.Context(), req)
	if r.Verdict != sink.Done || len(r.Items) != 1 || r.Items[0].Index != 0 || r.Items[0].Verdict != sink.Again || !strings.Contains(r.Err.Error(), "permission") {
		t.Errorf("got %+v, want item 0 again", r)
	}
}

func TestUnreachableBrokersAreNamed(t *testing.T) {
	k := producer(t, bit("127.0.0.1:1"), config.FluentBit)
	r := k.Send(t.Context(), numbered(t, k, 3))
	if r.Verdict != sink.Again || r.Cause != sink.Unreached || !strings.Contains(fmt.Sprint(r.Err), "127.0.0.1:1: ") {
		t.Errorf("got %+v, want again, unreached and the address", r)
	}
}

// So they are if the client gives a record up first: it says only that there are no partitions.
func TestAClientThatGivesUpDoesNotHideWhichBrokerFails(t *testing.T) {
	k := producer(t, bit("127.0.0.1:1"), config.FluentBit)
	k.config.Watch.OnBrokerConnect(kgo.BrokerMetadata{Host: "kafka", Port: 9092}, 0, nil, io.EOF)
	a := newAttempt(k, nil, make([]kgo.Record, 1), make([]recordID, 1))
	a.results.set([]int{0}, outcome{ended, errors.New("no partitions available")})
	if r := a.reply(); r.Cause != sink.Unreached || !strings.Contains(fmt.Sprint(r.Err), "kafka:9092: EOF") {
		t.Errorf("got %+v, want the broker and why it fails", r)
	}
	a.results.set([]int{0}, outcome{ended, kerr.MessageTooLarge})
	if r := a.reply(); len(r.Items) != 1 || !strings.Contains(r.Items[0].Reason, kerr.MessageTooLarge.Message) {
		t.Errorf("got %+v, want what a broker has refused", r)
	}
}

func TestBatchesAreCompressedAsConfigured(t *testing.T) {
	for n, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		c := cluster(t)
		o := bit(c.ListenAddrs()...)
		o.RdCompression = codec
		k := producer(t, o, config.FluentBit)
		req, err := sinktest.Encode(k, sinktest.Record("app", 1, "log", strings.Repeat("x", 5000)))
		if err != nil {
			t.Fatal(err)
		}
		if r := k.Send(t.Context(), req); r.Verdict != sink.Done {
			t.Fatalf("%s: got %+v", codec, r)
		}
		if got := consumed(t, c, topic, 1)[0].Attrs.CompressionType(); int(got) != n {
			t.Errorf("%s: got compression %d, want %d", codec, got, n)
		}
	}
}

// A Send ends with its context, also while another one waits for a broker that hangs, and holds up the others because it finds out
// which record of a batch is refused.
func TestASendEndsWithItsContextWhateverOthersWaitFor(t *testing.T) {
	c := cluster(t)
	k := producer(t, bit(c.ListenAddrs()...), config.FluentBit)
	hangs, asked := make(chan struct{}), 0
	defer close(hangs)
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if asked++; asked > 1 {
			<-hangs // the whole broker does
			return nil, nil, false
		}
		return answered(req.(*kmsg.ProduceRequest), kerr.MessageTooLarge.Code), nil, true
	})
	first, held := numbered(t, k, 2), make(chan sink.Reply, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		held <- k.Send(ctx, first)
		close(held)
	}()
	for len(k.turns.inside) < everybody { // until the first is alone
		if time.Sleep(time.Millisecond); t.Context().Err() != nil {
			t.Fatal("nothing was refused")
		}
	}
	limited, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	begin := time.Now()
	r := k.Send(limited, numbered(t, k, 3))
	if took := time.Since(begin); r.Verdict != sink.Again || r.Cause != sink.Unreached || r.Err == nil || took > 5*time.Second {
		t.Errorf("got %+v after %v, want again when the context has ended", r, took)
	}
	select {
	case r := <-held:
		t.Errorf("the first Send has ended, with %+v: it held nobody up", r)
	default:
	}
	cancel()
	<-held
}

// A stuckClient keeps records from being taken until open is closed.
type stuckClient struct{ open chan struct{} }

func (s stuckClient) OnProduceRecordBuffered(*kgo.Record) { <-s.open }

// A Send ends with its context, also if the client takes no records. What it takes later is produced once.
func TestASendEndsWithItsContextWhateverTheClientDoes(t *testing.T) {
	c := cluster(t)
	k := producer(t, bit(c.ListenAddrs()...), config.FluentBit)
	stuck := stuckClient{make(chan struct{})}
	release := sync.OnceFunc(func() { close(stuck.open) })
	time.AfterFunc(10*time.Second, release)
	k.opts = append(k.opts, kgo.WithHooks(stuck))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, begin := numbered(t, k, 50), time.Now()
	r := k.Send(ctx, req)
	if took := time.Since(begin); r.Verdict != sink.Again || r.Cause != sink.Unreached || r.Err == nil || took > 5*time.Second {
		t.Errorf("got %+v after %v, want again when the context has ended", r, took)
	}
	release()
	if r = k.Send(t.Context(), req); r.Verdict != sink.Done || r.Err != nil {
		t.Fatalf("got %+v, want done", r)
	}
	consumed(t, c, topic, 50)
}
