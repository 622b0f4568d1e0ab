package forward

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"

	"github.com/firelane/firelane/config"
)

func TestFluentLoggerIsUnderstood(t *testing.T) {
	for _, unix := range []bool{false, true} {
		for _, ack := range []bool{false, true} {
			for _, sub := range []bool{false, true} {
				for _, json := range []bool{false, true} {
					if json && sub {
						continue // the library writes the extension as bytes that are no JSON
					}
					t.Run(fmt.Sprintf("unix %v, ack %v, sub-second %v, JSON %v", unix, ack, sub, json), func(t *testing.T) {
						t.Parallel()
						o := defaults(config.Fluentd)
						cfg := fluent.Config{RequestAck: ack, SubSecondPrecision: sub, MarshalAsJSON: json, ReadTimeout: 10 * time.Second}
						if unix {
							o.UnixPath = socketPath(t)
							cfg.FluentNetwork, cfg.FluentSocketPath = "unix", o.UnixPath
						}
						r := start(t, config.Fluentd, o)
						if !unix {
							a := r.Addr().(*net.TCPAddr)
							cfg.FluentHost, cfg.FluentPort = a.IP.String(), a.Port
						}
						logWith(t, cfg, r, sub)
					})
				}
			}
		}
	}
}

func logWith(t *testing.T, cfg fluent.Config, r *rig, sub bool) {
	l, err := fluent.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 100 {
		at := time.Unix(1700000000+int64(i), 123456789)
		if err := l.PostWithTime("app", at, map[string]string{"log": fmt.Sprint("line ", i)}); err != nil {
			t.Fatal(err)
		}
		nsec := 0
		if sub {
			nsec = at.Nanosecond()
		}
		want = append(want, fmt.Sprintf(`app %d.%09d {"log":"line %d"}`, at.Unix(), nsec, i))
	}
	if cfg.RequestAck && len(r.sink.got()) != 100 {
		t.Errorf("got %d events queued, want the 100 that are acknowledged", len(r.sink.got()))
	}
	l.Close()
	eventually(t, "100 events: "+r.log.String(), func() bool { return len(r.sink.got()) == 100 })
	wantEvents(t, r.sink.got(), want...)
	if strings.TrimSpace(r.log.String()) != "" {
		t.Errorf("got this log, want nothing in it:\n%s", r.log)
	}
}
