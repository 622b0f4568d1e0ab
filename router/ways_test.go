package router

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/record"
)

// openedYAML is opened for a configuration in YAML, with an input of its own.
func openedYAML(t *testing.T, conf string) *Router {
	t.Helper()
	r := unstarted(t, conf)
	for _, o := range r.outputs {
		if err := r.openIn(o, buffer.Options{Name: o.id, Log: zerolog.Nop()}, ""); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { r.closeQueues(r.outputs) })
	return r
}

func (i *intake) addRecord(tag string, pairs ...string) {
	body := record.AppendMapHeader(nil, len(pairs)/2)
	for _, text := range pairs {
		body = record.AppendStr(body, text)
	}
	i.Add([]byte(tag), record.Time{Sec: 1}, body)
}

const routesConf = `
pipeline:
  inputs:
    - name: forward
      port: 0
      processors:
        logs:
          - name: modify
            add: p P
          - name: modify
            add: e E
            condition: {rules: [{field: $level, op: eq, value: error}]}
      routes:
        logs:
          - name: errors
            condition: {rules: [{field: $level, op: eq, value: error}]}
            to: {outputs: [first, second]}
          - name: large
            condition: {rules: [{field: $n, op: gt, value: 5}]}
            to: {outputs: [first, third]}
          - name: rest
            condition: {default: true}
            to: {outputs: [second]}
          - name: always
            to: {outputs: [all]}
  filters:
    - {name: modify, match: app, add: f app}
    - {name: modify, match: errors, add: f errors}
    - {name: rewrite_tag, match: rest, rule: $level ^again$ again false}
    - {name: modify, match: again, add: g again}
  outputs:
    - {name: "null", alias: first, match: none}
    - {name: "null", alias: second}
    - name: "null"
      alias: third
      processors:
        logs:
          - {name: modify, add: t third}
          - {name: grep, exclude: level drop}
    - {name: "null", alias: all}
    - {name: "null", alias: again, match: again}
    - {name: "null", alias: other, match: '*'}
`

func TestARouteSendsARecordWhereItsConditionHolds(t *testing.T) {
	r := openedYAML(t, routesConf)
	i := r.newIntake(r.inputs[0])
	i.addRecord("app", "level", "error", "n", "9")
	i.addRecord("app", "level", "info", "n", "7")
	i.addRecord("app", "level", "info", "n", "0")
	i.addRecord("app", "level", "drop", "n", "8x")
	flush(t, i)
	wantQueued(t, r.outputs[0], "errors: error 9 P E errors", "large: info 7 P", "large: drop 8x P")
	wantQueued(t, r.outputs[1], "errors: error 9 P E errors", "rest: info 0 P")
	wantQueued(t, r.outputs[2], "large: error 9 P E third", "large: info 7 P third")
	wantQueued(t, r.outputs[3], "app: error 9 P E app", "app: info 7 P app", "app: info 0 P app", "app: drop 8x P app")
	wantQueued(t, r.outputs[5])
	wantTally(t, r.outputs[2], tally{received: 4, filtered: 2})
}

func TestARecordWithANewTagPassesNoProcessorsAndRoutesOfItsInput(t *testing.T) {
	r := openedYAML(t, routesConf)
	i := r.newIntake(r.inputs[0])
	i.addRecord("again", "level", "info", "n", "0")
	i.addRecord("app", "level", "again", "n", "0")
	flush(t, i)
	wantQueued(t, r.outputs[4], "again: again 0 P again")
	wantQueued(t, r.outputs[5], "again: again 0 P again")
	wantQueued(t, r.outputs[1], "rest: info 0 P")
}

// The tag of a route is none that came in: the path of what a Holder still has must not be forgotten with those of many tags.
func TestWhatIsHeldOnARouteIsReleasedAfterManyTags(t *testing.T) {
	const conf = `
pipeline:
  inputs:
    - name: forward
      port: 0
      routes:
        logs:
          - name: traces
            condition: {rules: [{field: $log, op: regex, value: .}]}
            to: {outputs: [one]}
    - {name: forward, port: 0}
  filters:
    - {name: multiline, match: traces, multiline.parser: java, multiline.key_content: log}
  outputs:
    - {name: "null", alias: one}
`
	r := openedYAML(t, conf)
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "java.lang.Exception: a\n", "    at b\n")
	_ = i.Flush(t.Context()) // it is held
	other := r.newIntake(r.inputs[1])
	for n := range 2 * maxRouteBytes / routeCost {
		other.addRecord(fmt.Sprint("tag", n), "other", "")
	}
	flush(t, other)
	r.releaseAll(r.expiries())
	if got := queued(t, r.outputs[0]); len(got) != 1 || !strings.HasPrefix(got[0], "traces: java.lang.Exception: a") {
		t.Errorf("got %q, want the trace", got)
	}
}

func TestAConditionTakesNoMemory(t *testing.T) {
	r := openedYAML(t, routesConf)
	i := r.newIntake(r.inputs[0])
	for n := range r.stages {
		s := r.stages[n].filter
		if s == nil || !r.plan.Filters[n].Select {
			continue
		}
		ev := record.Event{Tag: "app", Body: logBody("12345678901234567890.5e3")}
		work := i.work()
		if n := testing.AllocsPerRun(100, func() { s.Apply(&ev, work) }); n > 0 {
			t.Errorf("got %v allocations, want none", n)
		}
	}
}

const streamsConf = `
stream_processor:
  - name: t1
    exec: CREATE STREAM one WITH (tag='logs.error') AS SELECT * FROM TAG:'app*' WHERE level = 'error';
  - name: t2
    exec: CREATE STREAM two AS SELECT n AS m FROM STREAM:in1 WHERE n > 5;
  - name: t3
    exec: CREATE STREAM three WITH (tag='logs.two') AS SELECT m, RECORD_TAG() AS t FROM STREAM:two;
  - name: loop
    exec: CREATE STREAM all WITH (tag='again') AS SELECT * FROM TAG:'again*';
pipeline:
  inputs:
    - {name: forward, port: 0, alias: in1}
    - {name: forward, port: 0}
  filters:
    - {name: modify, match: '*', add: f F}
    - {name: modify, match: logs.*, add: g G}
  outputs:
    - {name: "null", match: app}
    - {name: "null", match: logs.*}
    - {name: "null", match: again}
    - {name: "null", match: two}
`

func TestAStreamTaskCopiesRecordsWithAnotherTag(t *testing.T) {
	r := openedYAML(t, streamsConf)
	for n, in := range r.inputs {
		i := r.newIntake(in)
		i.addRecord("app", "level", "error", "n", "9")
		i.addRecord("app", "level", "info", "n", "1")
		i.addRecord("two", "m", fmt.Sprint("from input ", n))
		i.addRecord("again", "x", "y")
		flush(t, i)
	}
	wantQueued(t, r.outputs[0], "app: error 9 F", "app: info 1 F", "app: error 9 F", "app: info 1 F")
	wantQueued(t, r.outputs[1], "logs.two: 9 two F G", "logs.error: error 9 F G", "logs.error: error 9 F G")
	wantQueued(t, r.outputs[2], "again: y F", "again: y F", "again: y F", "again: y F")
	wantQueued(t, r.outputs[3], "two: 9 F", "two: from input 0 F", "two: from input 1 F")
}

// Two tasks that read each other's streams would never end.
func TestStreamTasksThatReadEachOtherEnd(t *testing.T) {
	r := openedYAML(t, `
stream_processor:
  - exec: CREATE STREAM a WITH (tag='x.a') AS SELECT * FROM TAG:'x.*';
  - exec: CREATE STREAM b WITH (tag='x.b') AS SELECT * FROM TAG:'x.*';
pipeline:
  inputs:
    - {name: forward, port: 0}
  outputs:
    - {name: "null", match: '*'}
`)
	i := r.newIntake(r.inputs[0])
	i.addRecord("x.c", "x", "y")
	flush(t, i)
	if got := len(queued(t, r.outputs[0])); got < 3 || got > 2<<maxReroutes {
		t.Errorf("got %d records, want them to end", got)
	}
}
