package router

import (
	"bytes"
	"maps"
	"testing"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

// An eachWord emits each word of a text as an event of its own: it reroutes the second one, where there is one.
type eachWord struct{}

func (eachWord) Apply(ev *record.Event, out *enrich.Out) {
	value, _ := record.Find(ev.Body, "log")
	text, _ := record.Text(value)
	for n, word := range bytes.Fields(text) {
		used := out.Mark()
		next := record.Event{Tag: ev.Tag, Time: ev.Time, Body: logBody(string(word))}
		if n == 1 && out.From == nil {
			out.Reroute(&next, "again")
		} else {
			out.Next(&next)
		}
		out.Rewind(used)
	}
}

// origins are the events that an output's queue holds, by their text.
func origins(t *testing.T, o *output) map[string]record.ID {
	t.Helper()
	all := map[string]record.ID{}
	chunk, err := o.queue.Next(t.Context(), 1<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range chunk.Batches {
		var ev record.Event
		for r := record.ReadBatch(b); r.Next(&ev); {
			value, _ := record.Find(ev.Body, "log")
			text, _ := record.Text(value)
			all[string(text)] = record.ID{}
			if ev.Origin != nil {
				all[string(text)] = *ev.Origin
			}
		}
	}
	o.queue.Release(chunk)
	return all
}

func addIdentified(t *testing.T, r *Router, text string, origin record.ID) {
	t.Helper()
	i := r.newIntake(r.inputs[0])
	var recv input.Receiver = i
	recv.(input.Identifier).AddIdentified([]byte("app"), record.Time{Sec: 1}, logBody(text), origin)
	flush(t, i)
}

func TestAnEventKeepsItsOriginThroughFiltersToEachQueue(t *testing.T) {
	r := opened(t, "[FILTER]\n    Name record_modifier\n    Match *\n    Record a b\n"+nullOutputs("*", "app"))
	origin := record.ID{Queue: record.NewQueueIdentity(), Pos: 9}
	addIdentified(t, r, "one", origin)
	for _, o := range r.outputs {
		if got := origins(t, o)["one"]; got != origin {
			t.Errorf("%s: got the origin %v, want %v", o.id, got, origin)
		}
	}
}

// Two records with one id would be one document: the second one would be lost.
func TestWhatAStepMakesOfOneEventHasSeveralOriginsEachTimeTheSame(t *testing.T) {
	origin := record.ID{Queue: record.NewQueueIdentity(), Pos: 9}
	var first map[string]record.ID
	for range 2 {
		r := opened(t, placeholder+nullOutputs("*"), eachWord{})
		addIdentified(t, r, "one two three", origin)
		got := origins(t, r.outputs[0])
		seen := map[record.ID]bool{}
		for _, id := range got {
			seen[id] = true
		}
		if len(got) != 3 || len(seen) != 3 || got["one"] != origin || seen[record.ID{}] {
			t.Errorf("got %v, want three origins, the first one %v", got, origin)
		}
		if first == nil {
			first = got
		}
		for text, id := range got {
			if first[text] != id {
				t.Errorf("%s: got %v the second time, want %v", text, id, first[text])
			}
		}
	}
}

// What is held may be joined to other events when it is offered again.
func TestWhatAHolderEmitsHasNoOrigin(t *testing.T) {
	r := opened(t, placeholder+nullOutputs("*"), newSplitter(t))
	addIdentified(t, r, "one\ntwo\n", record.ID{Queue: record.NewQueueIdentity(), Pos: 9})
	for text, id := range origins(t, r.outputs[0]) {
		if !id.IsZero() {
			t.Errorf("%s: got the origin %v, want none", text, id)
		}
	}
}

// An eachOf emits each part of a text between separators as an event of its own.
type eachOf string

func (sep eachOf) Apply(ev *record.Event, out *enrich.Out) {
	value, _ := record.Find(ev.Body, "log")
	text, _ := record.Text(value)
	for _, part := range bytes.Split(text, []byte(sep)) {
		used := out.Mark()
		out.Next(&record.Event{Tag: ev.Tag, Time: ev.Time, Body: logBody(string(part))})
		out.Rewind(used)
	}
}

// The first part of the second part isn't the second part of the first one.
func TestWhatAStepMakesOfWhatAnotherOneMadeHasOriginsOfItsOwn(t *testing.T) {
	r := opened(t, placeholder+placeholder+placeholder+nullOutputs("*"), eachOf(";"), eachOf(","), eachOf(" "))
	addIdentified(t, r, "a b,c d;e f,g h;i j,k l", record.ID{Queue: record.NewQueueIdentity(), Pos: 9})
	got := origins(t, r.outputs[0])
	texts := map[record.ID]string{}
	for text, id := range got {
		if other, ok := texts[id]; ok {
			t.Errorf("%s and %s have the same origin", text, other)
		}
		texts[id] = text
	}
	if len(got) != 12 {
		t.Errorf("got %d events, want 12", len(got))
	}
}

// Fluentd's copy may lead an event to one output by several ways, on which it becomes several records. An output that it reaches by
// one way gets the origin itself, as another router would.
func TestAnEventThatReachesAnOutputByTwoWaysHasTwoOriginsThere(t *testing.T) {
	way := func(label string) string {
		return `<label @` + label + `>
  <filter **>
    @type record_transformer
    <record>
      log ` + label + `
    </record>
  </filter>
  <match **>
    @type relabel
    @label @OUT
  </match>
</label>
`
	}
	conf := `<match **>
  @type copy
  <store>
    @type null
  </store>
  <store>
    @type relabel
    @label @ONE
  </store>
  <store>
    @type relabel
    @label @TWO
  </store>
</match>
` + way("ONE") + way("TWO") + "<label @OUT>\n  <match **>\n    @type null\n  </match>\n</label>\n"
	var first map[string]record.ID
	origin := record.ID{Queue: record.NewQueueIdentity(), Pos: 9}
	for range 2 {
		r := openedFluentd(t, conf)
		addIdentified(t, r, "text", origin)
		if got := origins(t, r.outputs[0]); got["text"] != origin {
			t.Errorf("got %v at the output of the first store, want the origin %v", got, origin)
		}
		got := origins(t, r.outputs[1])
		if len(got) != 2 || got["ONE"] != origin || got["TWO"] == origin || got["TWO"].IsZero() {
			t.Errorf("got %v, want two records, the first with the origin %v and the other with one of its own", got, origin)
		}
		if first != nil && !maps.Equal(got, first) {
			t.Errorf("got %v the second time, want %v", got, first)
		}
		first = got
	}
}
