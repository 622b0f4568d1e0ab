package kafka

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// Describe implements sink.Describer.
func (o *Options) Describe(d config.Dialect, now time.Time) sink.Description {
	names, topic := o.Names(d, now), "*"
	if len(names) > 0 {
		topic = sink.Pattern(names[0].Used)
	}
	out := o.DescribeClient(d, topic)
	out.Name = sink.JoinNames(names)
	return out
}

// Names implements sink.Namer: the topic.
func (o *Options) Names(d config.Dialect, now time.Time) []sink.Name {
	option, text := "topics", ""
	t, err := newTopics(o, d)
	switch {
	case err != nil:
		return nil
	case o.Topic != "":
		option, text = "topic", o.Topic
	case t.key != "" && t.any:
		option, text = "topic_key", "${"+t.key+"}"
	case t.fallback != "":
		text = t.fallback
	default:
		option, text = "topic", sink.Tag
	}
	if d == config.Fluentd && option == "topics" {
		option = "default_topic"
	}
	return []sink.Name{sink.Name{What: "topic", Option: option, Max: maxTopic}.Fill(text, now, nil)}
}
