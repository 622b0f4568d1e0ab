package kafka

import (
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
)

// Inputs that wait for messages of silent topics have taken all the memory that there is for polls.
func TestSilentTopicsDoNotKeepOthersFromBeingRead(t *testing.T) {
	const inputs = 6
	var topics []string
	for n := range inputs {
		topics = append(topics, fmt.Sprint("silent-", n))
	}
	c := cluster(t, kfake.SeedTopics(1, topics...))
	memory := input.NewMemory(budget.New(budget.Default))
	for n, topic := range topics {
		o := options(c)
		o.Topics, o.GroupID = topic, fmt.Sprint(group, n)
		in, err := New(o, config.FluentBit, input.Env{ID: "kafka.0", Log: zerolog.Nop(), Memory: memory})
		if err != nil {
			t.Fatal(err)
		}
		r := newReader(t)
		run(t, in.(*Input), r)
		produce(t, c, &kgo.Record{Topic: topic, Value: []byte("one")})
		begun := time.Now()
		r.got(1)
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("the message of input %d took %v", n, took)
		}
	}
}
