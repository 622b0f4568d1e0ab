package socket

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// source is a client that sends messages.
type source struct {
	network, address string
	format           string
	nc               net.Conn // since the first Send
}

func (s *source) Send(t *testing.T, text string) {
	t.Helper()
	if s.nc == nil {
		nc, err := net.Dial(s.network, s.address)
		if err != nil {
			t.Fatal(err)
		}
		s.nc = nc
	}
	if _, err := fmt.Fprintf(s.nc, s.format, text); err != nil {
		t.Fatal(err)
	}
}

func (s *source) Acked(*testing.T) int { return 0 }

func (s *source) Close() {
	if s.nc != nil {
		s.nc.Close()
	}
}

func addressOf(in input.Input) string {
	return in.(interface{ Addr() net.Addr }).Addr().String()
}

func none() Common {
	return Common{Tag: "app", Bind: "127.0.0.1", Parse: &parse.Spec{Type: "none", MessageKey: "log"}}
}

func TestPromises(t *testing.T) {
	for name, open := range map[string]func(input.Env) (input.Input, error){
		"tcp": func(env input.Env) (input.Input, error) {
			return NewTCP(&TCPOptions{Common: none(), Delimiter: "\n"}, config.Fluentd, env)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inputtest.Run(t, inputtest.Subject{Open: func(t *testing.T) (input.Input, inputtest.Source) {
				in, err := open(input.Env{ID: name + ".0"})
				if err != nil {
					t.Fatal(err)
				}
				return in, &source{network: name, address: addressOf(in), format: "%s\n"}
			}})
		})
	}
}

// A taken is what an input has added or rejected.
type taken chan string

func (c taken) Add(tag []byte, _ record.Time, body []byte) {
	c <- string(tag) + " " + string(record.AppendJSON(nil, body))
}
func (c taken) Reject(n int, reason string) { c <- fmt.Sprintf("%d %s", n, reason) }
func (c taken) Flush(context.Context) error { return nil }

// run sends text to an input and returns the first n events and rejects.
func run(t *testing.T, in input.Input, network, text string, n int) (got []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c, ended := make(taken, 100), make(chan error)
	go func() { ended <- in.Run(ctx, func() input.Receiver { return c }) }()
	nc, err := net.Dial(network, addressOf(in))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	for range n {
		select {
		case one := <-c:
			got = append(got, one)
		case <-time.After(time.Minute):
			t.Fatalf("got only %q", got)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	in.Close()
	return got
}

func TestMessagesAreParsedAndGetTheirSender(t *testing.T) {
	env := input.Env{ID: "tcp.0", Log: zerolog.Nop()}
	o := &TCPOptions{Common: Common{Tag: "app", Bind: "127.0.0.1", AddressKey: "from", HostnameKey: "host", Parse: &parse.Spec{Type: "json"}}, Delimiter: "|", Limit: 30}
	in, err := NewTCP(o, config.Fluentd, env)
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, in, "tcp", `{"a":1}|no JSON|{"a":"`+strings.Repeat("x", 100)+`"}|{"a":"\n2"}|`, 4)
	want := []string{`app {"a":1,"from":"127.0.0.1","host":"127.0.0.1"}`, "1 " + unparsed, "1 message too long", `app {"a":"\n2","from":"127.0.0.1","host":"127.0.0.1"}`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOnlyClientsInSecurityMayConnect(t *testing.T) {
	env := input.Env{ID: "tcp.0", Log: zerolog.Nop()}
	for network, want := range map[string]string{"127.0.0.0/8": `app {"log":"x"}`, "127.0.0.1": `app {"log":"x"}`, "10.0.0.0/8": "closed", "127.0.0.2": "closed"} {
		o := &TCPOptions{Common: none(), Delimiter: "\n", Security: &Security{Clients: []Client{{Host: "10.1.2.3"}, {Network: network}}}}
		in, err := NewTCP(o, config.Fluentd, env)
		if err != nil {
			t.Fatal(err)
		}
		if want != "closed" {
			if got := run(t, in, "tcp", "x\n", 1); got[0] != want {
				t.Errorf("%s: got %q, want %s", network, got, want)
			}
			continue
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- in.Run(ctx, func() input.Receiver { return make(taken, 100) }) }()
		nc, err := net.Dial("tcp", addressOf(in))
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(time.Minute))
		if _, err := nc.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("got %v, want the connection to be closed", err)
		}
		nc.Close()
		cancel()
		<-ended
		in.Close()
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	for want, o := range map[string]TCPOptions{
		"a section <parse> is missing": {},
		"delimiter: is empty":          {Common: none()},
		"network: ":                    {Common: none(), Delimiter: "x", Security: &Security{Clients: []Client{{Network: "10"}}}},
		"host: ":                       {Common: none(), Delimiter: "x", Security: &Security{Clients: []Client{{Host: "example.com"}}}},
		"network: excludes host":       {Common: none(), Delimiter: "x", Security: &Security{Clients: []Client{{Host: "::1", Network: "10.0.0.0/8"}}}},
	} {
		if err := o.Check(config.Fluentd); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
