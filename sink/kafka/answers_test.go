package kafka

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// A broker's response counts for the partitions that it names: whatever else it says, no record is taken for stored.
func TestResponsesThatDoNotNameARecordsPartitionAreNoAcks(t *testing.T) {
	type response = *kmsg.ProduceResponse
	for name, lie := range map[string]func(r response){
		"no topics":         func(r response) { r.Topics = nil },
		"no partitions":     func(r response) { r.Topics[0].Partitions = nil },
		"another topic":     func(r response) { r.Topics[0].Topic, r.Topics[0].TopicID = "other", [16]byte{1} },
		"another partition": func(r response) { r.Topics[0].Partitions[0].Partition = 77 },
		"below zero":        func(r response) { r.Topics[0].Partitions[0].Partition = -1 },
		"a failure":         func(r response) { r.Topics[0].Partitions[0].ErrorCode = -1 },
		"an unknown code":   func(r response) { r.Topics[0].Partitions[0].ErrorCode = 31999 },
		"a failure, told twice": func(r response) {
			p := r.Topics[0].Partitions[0]
			p.ErrorCode = 19
			r.Topics[0].Partitions = slices.Repeat([]kmsg.ProduceResponseTopicPartition{p}, 1000)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cluster(t, kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(1))
			c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				resp := answered(req.(*kmsg.ProduceRequest), 0)
				lie(resp)
				return resp, nil, true
			})
			k := producer(t, bit(c.ListenAddrs()...), config.FluentBit)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			r := k.Send(ctx, numbered(t, k, 3))
			if r.Verdict == sink.Done && len(r.Items) != 3 || slices.ContainsFunc(r.Items, func(i sink.ItemReply) bool { return i.Verdict != sink.Again }) || r.Err == nil {
				t.Errorf("got %+v, want nothing stored and nothing given up", r)
			}
		})
	}
}

// answered is a response that has a code for each partition of a request.
func answered(req *kmsg.ProduceRequest, code int16) *kmsg.ProduceResponse {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.ErrorCode = p.Partition, code
			topic.Partitions = append(topic.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}
