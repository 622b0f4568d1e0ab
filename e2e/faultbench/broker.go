package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firelane/firelane/e2e/servers"
)

// A cluster is a real broker of Kafka, which all rows share. Each row has a topic of its own, and a connection through a destination
// that makes the faults.
type cluster struct {
	dir string // of the broker's data

	mu     sync.Mutex
	broker *servers.Kafka // nil before the first row
	topics int
}

const (
	clusterTime = time.Minute // for making a topic, and for reading its last records
	partitions  = 3
)

// start starts the broker, unless it runs.
func (c *cluster) start() (k *servers.Kafka, topic string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broker == nil {
		if err := os.MkdirAll(c.dir, 0o755); err != nil {
			return nil, "", err
		}
		if c.broker, err = servers.StartKafka(c.dir, 0); err != nil {
			return nil, "", err
		}
	}
	c.topics++
	return c.broker, fmt.Sprintf("row-%d", c.topics), nil
}

// stop kills the broker.
func (c *cluster) stop() {
	if c.broker != nil {
		c.broker.Kill()
	}
}

// A topic is where a row's records are. They are counted as a consumer of its own reads them, which asks the broker itself.
type topic struct {
	name   string
	addr   string // of the broker
	d      *destination
	client *kgo.Client
	ended  chan struct{} // closed when the consumer has ended
	ends   context.CancelFunc
}

func (c *cluster) newTopic(d *destination) (*topic, error) {
	broker, name, err := c.start()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()), kgo.ConsumeTopics(name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.UnknownTopicRetries(-1))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), clusterTime)
	defer cancel()
	if err := makeTopic(ctx, client, name, partitions); err != nil {
		client.Close()
		return nil, err
	}
	t := &topic{name: name, addr: broker.Addr(), d: d, client: client, ended: make(chan struct{})}
	reading, ends := context.WithCancel(context.Background())
	t.ends = ends
	go t.read(reading)
	return t, nil
}

// makeTopic makes a topic.
func makeTopic(ctx context.Context, client *kgo.Client, name string, partitions int32) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = int32(clusterTime.Milliseconds())
	wanted := kmsg.NewCreateTopicsRequestTopic()
	wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = name, partitions, 1
	req.Topics = append(req.Topics, wanted)
	resp, err := req.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) { // which a request that was repeated gets
		return fmt.Errorf("making the topic %s: %w", name, err)
	}
	return nil
}

func (t *topic) read(ctx context.Context) {
	defer close(t.ended)
	for ctx.Err() == nil {
		t.client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { t.d.count(r.Value, "", false) })
	}
}

// settle waits until all that the topic has is counted.
func (t *topic) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, clusterTime)
	defer cancel()
	req := kmsg.NewPtrListOffsetsRequest()
	of := kmsg.NewListOffsetsRequestTopic()
	of.Topic = t.name
	for n := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = int32(n), -1 // the end
		of.Partitions = append(of.Partitions, p)
	}
	req.Topics = append(req.Topics, of)
	resp, err := req.RequestWith(ctx, t.client)
	if err != nil {
		return fmt.Errorf("reading the ends of the topic %s: %w", t.name, err)
	}
	want := 0
	for _, p := range resp.Topics[0].Partitions {
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			return fmt.Errorf("reading the ends of the topic %s: %w", t.name, err)
		}
		want += int(p.Offset)
	}
	for ctx.Err() == nil {
		if n := t.d.counted(); n >= want {
			return nil
		}
		sleep(ctx, stallLook)
	}
	return fmt.Errorf("the topic %s has %d messages, of which %d have been read", t.name, want, t.d.counted())
}

func (t *topic) close() {
	t.ends()
	<-t.ended
	t.client.Close()
}

// A kafkaRequest is a request that a client waits for the response to.
type kafkaRequest struct {
	kind   kmsg.Request
	lose   bool   // the response
	answer []byte // instead of the broker's; nil: none
}

// maxKafkaFrame is the largest request and response in bytes.
const maxKafkaFrame = 64 << 20

// takeKafka passes a connection's requests on to the broker, with the destination's faults.
func takeKafka(s *stream) error {
	broker, err := net.Dial("tcp", s.d.topic.addr)
	if err != nil {
		return err
	}
	defer broker.Close()
	waiting := make(chan kafkaRequest, 1000) // more than a client has in flight
	var group sync.WaitGroup
	group.Go(func() {
		_ = passResponses(s, broker, waiting) // the end of the connection
		s.Close()
		for range waiting {
		}
	})
	err = passRequests(s, broker, waiting)
	s.Close()
	broker.Close()
	close(waiting)
	group.Wait()
	return err
}

func passRequests(s *stream, broker net.Conn, waiting chan<- kafkaRequest) error {
	in := bufio.NewReader(s)
	for {
		frame, err := kafkaFrame(in)
		if err != nil {
			return err
		}
		next := kafkaRequest{kind: kmsg.RequestForKey(int16(binary.BigEndian.Uint16(frame[4:])))}
		if next.kind == nil {
			return fmt.Errorf("unexpected request, API key %d", binary.BigEndian.Uint16(frame[4:]))
		}
		next.kind.SetVersion(int16(binary.BigEndian.Uint16(frame[6:])))
		if next.kind.Key() == kmsg.Produce.Int16() {
			if err := s.fault(&next, frame); err != nil {
				return err
			}
		}
		waiting <- next
		if next.answer != nil {
			if _, err := broker.Write(pingOf(frame)); err != nil { // so that answers stay in order
				return err
			}
			continue
		}
		if _, err := broker.Write(frame); err != nil {
			return err
		}
	}
}

// pingOf is a request for the versions, with the same correlation id as another one's, to which every broker has an answer.
func pingOf(frame []byte) []byte {
	ping := []byte{0, 0, 0, 10, 0, byte(kmsg.ApiVersions), 0, 0}
	ping = append(ping, frame[8:12]...)
	return append(ping, 0xff, 0xff) // no client id
}

// fault decides what becomes of a produce request.
func (s *stream) fault(next *kafkaRequest, frame []byte) error {
	d := s.d
	d.mu.Lock()
	f := d.faults
	d.requests++
	roll := func(share float64) bool { return share > 0 && d.random.Float64() < share }
	refuse, hang := roll(f.refuse), roll(f.hang)
	next.lose = roll(f.lose)
	if refuse || hang || next.lose {
		d.faulty++
	}
	d.mu.Unlock()
	switch {
	case hang:
		time.Sleep(f.hangFor)
		return errors.New("no answer")
	case refuse:
		code := kerr.NotEnoughReplicas.Code
		if f.refuseWith == http.StatusServiceUnavailable {
			code = kerr.NotLeaderForPartition.Code
		}
		var err error
		next.answer, err = refuseProduce(next.kind.(*kmsg.ProduceRequest), frame, code)
		return err
	}
	return nil
}

// refuseProduce is a response that refuses a request for all its partitions.
func refuseProduce(req *kmsg.ProduceRequest, frame []byte, code int16) ([]byte, error) {
	body := frame[12:]
	if n := int16(binary.BigEndian.Uint16(body)); n >= 0 { // the client id
		body = body[n:]
	}
	body = body[2:]
	if req.IsFlexible() {
		body = body[1:] // no tags
	}
	if err := req.ReadFrom(body); err != nil {
		return nil, err
	}
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.ErrorCode, partition.BaseOffset = p.Partition, code, -1
			topic.Partitions = append(topic.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return kafkaResponse(frame[8:12], resp), nil
}

// kafkaResponse is a response's frame.
func kafkaResponse(id []byte, resp kmsg.Response) []byte {
	out := append(make([]byte, 4, 128), id...)
	if resp.IsFlexible() && resp.Key() != kmsg.ApiVersions.Int16() {
		out = append(out, 0)
	}
	out = resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

func passResponses(s *stream, broker net.Conn, waiting <-chan kafkaRequest) error {
	in := bufio.NewReader(broker)
	for {
		frame, err := kafkaFrame(in)
		if err != nil {
			return err
		}
		of := <-waiting
		switch {
		case of.kind == nil: // the requests have ended
			return io.EOF
		case of.lose:
			return errors.New("the response is lost")
		case of.answer != nil:
			frame = of.answer
		case of.kind.Key() == kmsg.Metadata.Int16():
			if frame, err = s.redirect(of.kind, frame); err != nil {
				return err
			}
		}
		if _, err := s.Write(frame); err != nil {
			return err
		}
	}
}

// redirect has a client connect to the destination instead of the broker.
func (s *stream) redirect(req kmsg.Request, frame []byte) ([]byte, error) {
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	body := frame[8:]
	if resp.IsFlexible() {
		body = body[1:] // no tags
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, err
	}
	for i := range resp.Brokers {
		resp.Brokers[i].Host, resp.Brokers[i].Port = "127.0.0.1", int32(s.d.port())
	}
	return kafkaResponse(frame[4:8], resp), nil
}

// kafkaFrame reads a request or response, with its length before it.
func kafkaFrame(in *bufio.Reader) ([]byte, error) {
	head, err := in.Peek(4)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n < 8 || n > maxKafkaFrame {
		return nil, fmt.Errorf("invalid frame length %d", n)
	}
	frame := make([]byte, 4+n)
	_, err = io.ReadFull(in, frame)
	return frame, err
}

// kafkaService is a broker of a cluster.
func kafkaService(c *cluster) *service {
	return &service{name: "kafka", stream: takeKafka, cluster: c,
		address: func(options map[string]string, port int) {
			options["brokers"] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		},
		options: map[string]string{"Name": "kafka"}}
}
