package gelf

import (
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/gelf/gelftest"
	"github.com/firelane/firelane/sink/sinktest"
)

func openFluentd(t testing.TB, text string) sink.Destination {
	t.Helper()
	d, err := NewFluentd(sinktest.Options[FluentdOptions](t, config.Fluentd, "host 127.0.0.1\n"+text), config.Fluentd, sink.Env{Hostname: "host-1"})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestFluentdsOutputKeepsTheContract(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			sinktest.Run(t, sinktest.Case{New: func(t *testing.T) sink.Destination {
				_, where := serve(t, network)
				return openFluentd(t, strings.Replace(where, "mode", "protocol", 1))
			}})
		})
	}
}

func TestFluentdsRecordsBecomeMessages(t *testing.T) {
	for _, c := range []struct{ options, record, want string }{
		{"", `{"short_message":"a","message":"b"}`, `_message="b" _tag="app.web" host="host-1" short_message="a" timestamp=1700000000.123`},
		{"", `{"message":"b","level":"warn"}`, `_tag="app.web" host="host-1" level=4 short_message="b" timestamp=1700000000.123`},
		{"", `{"msg":"c","log":"d"}`, `_log="d" _tag="app.web" host="host-1" short_message="c" timestamp=1700000000.123`},
		{"", `{"message":"","log":"d"}`, `_message="-" _tag="app.web" host="host-1" short_message="d" timestamp=1700000000.123`},
		{"", `{"n":1}`, `_n=1 _tag="app.web" host="host-1" short_message="(no message)" timestamp=1700000000.123`},
		{"", `{"short_message":null,"n":1}`, `_n=1 _tag="app.web" host="host-1" short_message="(no message)" timestamp=1700000000.123`},
		{"", `{"log":"a","host":"web","timestamp":7}`, `_host="web" _tag="app.web" _timestamp=7 host="host-1" short_message="a" timestamp=1700000000.123`},
		{"use_record_host true", `{"log":"a","host":"web"}`, `_tag="app.web" host="web" short_message="a" timestamp=1700000000.123`},
	} {
		d := openFluentd(t, c.options)
		req, err := sinktest.Encode(d, event(t, c.record))
		if err != nil {
			t.Fatalf("%s: %v", c.record, err)
		}
		if got, err := gelftest.Parse(req.Item(0)); err != nil || got != c.want {
			t.Errorf("%s %s: got\n%s, want\n%s (%v)", c.options, c.record, got, c.want, err)
		}
		d.Close()
	}
}

func TestFluentdsOptionsThatCantWorkAreRefused(t *testing.T) {
	for want, o := range map[string]FluentdOptions{
		"tls: needs protocol tcp":        {Host: "h", Port: 1, Protocol: "udp", Secure: true},
		"tls_options: is no JSON object": {Host: "h", Port: 1, Protocol: "tcp", Secure: true, TLSHash: "x"},
	} {
		if err := o.Check(config.Fluentd); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
