// Package kafka is the input that consumes topics of Kafka as a member of a consumer group. Offsets are committed when the
// records are in the queues; a record that is consumed twice, by this router or by another one, has the same id.
package kafka

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/kafka"
)

// Options are the options of the input kafka.
type Options struct {
	Topics      string      `fluentbit:"topics" help:"topics to consume, separated by commas; one that begins with ^ is a regular expression for names"`
	Format      string      `fluentbit:"format" oneof:"none,json" default:"none" help:"json: a message that is JSON becomes that value in the field payload; none: payload is text"`
	GroupID     string      `fluentbit:"group_id" default:"fluent-bit" help:"consumer group, whose members share the partitions"`
	PollMs      int         `fluentbit:"poll_ms" default:"500" help:"ms between two polls while there are no more messages"`
	MaxSize     config.Size `fluentbit:"buffer_max_size" default:"4M" help:"bytes that a broker is asked for at once; at most 1 MiB"`
	PollTimeout int         `fluentbit:"poll_timeout_ms" help:"accepted"`
	AutoCommit  *bool       `fluentbit:"enable_auto_commit" help:"accepted; offsets are committed when the records are in the queues"`
	IDHeader    string      `fluentbit:"id_header" default:"firelane-id" help:"header with a record's id that an output kafka of firelane has written, by which a record that was produced twice has one id; false: don't read it"`
	Tag         string      `fluentbit:"tag" help:"tag of every event; unless written, the name of the input"`

	Consumer
	kafka.Options
	input.CommonOptions
}

// Consumer are librdkafka's properties of consumers.
type Consumer struct {
	RdGroup        string `fluentbit:"rdkafka.group.id" help:"as group_id"`
	RdReset        string `fluentbit:"rdkafka.auto.offset.reset,rdkafka.topic.auto.offset.reset" oneof:"smallest,earliest,beginning,largest,latest,end,error" help:"where a group begins that has no committed offset: earliest, or latest (the default)"`
	RdAssignment   string `fluentbit:"rdkafka.partition.assignment.strategy" help:"range, roundrobin or cooperative-sticky (the default), or several separated by commas; all members of a group need a common one"`
	RdInstance     string `fluentbit:"rdkafka.group.instance.id" help:"static membership: a member that comes back within the session timeout gets its partitions without a rebalance"`
	RdRack         string `fluentbit:"rdkafka.client.rack" help:"rack or availability zone, to read from the nearest replica"`
	RdIsolation    string `fluentbit:"rdkafka.isolation.level" oneof:"read_committed,read_uncommitted" default:"read_committed" help:"whether records of transactions that have not been committed are read"`
	RdSession      int    `fluentbit:"rdkafka.session.timeout.ms" help:"ms without a heartbeat after which a member has left; default 45000"`
	RdHeartbeat    int    `fluentbit:"rdkafka.heartbeat.interval.ms" help:"ms between heartbeats; default 3000"`
	RdRebalance    int    `fluentbit:"rdkafka.max.poll.interval.ms" help:"ms that a member may take to give up a partition: for what it has read to be in the queues; default 60000"`
	RdFetchWait    int    `fluentbit:"rdkafka.fetch.wait.max.ms,rdkafka.fetch.max.wait.ms" help:"ms that a broker may wait for messages; default 500"`
	RdFetchMin     int    `fluentbit:"rdkafka.fetch.min.bytes" help:"bytes for which it waits; default 1"`
	RdFetchMax     int    `fluentbit:"rdkafka.fetch.max.bytes,rdkafka.receive.message.max.bytes" help:"accepted; use buffer_max_size"`
	RdPartitionMax int    `fluentbit:"rdkafka.max.partition.fetch.bytes,rdkafka.fetch.message.max.bytes" help:"bytes of one partition in a fetch; at most buffer_max_size"`
	RdNoEffect     string `fluentbit:"rdkafka.enable.auto.commit,rdkafka.auto.commit.interval.ms,rdkafka.enable.auto.offset.store,rdkafka.queued.min.messages,rdkafka.queued.max.messages.kbytes,rdkafka.fetch.error.backoff.ms,rdkafka.check.crcs,rdkafka.enable.partition.eof,rdkafka.allow.auto.create.topics" help:"accepted"`
}

// Check reports the mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error {
	if err := o.CheckClient(d); err != nil {
		return err
	}
	if len(o.topics()) == 0 {
		return &config.OptionError{Option: "topics", Reason: "is missing; want the topics to consume, separated by commas"}
	}
	if o.PollMs < 0 {
		return &config.OptionError{Option: "poll_ms", Reason: "must not be negative"}
	}
	if names, patterns := o.patterns(); patterns {
		for i, p := range names {
			if _, err := regexp.Compile(p); err != nil {
				return &config.OptionError{Option: "topics", Reason: fmt.Sprintf("%q is not a regular expression: %v", o.topics()[i], err)}
			}
		}
	}
	_, err := o.balancers()
	return err
}

// Warnings returns a line for each option that was set and does not do here what its name promises.
func (o *Options) Warnings() (w []string) {
	if strings.Contains(o.Topics, ":") {
		w = append(w, "topics: partitions after a colon have no effect: the group's members share all partitions of a topic")
	}
	if o.RdReset == "error" {
		w = append(w, "rdkafka.auto.offset.reset error: a group without a committed offset begins at the end")
	}
	return w
}

// topics lists the topics. As in Fluent Bit, "topic:0-3" is the whole topic.
func (o *Options) topics() (list []string) {
	for t := range strings.SplitSeq(o.Topics, ",") {
		t, _, _ = strings.Cut(strings.TrimSpace(t), ":")
		if t != "" {
			list = append(list, t)
		}
	}
	return list
}

// patterns are regular expressions for the topics, if one of them is one, as in librdkafka.
func (o *Options) patterns() (list []string, some bool) {
	for _, t := range o.topics() {
		if strings.HasPrefix(t, "^") {
			some = true
		} else {
			t = "^" + regexp.QuoteMeta(t) + "$"
		}
		list = append(list, t)
	}
	return list, some
}

// group is the consumer group.
func (o *Options) group() string {
	if o.RdGroup != "" {
		return o.RdGroup
	}
	return o.GroupID
}

func (o *Options) balancers() (list []kgo.GroupBalancer, err error) {
	for name := range strings.SplitSeq(o.RdAssignment, ",") {
		switch strings.TrimSpace(name) {
		case "":
		case "range":
			list = append(list, kgo.RangeBalancer())
		case "roundrobin":
			list = append(list, kgo.RoundRobinBalancer())
		case "cooperative-sticky":
			list = append(list, kgo.CooperativeStickyBalancer())
		default:
			return nil, &config.OptionError{Option: "rdkafka.partition.assignment.strategy",
				Reason: fmt.Sprintf("%q is not supported; want range, roundrobin or cooperative-sticky", name)}
		}
	}
	if len(list) == 0 {
		list = []kgo.GroupBalancer{kgo.CooperativeStickyBalancer()}
	}
	return list, nil
}

// fetchBytes is how many bytes a broker is asked for at once.
func (o *Options) fetchBytes() int32 {
	if o.MaxSize < 1 || o.MaxSize > kafka.MaxFetch {
		return kafka.MaxFetch
	}
	return int32(max(o.MaxSize, minFetch))
}

// partitionBytes is how many bytes of one partition a broker is asked for at once.
func (o *Options) partitionBytes() int32 {
	if o.RdPartitionMax > 0 {
		return int32(min(o.RdPartitionMax, int(o.fetchBytes())))
	}
	return min(o.fetchBytes(), maxPartition)
}

// consumer returns the client's options for consuming.
func (o *Options) consumer() ([]kgo.Opt, error) {
	balancers, err := o.balancers()
	if err != nil {
		return nil, err
	}
	fetch := o.fetchBytes()
	opts := []kgo.Opt{
		kgo.ConsumerGroup(o.group()),
		kgo.Balancers(balancers...),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), // until what was polled is in the queues, and its offsets are committed
		kgo.FetchMaxBytes(fetch),
		kgo.FetchMaxPartitionBytes(o.partitionBytes()),
		kgo.MaxConcurrentFetches(maxFetches),
		kgo.MaxDecompressBatchBytes(maxBatch),
		kgo.FetchMaxWait(millis(o.RdFetchWait, fetchWait)),
		kgo.FetchMinBytes(int32(min(max(o.RdFetchMin, 1), int(fetch)))),
		kgo.Rack(o.RdRack),
	}
	if patterns, some := o.patterns(); some {
		opts = append(opts, kgo.ConsumeTopics(patterns...), kgo.ConsumeRegex())
	} else {
		opts = append(opts, kgo.ConsumeTopics(o.topics()...))
	}
	switch o.RdReset {
	case "smallest", "earliest", "beginning":
		opts = append(opts, kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	default:
		opts = append(opts, kgo.ConsumeStartOffset(kgo.NewOffset().AtEnd()))
	}
	if o.RdIsolation == "read_committed" {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if o.RdInstance != "" {
		opts = append(opts, kgo.InstanceID(o.RdInstance))
	}
	session := millis(o.RdSession, sessionTime)
	opts = append(opts,
		kgo.SessionTimeout(session),
		kgo.HeartbeatInterval(min(millis(o.RdHeartbeat, heartbeatTime), session/3)),
		kgo.RebalanceTimeout(millis(o.RdRebalance, rebalanceTime)))
	return opts, nil
}

// millis returns n milliseconds, or fallback if n isn't positive.
func millis(n int, fallback time.Duration) time.Duration {
	if n <= 0 {
		return fallback
	}
	return time.Duration(n) * time.Millisecond
}
