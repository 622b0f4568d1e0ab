package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// A StreamTask is the options of a plugin of KindStream.
type StreamTask interface {
	// Stream is the name of the stream that the task makes, and the tag of its events.
	Stream() (name, tag string)
	// From is what the task reads: the events of an input or a stream of that name, or those whose tag matches.
	From() (stream, tags string)
}

// streamSection is the name of sections with stream tasks in YAML. In the classic syntax they are in a file of their own.
const streamSection = "stream task"

// maxStreamTasks is how many stream tasks a configuration may have.
const maxStreamTasks = 100

// A streamTask is the place of a stream task in routes: after the filters.
type streamTask struct {
	filter int
	from   streamSource
	match  matcher // fromTags
	input  int     // fromInput; otherwise -1
	tag    string  // fromStream
}

// A streamSource is what a stream task reads.
type streamSource uint8

const (
	fromTags streamSource = iota
	fromInput
	fromStream
)

// hasStreams reports whether the streams file exists. Fluent Bit starts without its tasks if it doesn't.
func (k *compilation) hasStreams(r *classicReader, p param) bool {
	if r.exists(p.value) || r.exists(filepath.Join(filepath.Dir(r.main), p.value)) {
		return true
	}
	k.warning(p.pos, fmt.Sprintf("%s: %s does not exist: there are no stream tasks, as in Fluent Bit", p.key, p.value)).as(CodeFile)
	return false
}

// streamTasks compiles the tasks of the stream processor.
func (k *compilation) streamTasks(r *classicReader) {
	var list []*section
	for _, s := range r.sections {
		if s.name == streamSection {
			list = append(list, s)
		}
	}
	if p := k.streams; p.value != "" && k.hasStreams(r, p) {
		for _, s := range k.sectionsOf(r, p) {
			if s.name != "stream_task" && s.name != streamSection {
				k.warning(s.pos, fmt.Sprintf("[%s] has no effect in a streams file", strings.ToUpper(s.name))).as(CodeIgnored)
				continue
			}
			list = append(list, s)
		}
	}
	streams := map[string]string{} // tags by name
	for n, s := range list {
		if n == maxStreamTasks {
			k.error(s.pos, fmt.Sprintf("there are more than %d stream tasks", maxStreamTasks))
			return
		}
		k.streamTask(s, streams)
	}
}

func (k *compilation) streamTask(s *section, streams map[string]string) {
	name, _ := s.get("name")
	i, ok := k.instance(KindStream, s, param{key: "name", value: "stream_task", pos: s.pos}, name.value, nil)
	task, isTask := i.Options.(StreamTask)
	if !ok || !isTask {
		return
	}
	exec, _ := s.get("exec")
	fail := func(format string, args ...any) {
		k.error(exec.pos, "stream_task: exec: "+fmt.Sprintf(format, args...))
	}
	stream, tag := task.Stream()
	from, tags := task.From()
	t := streamTask{input: -1, match: wildcard(tags)}
	if from != "" {
		t.from, t.match = fromInput, nobody{}
		if t.input = k.inputCalled(from); t.input < 0 {
			before, known := streams[fold(from)]
			if !known {
				fail("there is no input or stream %s before this one; %s", from, wantOneOf(from, k.streamNames(streams)))
				return
			}
			t.from, t.tag = fromStream, before
		}
	}
	if _, twice := streams[fold(stream)]; twice || k.inputCalled(stream) >= 0 {
		fail("%s is already the name of an input or a stream; want another name after CREATE STREAM", stream)
		return
	}
	streams[fold(stream)] = tag
	if t.match.match(tag) {
		k.warning(exec.pos, fmt.Sprintf("stream_task: exec: the tag %s of the new records matches %s: the task doesn't read them again", tag, tags))
	}
	t.filter = k.addFilter(Filter{Instance: i, Match: tags + from}, nobody{})
	k.plan.tasks = append(k.plan.tasks, t)
}

// inputCalled is the index of the input with that alias or name with a number, -1 if there is none.
func (k *compilation) inputCalled(name string) int {
	for n, in := range k.plan.Inputs {
		if strings.EqualFold(in.ID, name) {
			return n
		}
	}
	return -1
}

func (k *compilation) streamNames(streams map[string]string) (list []string) {
	for _, in := range k.plan.Inputs {
		list = append(list, in.ID)
	}
	return slices.AppendSeq(list, maps.Keys(streams))
}

// tasksFor are the stream tasks of events with a tag from an input, or of rerouted ones: input is -1.
func (p *Plan) tasksFor(input int, tag string) (list []int) {
	for _, t := range p.tasks {
		takes := false
		switch t.from {
		case fromTags:
			takes = t.match.match(tag)
		case fromInput:
			takes = t.input == input
		case fromStream:
			takes = input < 0 && t.tag == tag
		}
		if takes {
			list = append(list, t.filter)
		}
	}
	return list
}
