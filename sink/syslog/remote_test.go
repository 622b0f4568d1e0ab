package syslog

import (
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
	"github.com/firelane/firelane/sink/syslog/syslogtest"
)

func openRemote(t testing.TB, text string) sink.Destination {
	t.Helper()
	d, err := NewRemote(sinktest.Options[RemoteOptions](t, config.Fluentd, text), config.Fluentd, sink.Env{Hostname: "host"})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRemoteSyslogKeepsTheContract(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			sinktest.Run(t, sinktest.Case{New: func(t *testing.T) sink.Destination {
				_, where := serve(t, network)
				return openRemote(t, "host 127.0.0.1\n"+strings.Replace(where, "mode", "protocol", 1))
			}})
		})
	}
}

// The messages are those of the plugin's README and of its tests, but with the record's own time.
func TestRecordsBecomeMessagesOfRemoteSyslog(t *testing.T) {
	t.Setenv("TZ", "UTC")
	for _, c := range []struct{ options, record, want string }{
		{"", `{"message":"a","n":1}`, "<13>Nov 14 22:13:20 host fluentd: message:a\tn:1"},
		{"facility local0\nseverity warn\nprogram web.${tag}\nhostname h-${name}", `{"name":"x y"}`, "<132>Nov 14 22:13:20 h-x_y web.app: name:x y"},
		{"severity error\nfacility 3", `{"a":"b"}`, "<27>Nov 14 22:13:20 host fluentd: a:b"},
		{"packet_size 40", `{"a":"` + strings.Repeat("x", 100) + `"}`, "<13>Nov 14 22:13:20 host fluentd: a:xxxx"},
	} {
		d := openRemote(t, "host 127.0.0.1\n"+c.options)
		req, err := sinktest.Encode(d, event(t, c.record))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(req.Item(0)); got != c.want {
			t.Errorf("%q: got %q, want %q", c.options, got, c.want)
		}
		if _, err := syslogtest.Parse3164(string(req.Item(0))); err != nil {
			t.Error(err)
		}
		d.Close()
	}
}

func TestMessagesOfRemoteSyslogArrive(t *testing.T) {
	s, where := serve(t, "tcp")
	d := openRemote(t, "host_with_port 127.0.0.1:"+strings.Fields(where)[3]+"\nprotocol tcp")
	defer d.Close()
	req, err := sinktest.Encode(d, event(t, `{"a":"one\ntwo"}`), event(t, `{"a":"three"}`))
	if err != nil {
		t.Fatal(err)
	}
	if r := d.Send(t.Context(), req); r.Verdict != sink.Done {
		t.Fatalf("got %+v, want done", r)
	}
	for _, want := range []string{"a:one two", "a:three"} {
		line, err := s.Next(patience)
		if err != nil || !strings.HasSuffix(line, " fluentd: "+want) {
			t.Errorf("got %q, %v; want %s", line, err, want)
		}
	}
}

func TestARemoteSyslogThatCantWorkIsRefused(t *testing.T) {
	for want, o := range map[string]RemoteOptions{
		"host: is missing":         {Facility: "user", Severity: "notice", Protocol: "udp"},
		"severity: \"bad\" is not": {Host: "h", Port: 1, Facility: "user", Severity: "bad", Protocol: "udp"},
		"facility: \"-\" is not":   {Host: "h", Port: 1, Facility: "-", Severity: "notice", Protocol: "udp"},
		"tls: needs protocol tcp":  {Host: "h", Port: 1, Facility: "user", Severity: "notice", Protocol: "udp", Secure: true},
		"host_with_port: \"h\" is": {HostPort: "h", Facility: "user", Severity: "notice", Protocol: "udp"},
		"host: can't have":         {Host: "${tag}", Port: 1, Facility: "user", Severity: "notice", Protocol: "udp"},
	} {
		if err := o.Check(config.Fluentd); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
