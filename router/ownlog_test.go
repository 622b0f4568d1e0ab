package router

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// logConfig sends the router's own log to an index that refuses every document, and what the application logs to another one.
const logConfig = `
<system>
  root_dir DIR/queue
  grace 50ms
  log_level trace
</system>
<source>
  @type unix
  path SOCKET
</source>
<label @FLUENT_LOG>
  <match **>
    @type elasticsearch
    @id own
    index_name own
    dead_letter log
    ADDRESS
    <buffer>
      flush_interval 10ms
    </buffer>
  </match>
</label>
<match app>
  @type null
  @id apps
  @log_level debug
</match>
`

// startLog runs logConfig with a cluster that refuses documents.
func startLog(t *testing.T) (*testRouter, *input.OwnLog) {
	t.Helper()
	_, address := cluster(t, bulktest.Options{Distribution: "elasticsearch", Version: "8.15.0", Item: func(_, _, _ string, _ []byte) bulktest.ItemFault {
		return bulktest.ItemFault{Status: 400, Type: "mapper_parsing_exception", Reason: "refused"}
	}})
	own := new(input.OwnLog)
	text := strings.NewReplacer("ADDRESS", strings.ReplaceAll(strings.ToLower(address), "    ", "")).Replace(logConfig)
	return startIn(t, t.TempDir(), text, Env{OwnLog: own}), own
}

func TestAReloadForgetsWhichOutputsGotTheLog(t *testing.T) {
	tr, own := startLog(t)
	eventually(t, "the lines of the start", func() bool { return tr.fedByLog.has("own") })
	tr.mustReload(filepath.Dir(tr.socket), strings.NewReplacer("ADDRESS", "host 127.0.0.1\n    port 1", "@id own", "@id other").Replace(logConfig))
	fmt.Fprintln(own, `{"level":"warn","output":"own","message":"failed"}`)
	eventually(t, "the line about the output of before", func() bool { return receivedBy(tr, "other") > 0 && tr.fedByLog.has("other") })
	if tr.fedByLog.has("own") {
		t.Error("got the output of before among those that get the log")
	}
}

func receivedBy(tr *testRouter, output string) int64 {
	_, outs := tr.Accounts()
	for _, a := range outs {
		if a.Output == output {
			return a.Received
		}
	}
	return -1
}

func TestTheRoutersOwnLogGoesToItsLabelAndNeverLoops(t *testing.T) {
	tr, own := startLog(t)
	eventually(t, "the lines of the start", func() bool { return receivedBy(tr, "own") > 0 })
	before := receivedBy(tr, "own")
	const lines = 8
	for n := range lines {
		refused := strings.Count(tr.log.String(), "dead letter")
		fmt.Fprintf(own, `{"level":"warn","output":"apps","n":%d,"message":"failed"}`+"\n", n)
		eventually(t, "the line to arrive and to be refused", func() bool { return strings.Count(tr.log.String(), "dead letter") > refused })
	}
	if got := receivedBy(tr, "own"); got != before+lines {
		t.Errorf("got %d events, want %d of the start and %d: what is logged about the output that gets them must not become events; the log:\n%s", got, before, lines, tr.log)
	}
	if log := tr.log.String(); !strings.Contains(log, `"record":{"output":"apps","n":7,"message":"failed output=\"apps\" n=7"}`) {
		t.Errorf("got no event for the last line; the log:\n%s", log)
	}
}
