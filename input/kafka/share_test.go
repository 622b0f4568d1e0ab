package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"

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
		r.got(1)
	}
}

// As in librdkafka.
func TestATopicThatBeginsWithACaretIsAPattern(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "logs-a", "logs-b", "other", "a.b", "axb"))
	o := options(c)
	o.Topics = "^logs-.*,a.b"
	in := open(t, o)
	r := newReader(t)
	run(t, in, r)
	for _, topic := range []string{"other", "axb", "logs-a", "logs-b", "a.b"} {
		produce(t, c, &kgo.Record{Topic: topic, Value: []byte(topic)})
	}
	var got []string
	for _, e := range r.got(3) {
		_, payload, _ := strings.Cut(e.json, `"payload":`)
		got = append(got, payload)
	}
	slices.Sort(got)
	if want := []string{`"a.b"}`, `"logs-a"}`, `"logs-b"}`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if o.Topics = "^("; o.Check(config.FluentBit) == nil {
		t.Error("a wrong pattern is accepted")
	}
}
