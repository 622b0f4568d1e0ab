package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/probe"
)

var _ probe.Prober = (*Options)(nil)

// defaultBrokerPort is the port of a broker that is written without one.
const defaultBrokerPort = 9092

// Targets implements probe.Prober: the brokers that are asked for the cluster first.
func (o *Options) Targets(_ context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	made, err := New(o, d, env)
	if err != nil {
		return nil, err
	}
	dest := made.(*destination)
	secure, secrets := o.Security(d)
	var all []probe.Target
	for _, b := range o.Seeds() {
		host, port, err := net.SplitHostPort(b)
		number, _ := strconv.Atoi(port)
		if err != nil {
			host, number = b, defaultBrokerPort
		}
		t := probe.Server("kafka", host, number, &o.NetOptions, secure, secrets)
		t.AWS = o.Credentials(d, env.Common)
		t.Ask = func(ctx context.Context, say func(probe.Fact)) { dest.ask(ctx, b, o.probedTopics(d), say) }
		all = append(all, t)
	}
	return all, nil
}

// probedTopics are the topics that don't depend on the record.
func (o *Options) probedTopics(d config.Dialect) []string {
	if d == config.FluentBit {
		return o.topics()
	}
	if t := cmp.Or(o.Topic, o.DefaultTopic); t != "" && !strings.ContainsAny(t, "$%") {
		return []string{t}
	}
	return nil
}

// ask asks a broker for the cluster and the topics' metadata. The request doesn't let the brokers create a topic.
func (k *destination) ask(ctx context.Context, broker string, topics []string, say func(probe.Fact)) {
	client, err := kgo.NewClient(append(slices.Clip(k.config.Options), kgo.SeedBrokers(broker))...)
	if err != nil {
		say(probe.Fact{Step: "kafka", Level: probe.Error, Text: err.Error()})
		return
	}
	defer client.Close()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		fix := "check the port; a broker with TLS closes a connection without it, and one without SASL one that signs in"
		if errors.Is(err, kerr.SaslAuthenticationFailed) {
			fix = "compare the mechanism, the user and the password with the broker's"
		}
		say(probe.Fact{Step: "kafka", Level: probe.Error, Text: "the broker doesn't answer: " + err.Error(), Fix: fix})
		return
	}
	say(probe.Fact{Step: "kafka", Text: fmt.Sprintf("the cluster answers; brokers: %d", len(resp.Brokers))})
	for i := range resp.Topics {
		say(topicFact(&resp.Topics[i]))
	}
	if len(topics) == 0 {
		say(probe.Fact{Step: "topic", Level: probe.Note, Text: "not known: the topic depends on the record"})
	}
}

func topicFact(t *kmsg.MetadataResponseTopic) probe.Fact {
	name := ""
	if t.Topic != nil {
		name = *t.Topic
	}
	switch err := kerr.ErrorForCode(t.ErrorCode); {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return probe.Fact{Step: "topic", Level: probe.Warning, Text: "the topic " + name + " doesn't exist",
			Fix: "create it; or rely on the brokers, which create it at the first record if auto.create.topics.enable is on"}
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return probe.Fact{Step: "topic", Level: probe.Error, Text: "this user may not see the topic " + name,
			Fix: "give the user the operations Describe and Write on the topic"}
	case err != nil:
		return probe.Fact{Step: "topic", Level: probe.Error, Text: fmt.Sprintf("the topic %s: %v", name, err)}
	}
	without := 0
	for _, p := range t.Partitions {
		if p.ErrorCode != 0 || p.Leader < 0 {
			without++
		}
	}
	f := probe.Fact{Step: "topic", Text: fmt.Sprintf("the topic %s exists; partitions: %d; whether this user may write to it is not known without writing", name, len(t.Partitions))}
	if without > 0 {
		f = probe.Fact{Step: "topic", Level: probe.Warning, Text: fmt.Sprintf("the topic %s has %d partitions, of which %d have no leader", name, len(t.Partitions), without),
			Fix: "find out which brokers are down; records for these partitions wait"}
	}
	return f
}
