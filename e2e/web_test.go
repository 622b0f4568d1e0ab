package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/internal/webtest"
	"github.com/firelane/firelane/sink/datadog/datadogtest"
	"github.com/firelane/firelane/sink/httpout/httpouttest"
	"github.com/firelane/firelane/sink/newrelic/newrelictest"
	"github.com/firelane/firelane/sink/splunk/splunktest"
)

// refused are the numbers of the records that the stand-ins refuse for good.
var refused = []int{17, 4711, 9999}

func isRefused(record []byte) bool {
	n, ok := numberOf(string(record))
	for _, r := range refused {
		if ok && n == r {
			return true
		}
	}
	return false
}

// numberOf is the number of a record that program.send has sent.
func numberOf(text string) (int, bool) {
	_, rest, ok := strings.Cut(text, "n=")
	digits, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil
}

// troubled has every fifth request refused for now, and a reply lost now and then.
func troubled(n int, _ *http.Request) webtest.Fault {
	switch {
	case n%5 == 0:
		return webtest.Fault{Status: http.StatusServiceUnavailable}
	case n%37 == 0:
		return webtest.Fault{Lose: true}
	}
	return webtest.Fault{}
}

// Whatever a server with HTTP does, every record arrives, except those that it refuses, which are in the dead letter.
func TestEveryRecordArrivesAtServersWithHTTP(t *testing.T) {
	faults := webtest.Options{Request: troubled}
	collector := httpouttest.New(httpouttest.Options{Options: faults, Bad: isRefused})
	datadog := datadogtest.New(datadogtest.Options{Options: faults, Key: "k", Bad: isRefused})
	splunk := splunktest.New(splunktest.Options{Options: faults, Token: "t", UseACK: true})
	newrelic := newrelictest.New(newrelictest.Options{Options: faults, Key: "k", Bad: isRefused})
	for _, c := range []struct {
		name, output string
		server       http.Handler
		records      int
		refused      int
		texts        func() []string
	}{
		{"http", "Name http\n    Format json_lines\n    Compress gzip", collector, 100_000, len(refused), collector.Records},
		{"datadog", "Name datadog\n    apikey k\n    compress gzip\n    provider ecs", datadog, 20_000, len(refused), func() (list []string) {
			for _, l := range datadog.Logs() {
				list = append(list, string(l))
			}
			return list
		}},
		{"splunk", "Name splunk\n    Splunk_Token t", splunk, 20_000, 0, func() (list []string) {
			for _, e := range splunk.Events() {
				list = append(list, string(e.Event))
			}
			return list
		}},
		{"nrlogs", "Name nrlogs\n    license_key k\n    base_uri http://127.0.0.1:PORT/log/v1", newrelic, 20_000, len(refused), func() (list []string) {
			for _, l := range newrelic.Logs() {
				list = append(list, string(l.Message))
			}
			return list
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, err := os.MkdirTemp(world.dir, "p")
			if err != nil {
				t.Fatal(err)
			}
			port := portOf(serve(t, "", httptest.NewServer(c.server)))
			output := "    " + strings.ReplaceAll(c.output, "PORT", fmt.Sprint(port))
			if c.name != "nrlogs" {
				output += fmt.Sprintf("\n    Host 127.0.0.1\n    Port %d", port)
			}
			p := startProgram(t, dir, fmt.Sprintf(`[SERVICE]
    storage.path %[1]s/queue
[INPUT]
    Name forward
    unix_path %[1]s/in.sock
[OUTPUT]
    Match *
%[2]s
`, dir, output), "")
			p.mustSend(t, 0, c.records)
			eventually(t, 2*time.Minute, func() (bool, string) {
				seen := make([]bool, c.records)
				n := 0
				for _, text := range c.texts() {
					if i, ok := numberOf(text); ok && i < len(seen) && !seen[i] {
						seen[i] = true
						n++
					}
				}
				return n == c.records-c.refused, fmt.Sprintf("%d records of %d", n, c.records-c.refused)
			})
			peak := p.peak(t)
			p.endsWith(t, `"buffered":0`, fmt.Sprintf(`"dead_lettered":%d`, c.refused), fmt.Sprintf(`"delivered":%d`, c.records-c.refused))
			twice := len(c.texts()) - (c.records - c.refused)
			t.Logf("%d records, %d of them twice, %.1f MiB", c.records, twice, peak)
			if peak > 50 {
				t.Errorf("firelane used %.1f MiB, want less than 50", peak)
			}
			if twice > c.records/5 {
				t.Errorf("%d records arrived twice, which is more than the lost replies explain", twice)
			}
			if bytes.Contains([]byte(p.log()), []byte("panic")) {
				t.Error("the log has a panic")
			}
		})
	}
}
