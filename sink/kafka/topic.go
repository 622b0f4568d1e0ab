package kafka

import (
	"errors"
	"fmt"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// maxTopic is the longest name of a topic in bytes (Kafka: org.apache.kafka.common.internals.Topic).
const maxTopic = 249

var errTopic = errors.New("the topic's name is empty, too long, or has other characters than letters, digits, points, underscores and hyphens, which Kafka refuses")

// checkTopic reports what is wrong with a topic's name.
func checkTopic(name string) error {
	if !isTopic([]byte(name)) {
		return fmt.Errorf("%q is not a topic; want at most %d letters, digits, points, underscores and hyphens", name, maxTopic)
	}
	return nil
}

func isTopic(name []byte) bool {
	if len(name) == 0 || len(name) > maxTopic || string(name) == "." || string(name) == ".." {
		return false
	}
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}

// topics knows each record's topic.
type topics struct {
	key      string          // field with the topic; "": none
	any      bool            // that may be any topic
	known    map[string]bool // Fluent Bit: otherwise it must be one of these
	fallback string          // "": the tag
	template *field.Template // Fluentd's topic; nil: none
}

func newTopics(o *Options, d config.Dialect) (t topics, err error) {
	t = topics{key: o.TopicKey, any: o.DynamicTopic, known: map[string]bool{}}
	if d == config.Fluentd {
		t.any, t.fallback = true, o.DefaultTopic
		if o.Topic != "" {
			if t.template, err = field.ParseTemplate(o.Topic, field.Notation{Dialect: d}); err != nil {
				return t, &config.OptionError{Option: "topic", Reason: err.Error()}
			}
		}
		return t, nil
	}
	for _, name := range o.topics() {
		t.known[name] = true
	}
	t.fallback = "fluent-bit"
	if list := o.topics(); len(list) > 0 {
		t.fallback = list[0]
	}
	return t, nil
}

// append appends the record's topic.
func (t *topics) append(dst []byte, r *sink.Record) ([]byte, error) {
	start := len(dst)
	if t.template != nil {
		dst = t.template.Append(dst, &r.Event)
		return checked(dst, start)
	}
	if t.key != "" {
		if v, ok := record.Find(r.Body, t.key); ok {
			name, ok := record.Text(v)
			if ok && len(name) > 0 && (t.known[string(name)] || t.any && len(name) <= maxTopic && !strings.Contains(string(name), ",")) {
				return checked(append(dst, name...), start)
			}
		}
	}
	if t.fallback == "" {
		return checked(append(dst, r.Tag...), start)
	}
	return append(dst, t.fallback...), nil
}

// checked returns dst, unless dst[start:] can't be a topic.
func checked(dst []byte, start int) ([]byte, error) {
	if !isTopic(dst[start:]) {
		return dst[:start], errTopic
	}
	return dst, nil
}
