package router

import (
	"fmt"
	"strings"
	"testing"
)

func TestTheMonitorTellsCountsAndNoSecrets(t *testing.T) {
	tr := start(t, t.TempDir(), `
<system>
  root_dir DIR/queue
</system>
<source>
  @type unix
  path SOCKET
</source>
<filter app>
  @type grep
  @id g
  <exclude>
    key log
    pattern secret-in-a-section
  </exclude>
</filter>
<match app>
  @type null
  @id apps
</match>
<match other>
  @type copy
  <store>
    @type elasticsearch
    @id es
    host 127.0.0.1
    port 1
    user u
    password not-to-be-shown
    url_encoded http://user:not-to-be-shown@example.com
    custom_headers {"Authorization":"not-to-be-shown"}
  </store>
</match>
`)
	tr.send("app", lines(3)...)
	m := monitor{tr.process}
	eventually(t, "the records to be counted", func() bool { return m.Parts(false)[1].Records == 3 })
	parts := m.Parts(true)
	var got []string
	for _, p := range parts {
		got = append(got, fmt.Sprint(p.Kind, " ", p.ID, " ", p.Type, " ", p.Records, " ", p.Output != nil))
	}
	if text, want := strings.Join(got, "; "), "input unix.0 unix 3 false; output apps null 3 true; output es elasticsearch 0 true; filter g grep 3 false"; text != want {
		t.Errorf("got %s\nwant %s", text, want)
	}
	es := parts[2].Options
	if text := fmt.Sprint(es); strings.Contains(text, "not-to-be-shown") || !strings.Contains(text, "{port 1}") || !strings.Contains(text, "{password ***}") {
		t.Errorf("got %s, want the options without secrets", text)
	}
	if got := []string{m.OutputOf("app"), m.OutputOf("other"), m.OutputOf("none")}; fmt.Sprint(got) != "[apps es ]" {
		t.Errorf("got the outputs %q of three tags, want apps, es and none", got)
	}
	if about := m.About(); about.Version != "test" || !strings.HasSuffix(about.Config, "test.conf") || about.RootDir == "" {
		t.Errorf("got %+v", about)
	}
}
