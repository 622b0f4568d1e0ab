package kafka

import (
	"context"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/kafka"
	"github.com/firelane/firelane/sink"
)

// Limits of the destination.
const (
	requestBytes  = 512 << 10 // bytes of a request
	requestItems  = 5000      // items of a request
	maxBuffered   = 4 << 20   // bytes of records that the client holds, or one record, if that is more
	maxRecords    = 20_000    // records that the client holds
	defaultMaxMsg = 1_000_000 // bytes of a batch and of a record (librdkafka's message.max.bytes; the brokers' is 12 more)
	maxMsg        = 16 << 20  // the most that a user may ask for
	maxResponse   = 2 << 20   // bytes of a broker's response: the largest is about a cluster's brokers and the topics' partitions
	batchOverhead = 512       // bytes that a batch and a record take in addition to key, value and headers, at most

	sendTime     = 30 * time.Second // for the brokers to take a request
	brokenTime   = 5 * time.Second  // the same, while no broker can be reached
	refusedTime  = time.Second      // the same, while the credentials are refused
	ackTimeout   = 10 * time.Second // for a broker to wait for its replicas
	tries        = 4                // resends of a record by the client before its failure is reported, if it is known not to be stored
	unknownTries = 4                // the same, if its topic doesn't exist
	linger       = 5 * time.Millisecond
	batchSpread  = 64 << 10 // bytes of records without a key that go to one partition, before the next one is chosen
)

// A destination produces to the topics of a cluster.
type destination struct {
	*encoder
	config *kafka.Config
	opts   []kgo.Opt
	log    zerolog.Logger
	max    int // bytes of an item

	// turns are taken alone by those who find out which record of a batch is refused, and shared by all others: in a batch are
	// records of several requests.
	turns   turns
	leaving sync.WaitGroup // Sends that have ended, and have their places yet

	mu     sync.Mutex
	client *kgo.Client // nil before the first Send
	late   lateRecords
}

// New makes a destination. It reads the certificates' files, and neither connects nor starts anything.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	e, err := newEncoder(o, d, env)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	c, err := o.Config(d, env.Common, env.Log)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	k := &destination{encoder: e, config: c, log: env.Log, max: o.maxMessage(), turns: newTurns()}
	k.opts = append(c.Options, o.producer(d)...)
	if err := kgo.ValidateOpts(k.opts...); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return k, nil
}

// maxMessage returns how many bytes a batch and a record may have.
func (o *Options) maxMessage() int {
	n := max(o.RdMaxBytes, int(o.MaxSend), o.RdMessageMax)
	if n == 0 {
		n = defaultMaxMsg
	}
	return min(max(n, 2*batchOverhead), maxMsg)
}

// producer returns the client's options for producing.
func (o *Options) producer(d config.Dialect) []kgo.Opt {
	wait := o.AckTimeout
	if o.RdAckTimeout > 0 {
		wait = time.Duration(o.RdAckTimeout) * time.Millisecond
	}
	if wait < time.Millisecond {
		wait = ackTimeout
	}
	opts := []kgo.Opt{
		kgo.ProducerBatchMaxBytes(int32(o.maxMessage())),
		kgo.MaxBufferedBytes(max(maxBuffered, o.maxMessage())),
		kgo.MaxBufferedRecords(maxRecords),
		kgo.ProduceRequestTimeout(wait),
		kgo.ProducerLinger(linger),
		kgo.RecordRetries(tries),
		kgo.UnknownTopicRetries(unknownTries),
		kgo.ProducerBatchCompression(o.compression()...),
		kgo.RecordPartitioner(o.partitioner(d)),
		kgo.BrokerMaxReadBytes(maxResponse),
	}
	if o.RdIdempotence != nil && !*o.RdIdempotence {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	if o.RdAutoCreate == nil || *o.RdAutoCreate {
		opts = append(opts, kgo.AllowAutoTopicCreation())
	}
	return opts
}

func (o *Options) compression() []kgo.CompressionCodec {
	codec := o.RdCompression
	if o.Codec != "" {
		codec = o.Codec
	}
	switch codec {
	case "gzip":
		return []kgo.CompressionCodec{kgo.GzipCompression(), kgo.NoCompression()}
	case "snappy":
		return []kgo.CompressionCodec{kgo.SnappyCompression(), kgo.NoCompression()}
	case "lz4":
		return []kgo.CompressionCodec{kgo.Lz4Compression(), kgo.NoCompression()}
	case "zstd":
		return []kgo.CompressionCodec{kgo.ZstdCompression(), kgo.NoCompression()}
	}
	return []kgo.CompressionCodec{kgo.NoCompression()}
}

// partitioner chooses the partition as the plugin that the options are of does, so that records with a key stay where the
// earlier ones with that key are.
func (o *Options) partitioner(d config.Dialect) kgo.Partitioner {
	kind := o.RdPartitioner
	if d == config.Fluentd && kind == "" {
		kind = "consistent_random"
		if o.HashFunction == "murmur2" {
			kind = "murmur2_random"
		}
	}
	var hasher kgo.PartitionerHasher
	switch kind {
	case "murmur2", "murmur2_random": // the client's default, as Java's
	case "fnv1a", "fnv1a_random":
		hasher = kgo.SaramaCompatHasher(func(key []byte) uint32 {
			h := fnv.New32a()
			h.Write(key) // never fails
			return h.Sum32()
		})
	case "random":
		hasher = func(_ []byte, n int) int { return rand.IntN(n) }
	default:
		hasher = func(key []byte, n int) int { return int(crc32.ChecksumIEEE(key) % uint32(n)) }
	}
	return explicit{kgo.UniformBytesPartitioner(batchSpread, true, true, hasher)}
}

// explicit puts a record into its own partition, if it has one.
type explicit struct{ kgo.Partitioner }

func (p explicit) ForTopic(topic string) kgo.TopicPartitioner {
	return explicitTopic{p.Partitioner.ForTopic(topic)}
}

type explicitTopic struct{ kgo.TopicPartitioner }

func (p explicitTopic) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition >= 0 || p.TopicPartitioner.RequiresConsistency(r)
}

// PartitionByBackup implements kgo.TopicBackupPartitioner.
func (p explicitTopic) PartitionByBackup(r *kgo.Record, n int, backup kgo.TopicBackupIter) int {
	if r.Partition >= 0 {
		return int(r.Partition) // if there is none of that number, the client says so
	}
	return p.TopicPartitioner.(kgo.TopicBackupPartitioner).PartitionByBackup(r, n, backup)
}

// Key implements sink.Keyer. The key is the topic.
func (k *destination) Key(dst []byte, r *sink.Record) ([]byte, error) {
	return k.topics.append(dst, r)
}

// Append implements sink.Destination.
func (k *destination) Append(body []byte, r *sink.Record) ([]byte, error) { return k.append(body, r) }

// Limits implements sink.Destination.
func (k *destination) Limits() sink.Limits {
	return sink.Limits{MaxBytes: max(requestBytes, k.max), MaxItems: requestItems, MaxItem: k.max, ItemOverhead: batchOverhead / 4}
}

// connect returns the client. It is made by the first Send.
func (k *destination) connect() (*kgo.Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client == nil {
		client, err := kgo.NewClient(k.opts...)
		if err != nil {
			return nil, fmt.Errorf("making the client: %w", err)
		}
		k.client = client
	}
	return k.client, nil
}

// Send implements sink.Destination. It waits for every record's acknowledgement. A record whose fate isn't known when the wait
// ends stays with the client, which alone may send it again without storing it twice; the Send that brings it back waits for
// that outcome (lateRecords).
func (k *destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	client, err := k.connect()
	if err != nil {
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	records, ids, err := k.records(req)
	if err != nil { // an item that isn't Append's
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	a := newAttempt(k, client, records, ids)
	if k.turns.enter(ctx, 1) {
		a.claim()
		a.produce(a.results.which(isUnsent))
		a.wait(ctx)
		k.leave(a, 1)
	}
	if refused := a.results.which(isRefused); len(refused) > 0 {
		if k.turns.enter(ctx, everybody) {
			a.isolate(ctx, refused)
			k.leave(a, everybody)
		} else {
			a.postpone(refused)
		}
	}
	a.leave()
	return a.reply()
}

// leave gives n places back when the client has all that the attempt gives it: it must get nothing from others while one is alone.
// Send doesn't wait for that; Close does.
func (k *destination) leave(a *attempt, n int) {
	k.leaving.Go(func() {
		a.handing.Wait()
		k.turns.leave(n)
	})
}

// records decodes the items of a request, in memory of their own: the client keeps them longer than Send lasts.
func (k *destination) records(req *sink.Request) ([]kgo.Record, []recordID, error) {
	body := append([]byte(nil), req.Body...)
	records, ids := make([]kgo.Record, req.Len()), make([]recordID, req.Len())
	headers := make([]kgo.RecordHeader, 0, req.Len()*(1+len(k.fixed)+len(k.fromRecord)))
	names := make([]string, len(req.Keys))
	for i, key := range req.Keys {
		names[i] = string(key)
	}
	start := 0
	for i, end := range req.Ends {
		var err error
		if headers, err = k.decode(&records[i], headers, body[start:end:end]); err != nil {
			return nil, nil, err
		}
		ids[i] = recordID(body[start:])
		records[i].Topic = names[req.KeyOf[i]]
		start = end
	}
	return records, ids, nil
}

// Close implements sink.Destination.
func (k *destination) Close() error {
	k.mu.Lock()
	client := k.client
	k.client = nil
	k.mu.Unlock()
	if client != nil {
		client.Close()
	}
	k.leaving.Wait()
	return nil
}
