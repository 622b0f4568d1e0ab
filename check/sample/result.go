package sample

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/router"
)

// unknownID stands for the id that a router gives an event, which isn't known before.
const unknownID = "<id>"

// A Result is what an output makes of an event.
type Result struct {
	Output   int      // index in the plan's Outputs
	Tag      string   // of the event
	Where    []string // pairs of a name and a value: "index", "web-2026.11.26"
	Document []byte   // JSON: what is stored or, if that is text, the text
	IsText   bool
	Binary   int    // bytes of what is sent, if that is neither JSON nor text: Document is the event then
	Dead     string // the dead letter gets the event, for this reason
}

// resultOf is what arrived at an output.
func resultOf(s *router.Sight) *Result {
	r := &Result{Output: s.Output, Tag: s.Event.Tag}
	if s.Item.Err != nil {
		r.Dead = s.Item.Err.Error()
		return r
	}
	for i, text := range s.Item.Where {
		if i%2 == 1 {
			text = string(withoutID([]byte(text)))
		}
		r.Where = append(r.Where, text)
	}
	shown := s.Item.Shown
	if shown == nil {
		shown = s.Item.Body
	}
	text := bytes.TrimRight(withoutID(shown), "\x00\r\n")
	value := bytes.TrimRight(bytes.TrimLeft(text, " ,"), " ,")
	switch {
	case len(value) > 1 && (value[0] == '{' || value[0] == '[') && json.Valid(value):
		r.Document = value
	case utf8.Valid(text) && bytes.IndexByte(text, 0) < 0:
		r.IsText, r.Document = true, record.AppendJSONString(nil, text)
	default:
		r.Binary, r.Document = len(s.Item.Body), record.AppendJSON(nil, s.Event.Body)
	}
	return r
}

// withoutID returns a copy of b without the id that events of a trace have.
func withoutID(b []byte) []byte {
	return bytes.ReplaceAll(b, []byte(router.SampleID()), []byte(unknownID))
}

// Results returns what outputs make of the line.
func (l *Line) Results() (list []*Result) {
	for _, p := range l.Paths {
		list = p.results(list)
	}
	return list
}

func (p *Path) results(list []*Result) []*Result {
	for _, e := range p.Entries {
		if e.Result != nil {
			list = append(list, e.Result)
		}
		for _, inner := range e.Paths {
			list = inner.results(list)
		}
	}
	return list
}

// flat returns the entries of a path, those of a step that emitted one event to what follows it on the same level.
func (p *Path) flat() (list []*Entry) {
	for _, e := range p.Entries {
		if len(e.Paths) != 1 || e.Paths[0].Tag != "" || e.Paths[0].Label != "" {
			list = append(list, e)
			continue
		}
		on := e.Paths[0]
		switch {
		case len(on.Lines) > 1:
			list = append(list, &Entry{Does: Joined, Filter: e.Filter, Diff: on.Diff, Lines: on.Lines})
		case !on.Diff.empty():
			list = append(list, &Entry{Does: Changed, Filter: e.Filter, Diff: on.Diff})
		}
		list = append(list, on.flat()...)
	}
	return list
}

// losses returns the entries by which events of the line ended without an output.
func (l *Line) losses() (list []*Entry) {
	var walk func(p *Path)
	walk = func(p *Path) {
		for _, e := range p.Entries {
			switch e.Does {
			case Dropped, Unrouted, Looped, Failed:
				list = append(list, e)
			}
			for _, inner := range e.Paths {
				walk(inner)
			}
		}
	}
	for _, p := range l.Paths {
		walk(p)
	}
	return list
}
