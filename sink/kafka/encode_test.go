package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
	"github.com/firelane/firelane/sink/sinktest"
)

// fromJSON makes a record of JSON.
func fromJSON(t *testing.T, js string) *sink.Record {
	t.Helper()
	r := sinktest.Record("app.web", 7)
	var err error
	if r.Body, err = record.AppendFromJSON(nil, []byte(js)); err != nil {
		t.Fatal(err)
	}
	return r
}

// messageOf is what the client gets of a record.
func messageOf(t *testing.T, k *destination, r *sink.Record) (rec kgo.Record) {
	t.Helper()
	topic, err := k.Key(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	item, err := k.Append([]byte("before"), r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.decode(&rec, nil, item[len("before"):]); err != nil {
		t.Fatal(err)
	}
	rec.Topic = string(topic)
	return rec
}

func TestFormatsOfFluentBit(t *testing.T) {
	const js = `{"log":"hi","n":1,"short_message":"m","level":"err","a":{"b c":[1,{"k":"v"},true],"d":null},"id":3,"ok":true}`
	for name, tt := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"json":        {func(o *Options) {}, `{"@timestamp":1700000000.123456,` + js[1:]},
		"iso8601":     {func(o *Options) { o.TimestampForm, o.TimestampKey = "iso8601", "t" }, `{"t":"2023-11-14T22:13:20.123456Z",` + js[1:]},
		"iso8601_ns":  {func(o *Options) { o.TimestampForm = "iso8601_ns" }, `{"@timestamp":"2023-11-14T22:13:20.123456789Z",` + js[1:]},
		"raw_log_key": {func(o *Options) { o.Format, o.RawLogKey = "raw", "log" }, "hi"},
		"gelf": {func(o *Options) { o.Format = "gelf" },
			`{"version":"1.1","_log":"hi","_n":1,"short_message":"m","level":3,"_a_b_c":"1, k=v, true","_ok":"true","timestamp":1700000000.123}`},
	} {
		o := bit("127.0.0.1:1")
		o.Gelf = Gelf{"timestamp", "host", "short_message", "full_message", "level"}
		tt.change(o)
		if got := messageOf(t, producer(t, o, config.FluentBit), fromJSON(t, js)); string(got.Value) != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got.Value, tt.want)
		}
	}
}

func TestMessagePackHasTheTimeAndTheMembers(t *testing.T) {
	for form, want := range map[string]string{
		"double": `{"@timestamp":1700000000.1234567,"log":"hi"}`, "iso8601": `{"@timestamp":"2023-11-14T22:13:20.123456Z","log":"hi"}`,
		"iso8601_ns": `{"@timestamp":"2023-11-14T22:13:20.123456789Z","log":"hi"}`,
	} {
		o := bit("127.0.0.1:1")
		o.Format, o.TimestampForm = "msgpack", form
		got := messageOf(t, producer(t, o, config.FluentBit), fromJSON(t, `{"log":"hi"}`)).Value
		if n, err := record.Check(got); err != nil || n != len(got) || string(record.AppendJSON(nil, got)) != want {
			t.Errorf("%s: got %s (%v), want %s", form, record.AppendJSON(nil, got), err, want)
		}
	}
}

func TestRecordsThatCannotBeWrittenSayWhy(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"raw":   {func(o *Options) { o.Format, o.RawLogKey = "raw", "message" }, "no text in the field message"},
		"gelf":  {func(o *Options) { o.Format, o.GelfShortMessage = "gelf", "message" }, "gelf_short_message_key"},
		"level": {func(o *Options) { o.Format, o.GelfShortMessage, o.GelfLevel = "gelf", "log", "l" }, "level"},
	} {
		o := bit("127.0.0.1:1")
		tt.change(o)
		k := producer(t, o, config.FluentBit)
		out, err := k.Append([]byte("before"), fromJSON(t, `{"log":"hi","l":{"a":1}}`))
		if err == nil || !strings.Contains(err.Error(), tt.want) || string(out) != "before" {
			t.Errorf("%s: got %q and %v, want an error with %q", name, out, err, tt.want)
		}
	}
}

// Each member of nested maps repeats their names: what becomes of a few kilobytes has a limit.
func TestGelfOfLongNamesIsLimited(t *testing.T) {
	name := strings.Repeat("n", 100_000)
	var js strings.Builder
	fmt.Fprintf(&js, `{"short_message":"m","%s":{`, name)
	for i := range 1000 {
		fmt.Fprintf(&js, `"%d":1,`, i)
	}
	o := bit("127.0.0.1:1")
	o.Format, o.GelfShortMessage = "gelf", "short_message"
	out, err := producer(t, o, config.FluentBit).Append(nil, fromJSON(t, js.String()+`"x":1}}`))
	if err == nil || len(out) > 0 || cap(out) > 4*record.MaxJSON {
		t.Errorf("got %d bytes and %v, want an error", len(out), err)
	}
}

func fluentd(change func(*Options)) *Options {
	o := &Options{TopicKey: "topic", IDHeader: "false", Fluentd: Fluentd{MessageKeyKey: "message_key", PartitionKey: "partition", HashFunction: "crc32"}}
	o.Brokers = []string{"127.0.0.1:1"}
	change(o)
	return o
}

func TestOptionsOfFluentd(t *testing.T) {
	const js = `{"log":"hi","topic":"t1","message_key":"k1","partition":2,"a":{"b":5,"c":"x"}}`
	three, no := 3, false
	for name, tt := range map[string]struct {
		change    func(*Options)
		topic     string
		key       string
		partition int32
		headers   string
		value     string
	}{
		"defaults":   {func(o *Options) {}, "t1", "k1", 2, "", js},
		"other keys": {func(o *Options) { o.TopicKey, o.MessageKeyKey, o.PartitionKey = "x", "log", "y" }, "app.web", "hi", -1, "", js},
		"fallbacks": {func(o *Options) {
			o.TopicKey, o.DefaultTopic, o.MessageKeyKey, o.DefaultMessageKey, o.PartitionKey, o.DefaultPartition = "x", "d", "x", "dk", "x", &three
		}, "d", "dk", 3, "", js},
		"template": {func(o *Options) { o.Topic = "logs-${tag[1]}" }, "logs-web", "k1", 2, "", js},
		"headers": {func(o *Options) {
			o.Headers, o.HeadersFromRecord = `{"h1":"v1","h2":2}`, `{"h3":"$.a.b","h4":"log","h5":"none"}`
		}, "t1", "k1", 2, "h1=v1 h2=2 h3=5 h4=hi", js},
		"excluded": {func(o *Options) {
			o.ExcludeTopic, o.ExcludeKey, o.ExcludePartition, o.ExcludeFields = true, true, true, []string{"$.a.b"}
		}, "t1", "k1", 2, "", `{"log":"hi","a":{"c":"x"}}`},
		"record_key": {func(o *Options) { o.RecordKey = "$.a" }, "t1", "k1", 2, "", `{"b":5,"c":"x"}`},
		"one value":  {func(o *Options) { o.RecordKey = "$.a.c" }, "t1", "k1", 2, "", `"x"`},
		"format": {func(o *Options) {
			o.FluentdFormat = &format.Options{Type: "single_value", MessageKey: "log", AddNewline: &no}
		}, "t1", "k1", 2, "", "hi"},
		"ltsv": {func(o *Options) {
			o.RecordKey, o.FluentdFormat = "a", &format.Options{Type: "ltsv", LabelDelimiter: ":"}
		}, "t1", "k1", 2, "", "b:5\tc:x"},
		"inject": {func(o *Options) { o.RecordKey, o.Inject = "", &format.InjectOptions{TagKey: "tag"} }, "t1", "k1", 2, "", js[:len(js)-1] + `,"tag":"app.web"}`},
	} {
		got := messageOf(t, producer(t, fluentd(tt.change), config.Fluentd), fromJSON(t, js))
		var headers []string
		for _, h := range got.Headers {
			headers = append(headers, h.Key+"="+string(h.Value))
		}
		if got.Topic != tt.topic || string(got.Key) != tt.key || got.Partition != tt.partition || strings.Join(headers, " ") != tt.headers || string(got.Value) != tt.value {
			t.Errorf("%s: got topic %s, key %s, partition %d, headers %q and %s\nwant %s", name, got.Topic, got.Key, got.Partition, headers, got.Value, tt.value)
		}
	}
	got := messageOf(t, producer(t, fluentd(func(o *Options) { o.EventTime = true }), config.Fluentd), fromJSON(t, js))
	if got.Timestamp.UnixMilli() != 1_700_000_000_123 {
		t.Errorf("got the time %v, want the event's", got.Timestamp)
	}
}

func TestTopicsOfFluentBit(t *testing.T) {
	o := bit("127.0.0.1:1")
	o.Topics, o.TopicKey = "a, b", "to"
	for dynamic, cases := range map[bool]map[string]string{
		false: {`{}`: "a", `{"to":"b"}`: "b", `{"to":"c"}`: "a", `{"to":5}`: "a"},
		true:  {`{}`: "a", `{"to":"b"}`: "b", `{"to":"c.d-e_f"}`: "c.d-e_f", `{"to":"c,d"}`: "a", `{"to":"` + strings.Repeat("x", 250) + `"}`: "a"},
	} {
		o.DynamicTopic = dynamic
		k := producer(t, o, config.FluentBit)
		for js, want := range cases {
			if got, err := k.Key(nil, fromJSON(t, js)); err != nil || string(got) != want {
				t.Errorf("dynamic %v, %s: got %s and %v, want %s", dynamic, js, got, err, want)
			}
		}
	}
	o.DynamicTopic = true
	k := producer(t, o, config.FluentBit)
	for _, bad := range []string{"a b", "ä", "..", "a/b"} {
		if got, err := k.Key([]byte("x"), fromJSON(t, `{"to":"`+bad+`"}`)); err == nil || string(got) != "x" {
			t.Errorf("%s: got %s, want an error", bad, got)
		}
	}
}

// A key stays in the partition where the plugin that the options are of has put it: CRC32 as librdkafka and ruby-kafka, murmur2
// as Java.
func TestKeysGoToThePartitionOfTheOriginal(t *testing.T) {
	for kind, want := range map[string][]int{ // of the keys below, among 10
		"consistent_random": {7, 7, 3}, "murmur2_random": {1, 4, 9},
	} {
		o := bit("127.0.0.1:1")
		o.RdPartitioner = kind
		p := o.partitioner(config.FluentBit).ForTopic("t").(kgo.TopicBackupPartitioner)
		var got []int
		for _, key := range []string{"key", "ann", "a longer key"} {
			r := &kgo.Record{Partition: -1, Key: []byte(key)}
			if !p.RequiresConsistency(r) {
				t.Errorf("%s: a key doesn't choose the partition", kind)
			}
			got = append(got, p.PartitionByBackup(r, 10, backups(10)))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", kind, got, want)
		}
		if n := p.PartitionByBackup(&kgo.Record{Partition: 7, Key: []byte("key")}, 10, backups(10)); n != 7 {
			t.Errorf("%s: got partition %d for a record that asks for 7", kind, n)
		}
	}
}

// backups are partitions in which nothing waits.
type backups int

func (b backups) Next() (int, int64) { return 0, 0 }
func (b backups) Rem() int           { return 0 }

func TestWrongOptionsAreFound(t *testing.T) {
	for name, tt := range map[string]struct {
		d      config.Dialect
		change func(*Options)
		want   string
	}{
		"raw":       {config.FluentBit, func(o *Options) { o.Format = "raw" }, "raw_log_key: is missing"},
		"topic":     {config.FluentBit, func(o *Options) { o.Topics = "a b" }, "topics: "},
		"oauth":     {config.FluentBit, func(o *Options) { o.SASLMechanism = "OAUTHBEARER" }, "rdkafka.sasl.mechanism: "},
		"no sasl":   {config.FluentBit, func(o *Options) { o.SecurityProtocol = "sasl_ssl" }, "rdkafka.security.protocol: "},
		"key alone": {config.FluentBit, func(o *Options) { o.SecurityProtocol, o.KeyLocation = "ssl", "k.pem" }, "tls.crt_file: "},
		"headers":   {config.Fluentd, func(o *Options) { o.Headers = "a" }, "headers: is not an object"},
		"principal": {config.Fluentd, func(o *Options) { o.Principal = "p" }, "principal: "},
		"partition": {config.Fluentd, func(o *Options) { n := -1; o.DefaultPartition = &n }, "default_partition: "},
	} {
		o := bit("127.0.0.1:1")
		if tt.d == config.Fluentd {
			o = fluentd(func(*Options) {})
		}
		tt.change(o)
		if err := o.Check(tt.d); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}

// Append and Key are called for each record.
func BenchmarkAppend(b *testing.B) {
	o := bit("127.0.0.1:1")
	k, err := New(o, config.FluentBit, sink.Env{})
	if err != nil {
		b.Fatal(err)
	}
	r := sinktest.Record("app.web", 7, "log", strings.Repeat("x", 400), "stream", "stdout")
	var body, key []byte
	b.ReportAllocs()
	for b.Loop() {
		if key, err = k.(sink.Keyer).Key(key[:0], r); err != nil {
			b.Fatal(err)
		}
		if body, err = k.Append(body[:0], r); err != nil {
			b.Fatal(err)
		}
	}
}
