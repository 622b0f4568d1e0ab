package router

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/record"
)

// openedFluentd is opened for a configuration of Fluentd.
func openedFluentd(t *testing.T, conf string) *Router {
	t.Helper()
	r := unstarted(t, "<source>\n  @type forward\n</source>\n"+conf)
	for _, o := range r.outputs {
		if err := r.openIn(o, buffer.Options{Name: o.id, Log: zerolog.Nop()}, ""); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { r.closeQueues(r.outputs) })
	return r
}

// wantAccounts checks what was counted for an input.
func wantAccounts(t *testing.T, r *Router, received, unrouted int64) {
	t.Helper()
	if ins, _ := r.Accounts(); ins[0].Received != received || ins[0].Unrouted != unrouted {
		t.Errorf("got %+v, want %d received and %d unrouted", ins[0], received, unrouted)
	}
}

const rewriteAll = `
<match in>
  @type rewrite_tag_filter
  <rule>
    key log
    pattern ^(\w+):
    tag level.$1
  </rule>
  <rule>
    key log
    pattern ^to label
    tag ${tag}
    label @OTHER
  </rule>
</match>
<filter level.**>
  @type record_transformer
  <record>
    mark m
  </record>
</filter>
<match level.error>
  @type null
</match>
<match **>
  @type null
</match>
<label @OTHER>
  <match in>
    @type null
  </match>
</label>
`

func TestARewrittenTagBeginsAtTheFirstFilterAgain(t *testing.T) {
	r := openedFluentd(t, rewriteAll)
	i := r.newIntake(r.inputs[0])
	i.addLogs("in", "error: a", "info: b", "nothing", "to label", "error: c")
	i.addLogs("other", "error: d")
	flush(t, i)
	wantQueued(t, r.outputs[0], "level.error: error: a m", "level.error: error: c m")
	wantQueued(t, r.outputs[1], "level.info: info: b m", "other: error: d")
	wantQueued(t, r.outputs[2], "in: to label")
	wantTally(t, r.outputs[0], tally{received: 2})
	wantTally(t, r.outputs[2], tally{received: 1})
	wantAccounts(t, r, 6, 1)
}

func TestInALabelARewrittenTagBeginsInThatLabel(t *testing.T) {
	r := openedFluentd(t, `
<match **>
  @type relabel
  @label @A
</match>
<label @A>
  <match in>
    @type rewrite_tag_filter
    <rule>
      key log
      pattern .
      tag out
    </rule>
  </match>
  <match away>
    @type rewrite_tag_filter
    @label @B
    <rule>
      key log
      pattern .
      tag out
    </rule>
  </match>
  <match out>
    @type null
  </match>
</label>
<label @B>
  <match out>
    @type null
  </match>
</label>
`)
	i := r.newIntake(r.inputs[0])
	i.addLogs("in", "x")
	i.addLogs("away", "y")
	flush(t, i)
	wantQueued(t, r.outputs[0], "out: x")
	wantQueued(t, r.outputs[1], "out: y")
	wantAccounts(t, r, 2, 0)
}

func TestRewrittenTagsThatFormALoopAreDroppedAndCounted(t *testing.T) {
	rule := "<match %s>\n@type rewrite_tag_filter\n<rule>\nkey log\npattern .\ntag %s\n</rule>\n</match>\n"
	r := openedFluentd(t, fmt.Sprintf(rule, "a", "b")+fmt.Sprintf(rule, "b", "a")+"<match **>\n@type null\n</match>\n")
	i := r.newIntake(r.inputs[0])
	i.addLogs("a", "x", "y")
	flush(t, i)
	wantQueued(t, r.outputs[0])
	if ins, _ := r.Accounts(); ins[0].Rejected[reroutedTooOften] != 2 {
		t.Errorf("got %+v, want 2 rejected", ins[0])
	}
}

func TestWhatAFilterCantHandleGoesToTheLabelOfErrors(t *testing.T) {
	r := openedFluentd(t, `
<filter **>
  @type record_transformer
  enable_ruby true
  <record>
    up ${record["missing"].upcase}
  </record>
</filter>
<match **>
  @type null
</match>
<label @ERROR>
  <filter **>
    @type record_transformer
    enable_ruby true
    <record>
      again ${record["missing"].upcase}
    </record>
  </filter>
  <filter **>
    @type record_transformer
    <record>
      failed yes
    </record>
  </filter>
  <match **>
    @type null
  </match>
</label>
`)
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "x")
	i.Add([]byte("app"), record.Time{Sec: 1}, record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "missing"), "no"))
	flush(t, i)
	wantQueued(t, r.outputs[0], "app: no NO")
	wantQueued(t, r.outputs[1], "app: x yes")
	wantTally(t, r.outputs[0], tally{received: 2, filtered: 1})
	wantTally(t, r.outputs[1], tally{received: 1})
	wantAccounts(t, r, 2, 0)
}

func TestAnUnfinishedRecordOfConcatGoesToItsLabel(t *testing.T) {
	r := openedFluentd(t, `
<filter **>
  @type concat
  key log
  multiline_start_regexp /^S/
  timeout_label @NORMAL
  separator "-"
</filter>
<match **>
  @type relabel
  @label @NORMAL
</match>
<label @NORMAL>
  <match **>
    @type null
  </match>
</label>
`)
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "S1", "a", "S2", "b")
	i.Flush(t.Context())
	i.expire(r.stages[0].holder, enrich.Everything)
	flush(t, i)
	wantQueued(t, r.outputs[0], "app: S1-a", "app: S2-b")
	wantTally(t, r.outputs[0], tally{received: 5, merged: 2, filtered: 1})
	wantAccounts(t, r, 4, 0)
	if n := r.holding.Load(); n != 0 {
		t.Errorf("%d events count as held", n)
	}
}

func TestStoresOfARoundrobinTakeTurnsByTheirWeight(t *testing.T) {
	r := openedFluentd(t, `
<match **>
  @type roundrobin
  <store>
    @type null
    weight 2
  </store>
  <store>
    @type null
  </store>
  <store>
    @type relabel
    @label @L
  </store>
</match>
<label @L>
  <match **>
    @type null
  </match>
</label>
`)
	i := r.newIntake(r.inputs[0])
	for n := range 8 {
		i.addLogs([]string{"a", "b"}[n%2], fmt.Sprint(n))
	}
	flush(t, i)
	var got []int
	total := 0
	for _, o := range r.outputs {
		n := len(queued(t, o))
		wantTally(t, o, tally{received: 8, filtered: int64(8 - n)})
		got, total = append(got, n), total+n
	}
	if fmt.Sprint(got) != "[4 2 2]" {
		t.Errorf("the stores got %v of 8 records, want [4 2 2]", got)
	}
}

func TestARewriteMayBeAStoreOfACopy(t *testing.T) {
	r := openedFluentd(t, `
<match in>
  @type copy
  <store>
    @type null
  </store>
  <store>
    @type rewrite_tag_filter
    <rule>
      key log
      pattern err
      tag errors
    </rule>
  </store>
</match>
<match errors>
  @type null
</match>
`)
	i := r.newIntake(r.inputs[0])
	i.addLogs("in", "err 1", "fine")
	flush(t, i)
	wantQueued(t, r.outputs[0], "in: err 1", "in: fine")
	wantQueued(t, r.outputs[1], "errors: err 1")
}

func TestRoutesOfManyLabelsAndTagsStayBounded(t *testing.T) {
	r := openedFluentd(t, rewriteAll)
	i := r.newIntake(r.inputs[0])
	for n := range 5000 {
		i.addLogs("in", fmt.Sprintf("l%d%s: x", n, strings.Repeat("y", 200)))
	}
	flush(t, i)
	r.routesMu.Lock()
	defer r.routesMu.Unlock()
	if r.routeBytes > maxRouteBytes {
		t.Errorf("the routes take %d bytes, want at most %d", r.routeBytes, maxRouteBytes)
	}
}
