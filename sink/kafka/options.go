// Package kafka is the destination Kafka. Its client, franz-go, is an idempotent producer: it sends again what a broker hasn't
// acknowledged, and the broker stores it once.
package kafka

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/kafka"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
)

// Options are the options of the output kafka: Fluent Bit's kafka, and Fluentd's kafka2, rdkafka2 and rdkafka.
type Options struct {
	Topics        string `fluentbit:"topics" default:"fluent-bit" identity:"true" help:"topics, separated by commas; records go to the first one, unless topic_key says otherwise"`
	TopicKey      string `fluentbit:"topic_key" fluentd:"topic_key" default.fluentd:"topic" identity:"true" help:"field whose text is the topic; in Fluent Bit it must be one of topics, unless dynamic_topic is on"`
	DynamicTopic  bool   `fluentbit:"dynamic_topic" help:"a record's topic_key may name any topic"`
	Format        string `fluentbit:"format" oneof:"json,msgpack,gelf,raw" default:"json" help:"how a record is written: json, msgpack, gelf, or the text of raw_log_key alone"`
	RawLogKey     string `fluentbit:"raw_log_key" help:"field that format raw sends"`
	MessageKey    string `fluentbit:"message_key" help:"message key of records without message_key_field"`
	MessageField  string `fluentbit:"message_key_field" help:"field whose text is the message key"`
	TimestampKey  string `fluentbit:"timestamp_key" default:"@timestamp" help:"field that gets the record's time in json and msgpack"`
	TimestampForm string `fluentbit:"timestamp_format" oneof:"double,iso8601,iso8601_ns" default:"double" help:"format of that time"`
	GroupID       string `fluentbit:"group_id" help:"accepted; only consumers have one"`
	QueueRetries  string `fluentbit:"queue_full_retries" help:"accepted; records wait in firelane's own queue"`
	IDHeader      string `fluentbit:"id_header" fluentd:"id_header" default:"firelane-id" help:"header with the record's id, by which a consumer tells a record that was sent twice; false: none"`

	Gelf
	Producer
	Fluentd
	kafka.Options
	sink.OutputOptions
}

// Gelf are the options of format gelf.
type Gelf struct {
	GelfTimestamp    string `fluentbit:"gelf_timestamp_key" default:"timestamp" help:"gelf: field with the time; without it the record's own"`
	GelfHost         string `fluentbit:"gelf_host_key" default:"host" help:"gelf: field with the host's name"`
	GelfShortMessage string `fluentbit:"gelf_short_message_key" default:"short_message" help:"gelf: field with the message; a record without it goes to the dead letter"`
	GelfFullMessage  string `fluentbit:"gelf_full_message_key" default:"full_message" help:"gelf: field with the long message"`
	GelfLevel        string `fluentbit:"gelf_level_key" default:"level" help:"gelf: field with the level, 0 to 7 or a syslog keyword"`
}

// Producer are librdkafka's properties of producers.
type Producer struct {
	RdAcks         string `fluentbit:"rdkafka.request.required.acks,rdkafka.acks" oneof:"all,-1,0,1" help:"all in-sync replicas acknowledge each record, whatever is written here"`
	RdIdempotence  *bool  `fluentbit:"rdkafka.enable.idempotence" help:"false: a record may be stored twice; only for brokers that can't tell, or users that may not (IdempotentWrite, before Kafka 3.0)"`
	RdCompression  string `fluentbit:"rdkafka.compression.codec,rdkafka.compression.type" oneof:"none,gzip,snappy,lz4,zstd" help:"compression of batches; default none"`
	RdPartitioner  string `fluentbit:"rdkafka.partitioner" oneof:"random,consistent,consistent_random,murmur2,murmur2_random,fnv1a,fnv1a_random" default:"consistent_random" help:"hash of the message key that chooses the partition: CRC32 (consistent), murmur2 or fnv1a; records without a key are spread"`
	RdMaxBytes     int    `fluentbit:"rdkafka.message.max.bytes,rdkafka.batch.size" help:"bytes of a batch before compression, and of a record; default 1000000, as the brokers"`
	RdLinger       string `fluentbit:"rdkafka.queue.buffering.max.ms,rdkafka.linger.ms" help:"accepted; records wait for more in firelane's own queue"`
	RdAckTimeout   int    `fluentbit:"rdkafka.request.timeout.ms" help:"ms that a broker may wait for its replicas; default 10 s"`
	RdAutoCreate   *bool  `fluentbit:"rdkafka.allow.auto.create.topics" help:"let brokers make missing topics, if they are set to; on by default"`
	RdNoEffectProd string `fluentbit:"rdkafka.message.timeout.ms,rdkafka.delivery.timeout.ms,rdkafka.message.send.max.retries,rdkafka.retries,rdkafka.queue.buffering.max.messages,rdkafka.queue.buffering.max.kbytes,rdkafka.batch.num.messages,rdkafka.max.in.flight,rdkafka.max.in.flight.requests.per.connection,rdkafka.queue.buffering.backpressure.threshold,rdkafka.compression.level,rdkafka.sticky.partitioning.linger.ms,rdkafka.transaction.timeout.ms" help:"accepted"`
}

// Fluentd are the options that only Fluentd's kafka2, rdkafka2 and rdkafka have.
type Fluentd struct {
	Topic             string        `fluentd:"topic" identity:"true" help:"topic, with placeholders such as ${tag}; default: the field of topic_key, else default_topic, else the tag"`
	DefaultTopic      string        `fluentd:"default_topic" identity:"true" help:"topic of records without topic_key"`
	MessageKeyKey     string        `fluentd:"message_key_key" default:"message_key" help:"field whose text is the message key"`
	DefaultMessageKey string        `fluentd:"default_message_key" help:"message key of records without that field"`
	PartitionKey      string        `fluentd:"partition_key" default:"partition" help:"field with the number of the partition"`
	DefaultPartition  *int          `fluentd:"default_partition" help:"partition of records without that field; default: by the message key"`
	HashFunction      string        `fluentd:"partitioner_hash_function" oneof:"crc32,murmur2" default:"crc32" help:"hash of the message key that chooses the partition"`
	RecordKey         string        `fluentd:"record_key" help:"field that is sent instead of the whole record"`
	ExcludeTopic      bool          `fluentd:"exclude_topic_key" help:"don't send the field of topic_key"`
	ExcludeKey        bool          `fluentd:"exclude_message_key" help:"don't send the field of message_key_key"`
	ExcludePartition  bool          `fluentd:"exclude_partition" help:"don't send the field of partition_key"`
	ExcludeFields     []string      `fluentd:"exclude_fields" help:"fields that are not sent, such as $.a.b"`
	EventTime         bool          `fluentd:"use_event_time" help:"the message's time is the event's, instead of the time of sending"`
	Headers           string        `fluentd:"headers" help:"JSON object of headers for all messages"`
	HeadersFromRecord string        `fluentd:"headers_from_record" help:"JSON object of headers with the fields of their values, such as $.a.b"`
	Idempotent        *bool         `fluentd:"idempotent" help:"accepted; the producer is always idempotent"`
	Codec             string        `fluentd:"compression_codec" oneof:"none,gzip,snappy,lz4,zstd" help:"compression of batches; default none"`
	Acks              string        `fluentd:"required_acks" oneof:"all,-1,0,1" help:"all in-sync replicas acknowledge each record, whatever is written here"`
	AckTimeout        time.Duration `fluentd:"ack_timeout" help:"how long a broker may wait for its replicas; default 10s"`
	MaxSend           config.Size   `fluentd:"max_send_limit_bytes" help:"a larger record goes to the dead letter; default 1000000"`

	FluentdFormat *format.Options       `fluentd:"<format>" help:"how a record is written; default @type json"`
	Inject        *format.InjectOptions `fluentd:"<inject>" help:"fields to add"`

	NoEffect      string        `fluentd:"max_send_retries,socket_timeout,connect_timeout,share_producer,get_kafka_client_log,resolve_seed_brokers,discard_kafka_delivery_failed_regex,ignore_exceptions,exception_backup,active_support_notification_regex,rdkafka_buffering_max_ms,rdkafka_buffering_max_messages,rdkafka_message_max_num,rdkafka_delivery_handle_poll_timeout,max_enqueue_retries,enqueue_retry_backoff,unrecoverable_error_codes,service_name" help:"accepted"`
	Discard       *bool         `fluentd:"discard_kafka_delivery_failed" ignored:"records that are refused for good go to the dead letter, and others are sent again" help:"no effect: records that are refused for good go to the dead letter, and others are sent again"`
	PartitionHash string        `fluentd:"partition_key_key,default_partition_key,exclude_partition_key" ignored:"the partition is chosen by the message key" help:"no effect: the partition is chosen by the message key"`
	UseDefault    *bool         `fluentd:"use_default_for_unknown_topic,use_default_for_unknown_partition_error" ignored:"records for a topic that doesn't exist wait for it" help:"no effect: records for a topic that doesn't exist wait for it"`
	MaxRate       config.Size   `fluentd:"max_enqueue_bytes_per_second" ignored:"the brokers' quotas are kept" help:"no effect: the brokers' quotas are kept"`
	RdOptions     config.Secret `fluentd:"rdkafka_options" help:"JSON object of librdkafka's properties: those that Fluent Bit's dialect has as rdkafka.NAME have an effect"`
	RdMessageMax  int           `fluentd:"rdkafka_message_max_bytes" help:"as max_send_limit_bytes"`
}

// Check reports the mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error {
	if err := o.CheckOutput(d); err != nil {
		return err
	}
	if _, err := kafka.SetProperties(o, string(o.RdOptions)); err != nil {
		return &config.OptionError{Option: "rdkafka_options", Reason: err.Error()}
	}
	if err := o.CheckClient(d); err != nil {
		return err
	}
	if d == config.FluentBit && o.Format == "raw" && o.RawLogKey == "" {
		return &config.OptionError{Option: "raw_log_key", Reason: "is missing; want the field that format raw sends"}
	}
	for _, name := range o.topics() {
		if err := checkTopic(name); err != nil {
			return &config.OptionError{Option: "topics", Reason: err.Error()}
		}
	}
	if o.MaxSend < 0 || o.RdMaxBytes < 0 || o.RdMessageMax < 0 {
		return &config.OptionError{Option: "rdkafka.message.max.bytes", Reason: "must not be negative"}
	}
	if o.DefaultPartition != nil && *o.DefaultPartition < 0 {
		return &config.OptionError{Option: "default_partition", Reason: "must not be negative"}
	}
	if _, err := newEncoder(o, d, sink.Env{}); err != nil {
		return err
	}
	return nil
}

// Warnings returns a line for each option that was set and does not do here what its name promises.
func (o *Options) Warnings() []string {
	w := o.OutputOptions.Warnings()
	for _, acks := range []struct{ name, value string }{{"rdkafka.request.required.acks", o.RdAcks}, {"required_acks", o.Acks}} {
		if acks.value == "0" || acks.value == "1" {
			w = append(w, acks.name+" "+acks.value+" is less than is waited for here: all in-sync replicas acknowledge each record, so that none is lost or stored twice when a leader changes")
		}
	}
	if o.RdIdempotence != nil && !*o.RdIdempotence {
		w = append(w, "rdkafka.enable.idempotence false: records may be stored twice when a connection breaks")
	}
	if unknown, _ := kafka.SetProperties(o, string(o.RdOptions)); len(unknown) > 0 {
		w = append(w, "rdkafka_options: these have no effect here: "+strings.Join(unknown, ", "))
	}
	if len(o.topics()) > 1 && o.TopicKey == "" {
		w = append(w, "topics has more than one topic, but there is no topic_key: all records go to "+o.topics()[0])
	}
	return w
}

// topics lists Fluent Bit's topics.
func (o *Options) topics() (list []string) {
	for t := range strings.SplitSeq(o.Topics, ",") {
		if t = strings.TrimSpace(t); t != "" {
			list = append(list, t)
		}
	}
	return list
}

// hash parses a JSON object of texts, in which Fluentd's options have hashes. Members are in the order of the text.
func hash(option, text string) (pairs []config.Pair, err error) {
	if text == "" {
		return nil, nil
	}
	bad := &config.OptionError{Option: option, Reason: `is not an object; want, for example, {"name": "value"}`}
	dec := json.NewDecoder(strings.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, bad
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, bad
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, bad
		}
		name, _ := key.(string)
		pairs = append(pairs, config.Pair{Key: name, Value: fmt.Sprint(value)})
	}
	if _, err := dec.Token(); err != nil {
		return nil, bad
	}
	return pairs, nil
}
