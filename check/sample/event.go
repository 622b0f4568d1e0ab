package sample

import (
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/forward"
	"github.com/firelane/firelane/record"
)

// dockerPart is the size in bytes at which Docker splits a line (moby, daemon/logger/copier.go).
const dockerPart = 16 << 10

// containerID is the id of the container in the events.
const containerID = "5a3c7e19d2f1c7469a5c3371e80db246b21f0c3d4e5f60718293a4b5c6d7e8f9"

// eventMaker makes of lines the events that Docker's fluentd log driver sends.
type eventMaker struct {
	tag  string
	name string // of the container, as Docker has it
	time record.Time
	body []byte
}

func newEventMaker(tag string, at time.Time) eventMaker {
	container, _, _ := strings.Cut(tag, firelens)
	return eventMaker{tag: tag, name: "/" + container, time: record.Time{Sec: uint32(at.Unix()), Nsec: uint32(at.Nanosecond())}}
}

// make makes the events of a line: one, or its parts.
func (m *eventMaker) make(line []byte, add func(record.Time, []byte)) {
	if len(line) < dockerPart {
		add(m.time, m.event(line, 0, false))
		return
	}
	for n := 1; ; n++ {
		part := line[:min(len(line), dockerPart)]
		line = line[len(part):]
		last := len(line) == 0 && len(part) < dockerPart
		add(m.time, m.event(part, n, last))
		if last {
			return
		}
	}
}

// event makes the event of a line or, with a number, of one of its parts. Docker's last part is empty if the others are full.
func (m *eventMaker) event(text []byte, number int, last bool) []byte {
	pairs := []string{"container_id", containerID, "container_name", m.name, "source", "stdout"}
	if number > 0 {
		pairs = append(pairs, "partial_message", "true", "partial_id", containerID, "partial_ordinal", strconv.Itoa(number),
			"partial_last", strconv.FormatBool(last))
	}
	b := record.AppendMapHeader(m.body[:0], len(pairs)/2+1)
	for _, text := range pairs {
		b = record.AppendStr(b, text)
	}
	m.body = record.AppendStrBytes(record.AppendStr(b, "log"), text)
	return m.body
}

// firelens is what ECS puts between the container's name and the task's id in a tag.
const firelens = "-firelens-"

// sampleTask stands for the task's id in the tags of samples.
const sampleTask = firelens + "sample"

// DefaultTag is the tag of a sample's lines: that of a container called app or, if no output takes that, of one that an output's
// pattern names.
func DefaultTag(plan *config.Plan) string {
	if len(plan.Inputs) == 0 {
		plan = withInput(plan)
	}
	const first = "app" + sampleTask
	input, _ := inputOf(plan)
	tags := []string{first}
	for i := range plan.Outputs {
		for pattern := range strings.FieldsSeq(plan.Outputs[i].Match) {
			name, _, found := strings.Cut(pattern, firelens)
			switch {
			case found && !strings.Contains(name, "*"):
				tags = append(tags, name+sampleTask)
			case strings.HasSuffix(name, "*"):
				name = strings.TrimRight(name, "*")
				tags = append(tags, strings.TrimSuffix(name, "-firelens")+sampleTask, name+"sample")
			default:
				tags = append(tags, pattern)
			}
		}
	}
	for _, tag := range tags {
		if routed(plan.Route(input, tagOf(plan, input, tag))) && len(tag) <= record.MaxTag {
			return tag
		}
	}
	return first
}

// routed reports whether a route leads to an output.
func routed(r config.Route) bool {
	if len(r.Outputs) > 0 {
		return true
	}
	for _, next := range r.Next {
		if routed(next) {
			return true
		}
	}
	return false
}

// withInput returns the plan with an input, to which ECS would add one: a file that a task's configuration includes has none.
func withInput(plan *config.Plan) *config.Plan {
	with := *plan
	with.Inputs = []config.Input{{Instance: config.Instance{ID: "forward", Options: new(forward.Options), Pos: config.Pos{File: plan.Files[0]}}}}
	return &with
}

// A tagger is the options of an input that takes what Docker's log driver sends.
type tagger interface {
	TagOf(d config.Dialect, tag string) string
}

// inputOf returns the input that takes what Docker's log driver sends: the first one that can.
func inputOf(plan *config.Plan) (n int, known bool) {
	for n := range plan.Inputs {
		if _, ok := plan.Inputs[n].Options.(tagger); ok {
			return n, true
		}
	}
	return 0, false
}

// tagOf returns the tag that an event gets which comes by an input with tag.
func tagOf(plan *config.Plan, input int, tag string) string {
	if input < len(plan.Inputs) {
		if o, ok := plan.Inputs[input].Options.(tagger); ok {
			return o.TagOf(plan.Dialect, tag)
		}
	}
	return tag
}
