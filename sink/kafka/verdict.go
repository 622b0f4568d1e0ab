package kafka

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firelane/firelane/kafka"
	"github.com/firelane/firelane/sink"
)

// A class is what the failure of a record is about.
type class uint8

const (
	stored       class = iota
	unreached          // the brokers, or the client has no room: nothing has been refused
	throttled          // the brokers: a quota
	unauthorised       // the credentials, for all topics
	blocked            // the topic or the partition: until it works again, or somebody repairs it
	refused            // the record
)

// batchRefusals are the refusals of a batch, of which the client doesn't know which record is the cause.
var batchRefusals = []error{
	kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.CorruptMessage, kerr.InvalidTimestamp,
	kerr.UnsupportedForMessageFormat, kerr.PolicyViolation,
}

func isBatchRefusal(err error) bool {
	return err != nil && slices.ContainsFunc(batchRefusals, func(e error) bool { return errors.Is(err, e) })
}

// repairs are failures that somebody must repair, with what to do.
var repairs = []struct {
	err error
	sink.Trouble
}{
	{kerr.UnknownTopicOrPartition, sink.Trouble{Kind: sink.Missing, What: "has no %s", Want: "create the topic, or let the brokers do it (auto.create.topics.enable)"}},
	{kerr.UnknownTopicID, sink.Trouble{Kind: sink.Missing, What: "has no %s", Want: "create the topic"}},
	{kerr.TopicAuthorizationFailed, sink.Trouble{Kind: sink.AccessDenied, What: "denied access to %s", Want: "give the output's user the permission to write to the topic"}},
	{kerr.NotEnoughReplicas, fewReplicas},
	{kerr.NotEnoughReplicasAfterAppend, fewReplicas},
	{kerr.KafkaStorageError, sink.Trouble{Kind: sink.Failing, What: "can't write to a disk", Want: "repair the disk of the broker that leads the partition"}},
}

var fewReplicas = sink.Trouble{Kind: sink.Failing, What: "has too few replicas of %s in sync", Want: "bring back the brokers with its replicas, or lower min.insync.replicas"}

// troubleOf says in words what a failure on a topic means; nil if only the error says it.
func troubleOf(topic string, err error) *sink.Trouble {
	for i := range repairs {
		if errors.Is(err, repairs[i].err) {
			of := repairs[i].Trouble
			of.Target = "topic " + topic
			return &of
		}
	}
	return nil
}

// classify returns what an outcome is about.
func classify(err error) class {
	code := (*kerr.Error)(nil)
	switch isKafka := errors.As(err, &code); {
	case err == nil:
		return stored
	case isBatchRefusal(err), errors.Is(err, kerr.InvalidTopicException):
		return refused
	case errors.Is(err, kerr.ThrottlingQuotaExceeded):
		return throttled
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return blocked
	case kafka.Unauthorised(err):
		return unauthorised
	case isKafka, strings.HasPrefix(err.Error(), "invalid record partitioning choice"): // there is no partition of that number
		return blocked
	}
	return unreached
}

// describe says what failed on which topic, and what a person can do about it.
func describe(topic string, err error) error {
	if errors.Is(err, kgo.ErrMaxBuffered) {
		return fmt.Errorf("producing to %s: records of earlier requests are still being sent", topic)
	}
	for _, r := range repairs {
		if errors.Is(err, r.err) {
			return fmt.Errorf("producing to %s: %w: %s", topic, err, r.Want)
		}
	}
	return fmt.Errorf("producing to %s: %w", topic, err)
}

// reply judges all records. If none is stored, for a reason that concerns all, such as brokers that can't be reached, the verdict of
// the request is Again; otherwise the cluster works, and single items wait.
func (a *attempt) reply() sink.Reply {
	r := sink.Reply{Cause: sink.Answered}
	outcomes := a.results.all()
	whole, some := stored, false
	for i := range outcomes {
		err := a.errorOf(outcomes[i])
		outcomes[i].err = err
		switch c := classify(err); {
		case c == stored:
			some = true
		case c == unreached || c == throttled || c == unauthorised:
			if c > whole {
				whole, r.Err, r.Trouble = c, describe(a.records[i].Topic, err), troubleOf(a.records[i].Topic, err)
			}
		case c == blocked && whole == stored && r.Err == nil:
			r.Err, r.Trouble = describe(a.records[i].Topic, err), troubleOf(a.records[i].Topic, err)
		}
	}
	if whole != stored {
		r.Verdict, r.Cause = sink.Again, causes[whole]
	}
	if whole == unreached && some { // nothing has been refused, and the others pass
		r.Verdict = sink.Done
	}
	for i, o := range outcomes {
		switch c := classify(o.err); {
		case c == stored && r.Verdict != sink.Done:
			r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Done})
		case c == refused:
			r.Items = append(r.Items, a.item(i, sink.Never, describe(a.records[i].Topic, o.err)))
		case c == blocked, c == unreached && r.Verdict == sink.Done:
			r.Items = append(r.Items, a.item(i, sink.Again, describe(a.records[i].Topic, o.err)))
		}
	}
	return r
}

// causes are the causes of a request that failed as a whole.
var causes = map[class]sink.Cause{unreached: sink.Unreached, throttled: sink.Throttled, unauthorised: sink.Unauthorised}

// errorOf returns why a record isn't known to be stored; nil if it is. Where no broker can be reached, that is why, and says which
// broker: the client says only that it knows no partitions.
func (a *attempt) errorOf(o outcome) error {
	if o.state == ended && classify(o.err) != unreached {
		return o.err
	}
	if _, why := a.k.config.Watch.Unreachable(); why != nil {
		return why
	}
	if o.state == ended {
		return o.err
	}
	return errNotYet
}

func (a *attempt) item(i int, v sink.Verdict, err error) sink.ItemReply {
	it := sink.ItemReply{Index: i, Verdict: v, Reason: err.Error(), Busy: v == sink.Again}
	if code := (*kerr.Error)(nil); errors.As(err, &code) {
		it.Status, it.Type = int(code.Code), code.Message
	}
	return it
}
