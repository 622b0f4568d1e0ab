package syslog

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

// lineParser is a parser that makes the field log.
func lineParser() []config.Instance {
	return []config.Instance{{ID: "line", Options: &parse.Options{Name: "line", Format: "regex", Regex: "^(?<log>.*)$"}}}
}

// addressOf is where an input listens.
func addressOf(t *testing.T, in input.Input) (network, address string) {
	t.Helper()
	a := in.(interface{ Addr() net.Addr }).Addr()
	return a.Network(), a.String()
}

func TestPromises(t *testing.T) {
	bit := func(mode string) func(*testing.T) (*Options, config.Dialect) {
		return func(t *testing.T) (*Options, config.Dialect) {
			return &Options{Mode: mode, Listen: "127.0.0.1", Path: filepath.Join(t.TempDir(), "s"), Parser: "line"}, config.FluentBit
		}
	}
	fluentd := func(protocol string) func(*testing.T) (*Options, config.Dialect) {
		return func(*testing.T) (*Options, config.Dialect) {
			return &Options{Tag: "sys", Listen: "127.0.0.1", LengthLimit: 2048, Transport: &Transport{Protocol: protocol},
				Parse: &Parse{Type: "regexp", Expression: "^(?<log>.*)$"}}, config.Fluentd
		}
	}
	for name, c := range map[string]struct {
		options func(*testing.T) (*Options, config.Dialect)
		format  string
	}{
		"udp": {bit("udp"), "%s"}, "tcp": {bit("tcp"), "%s\n"}, "unix_udp": {bit("unix_udp"), "%s"}, "unix_tcp": {bit("unix_tcp"), "%s\n"},
		"Fluentd's udp": {fluentd("udp"), "<13>%s"}, "Fluentd's tcp": {fluentd("tcp"), "<13>%s\n"},
	} {
		t.Run(name, func(t *testing.T) {
			inputtest.Run(t, inputtest.Subject{Open: func(t *testing.T) (input.Input, inputtest.Source) {
				o, d := c.options(t)
				in, err := New(o, d, input.Env{ID: "syslog.0", Parsers: lineParser()})
				if err != nil {
					t.Fatal(err)
				}
				network, address := addressOf(t, in)
				return in, &source{network: network, address: address, format: c.format}
			}})
		})
	}
}

// A rig is an input that runs, and what it took.
type rig struct {
	network, address string
	log              strings.Builder
	took             chan struct{}

	mu      sync.Mutex
	events  []string
	rejects []string
}

func (r *rig) Add(tag []byte, at record.Time, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := string(tag) + " "
	if time.Since(time.Unix(int64(at.Sec), 0)) > time.Hour {
		text += fmt.Sprintf("%d ", at.Sec)
	}
	r.events = append(r.events, text+string(record.AppendJSON(nil, body)))
}

func (r *rig) Reject(n int, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rejects = append(r.rejects, fmt.Sprintf("%d %s", n, reason))
}

func (r *rig) Flush(context.Context) error {
	select {
	case r.took <- struct{}{}:
	default:
	}
	return nil
}

// wait waits until n events and rejects have come, and returns them.
func (r *rig) wait(t *testing.T, n int) (events, rejects []string) {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		r.mu.Lock()
		events, rejects = slices.Clone(r.events), slices.Clone(r.rejects)
		r.mu.Unlock()
		if len(events)+len(rejects) >= n {
			return events, rejects
		}
		select {
		case <-r.took:
		case <-time.After(10 * time.Millisecond): // a reject alone isn't flushed
		case <-timeout:
			t.Fatalf("got %q and %q, want %d", events, rejects, n)
		}
	}
}

func start(t *testing.T, o *Options, d config.Dialect, parsers []config.Instance) *rig {
	t.Helper()
	r := &rig{took: make(chan struct{}, 1)}
	in, err := New(o, d, input.Env{ID: "syslog.0", Log: zerolog.New(zerolog.SyncWriter(&r.log)), Parsers: parsers})
	if err != nil {
		t.Fatal(err)
	}
	r.network, r.address = addressOf(t, in)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx, func() input.Receiver { return r }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error("Run:", err)
		}
	})
	return r
}

// send sends each piece with a write of its own, and hangs up.
func (r *rig) send(t *testing.T, pieces ...string) {
	t.Helper()
	nc, err := net.Dial(r.network, r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, p := range pieces {
		if _, err := io.WriteString(nc, p); err != nil {
			t.Fatal(err)
		}
	}
}

// builtIn are the parsers that every configuration of Fluent Bit has.
func builtIn(t *testing.T) []config.Instance {
	t.Helper()
	file := filepath.Join(t.TempDir(), "f.conf")
	if err := os.WriteFile(file, []byte("[SERVICE]\n    Flush 1\n[INPUT]\n    Name x\n[OUTPUT]\n    Name y\n    Match *\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, _ := config.Compile(file, []config.Plugin{
		{Kind: config.KindParser, FluentBit: []string{"json", "regex", "ltsv", "logfmt"}, Options: func() any { return new(parse.Options) }},
		{Kind: config.KindInput, FluentBit: []string{"x"}, Options: func() any { return new(struct{}) }},
		{Kind: config.KindOutput, FluentBit: []string{"y"}, Options: func() any { return new(struct{}) }},
	}, func(string) (string, bool) { return "", false })
	return plan.Parsers
}

const (
	rfc5424 = `<165>1 2003-10-11T22:14:15.003Z host app 123 ID47 - hello`
	rfc3164 = `<34>Oct 11 22:14:15 host su[12]: failed`
)

func TestFluentBitsMessages(t *testing.T) {
	parsers := builtIn(t)
	o := &Options{Mode: "udp", Listen: "127.0.0.1", RawKey: "raw", AddressKey: "from", Tag: "sys"}
	r := start(t, o, config.FluentBit, parsers)
	r.send(t, rfc5424, "no syslog", rfc5424)
	want := `sys 1065910455 {"pri":"165","time":"2003-10-11T22:14:15.003Z","host":"host","ident":"app","pid":"123","msgid":"ID47","extradata":"-","message":"hello","raw":"` + rfc5424 + `","from":"127.0.0.1"}`
	events, rejects := r.wait(t, 3)
	if !slices.Equal(events, []string{want, want}) || !slices.Equal(rejects, []string{"1 message can't be parsed"}) {
		t.Errorf("got %q and %q, want twice %s, and one reject", events, rejects, want)
	}

	o = &Options{Mode: "unix_tcp", Path: filepath.Join(t.TempDir(), "s")}
	r = start(t, o, config.FluentBit, parsers)
	r.send(t, "<34>Oct 11 22:14:15 su[12]: failed\n\n<34>Oct 11 22:14:15 su", ": again\x00<34>Oct 11 22:14:15 su: last")
	events, rejects = r.wait(t, 3)
	for i, message := range []string{"failed", "again", "last"} {
		if len(events) != 3 || !strings.Contains(events[i], `"ident":"su"`) || !strings.HasSuffix(events[i], `"message":"`+message+`"}`) || len(rejects) > 0 {
			t.Fatalf("got %q and %q, want three messages", events, rejects)
		}
	}
}

func TestFraming(t *testing.T) {
	long := strings.Repeat("x", 40_000)
	for name, c := range map[string]struct {
		format  string
		in      []string
		events  []string
		rejects []string
	}{
		"lines, one byte each": {"newline", strings.Split("one\ntwo\n", ""), []string{"one", "two"}, nil},
		"a long line":          {"newline", []string{"one\n" + strings.Repeat("y", 20_000) + "\ntwo\n"}, []string{"one", strings.Repeat("y", 20_000), "two"}, nil},
		"a line too long":      {"newline", []string{"one\n" + long + "\ntwo\n"}, []string{"one", "two"}, []string{"1 message too long"}},
		"octets":               {"octet_counting", strings.Split("3 one5 t\nwo!\n3 six", ""), []string{"one", "t\nwo!", "six"}, nil},
		"octets, too long":     {"octet_counting", []string{"3 one40000 " + long + "3 two"}, []string{"one", "two"}, []string{"1 message too long"}},
		"octets, no length":    {"octet_counting", []string{"3 onetwo"}, []string{"one"}, []string{"1 bad length"}},
		"octets, cut short":    {"octet_counting", []string{"3 one5 tw"}, []string{"one"}, []string{"1 cut short"}},
		"octets, endless":      {"octet_counting", []string{"3 one" + strings.Repeat("9", 100)}, []string{"one"}, []string{"1 bad length"}},
	} {
		t.Run(name, func(t *testing.T) {
			parsers := []config.Instance{{ID: "line", Options: &parse.Options{Name: "line", Format: "regex", Regex: "^(?<log>(.|\\n)*)$"}}}
			r := start(t, &Options{Mode: "tcp", Listen: "127.0.0.1", Parser: "line", Format: c.format}, config.FluentBit, parsers)
			r.send(t, c.in...)
			events, rejects := r.wait(t, len(c.events)+len(c.rejects))
			var want []string
			for _, text := range c.events {
				want = append(want, string(append(record.AppendJSONString([]byte(`syslog.0 {"log":`), []byte(text)), '}')))
			}
			if !slices.Equal(events, want) || !slices.Equal(rejects, c.rejects) {
				t.Errorf("got %.300q and %q, want %.300q and %q", events, rejects, want, c.rejects)
			}
		})
	}
}

func TestFluentdsMessages(t *testing.T) {
	o := &Options{Tag: "sys", Listen: "127.0.0.1", FacilityKey: "facility", SeverityKey: "severity", AddressKey: "from",
		Parse: &Parse{Type: "syslog", MessageFormat: "auto", TimeKey: "time", UTC: true, RFC5424Time: "%Y-%m-%dT%H:%M:%S.%L%z"}}
	r := start(t, o, config.Fluentd, nil)
	r.send(t, rfc5424, rfc3164, "none", "<13>?")
	events, rejects := r.wait(t, 4)
	if len(events) != 2 || len(rejects) != 2 || rejects[0] != "1 no priority" || rejects[1] != "1 message can't be parsed" {
		t.Fatalf("got %q and %q, want two events and two rejects", events, rejects)
	}
	if want := `sys.local4.notice 1065910455 {"host":"host","ident":"app","pid":"123","msgid":"ID47","extradata":"-","message":"hello","severity":"notice","facility":"local4","from":"127.0.0.1"}`; events[0] != want {
		t.Errorf("got %s, want %s", events[0], want)
	}
	if want := `{"host":"host","ident":"su","pid":"12","message":"failed","severity":"crit","facility":"auth","from":"127.0.0.1"}`; !strings.HasPrefix(events[1], "sys.auth.crit ") || !strings.HasSuffix(events[1], want) {
		t.Errorf("got %s, want %s", events[1], want)
	}

	r = start(t, &Options{Tag: "sys", Listen: "127.0.0.1", Unmatched: true, LengthLimit: 2048, FrameType: "octet_count", Protocol: "tcp"}, config.Fluentd, nil)
	r.send(t, "4 none39 "+rfc3164)
	events, _ = r.wait(t, 2)
	if len(events) != 2 || events[0] != `sys.unmatched {"unmatched_line":"none"}` || !strings.HasPrefix(events[1], "sys.auth.crit ") {
		t.Errorf("got %q, want an unmatched line and a message", events)
	}
}

// TestFluentdsLimitIsThatOfDatagrams: Fluentd's message_length_limit says how much it reads of a datagram, and its connections have none.
func TestFluentdsLimitIsThatOfDatagrams(t *testing.T) {
	text := strings.Repeat("x", 30_000)
	for _, protocol := range []string{"udp", "tcp"} {
		r := start(t, &Options{Tag: "sys", Listen: "127.0.0.1", LengthLimit: 2048, Protocol: protocol}, config.Fluentd, nil)
		r.send(t, rfc3164+text+"\n")
		events, rejects := r.wait(t, 1)
		if len(events) != 1 || !strings.Contains(events[0], `failed`+text+`"`) || len(rejects) != 0 {
			t.Errorf("%s: got %.100q and %q, want the whole message", protocol, events, rejects)
		}
	}
}

// TestAnUnmatchedLineHasItsSender: as in Fluentd.
func TestAnUnmatchedLineHasItsSender(t *testing.T) {
	r := start(t, &Options{Tag: "sys", Listen: "127.0.0.1", Unmatched: true, AddressKey: "from", HostnameKey: "host"}, config.Fluentd, nil)
	r.send(t, "none")
	if events, _ := r.wait(t, 1); events[0] != `sys.unmatched {"unmatched_line":"none","from":"127.0.0.1","host":"127.0.0.1"}` {
		t.Errorf("got %q, want the line with the sender's address", events)
	}
}

// TestANewlineAtTheEndOfADatagramIsNoPartOfTheMessage: as in Fluentd.
func TestANewlineAtTheEndOfADatagramIsNoPartOfTheMessage(t *testing.T) {
	r := start(t, &Options{Tag: "sys", Listen: "127.0.0.1", Parse: &Parse{Type: "none"}}, config.Fluentd, nil)
	r.send(t, "<13>a\nb\r\n")
	if events, _ := r.wait(t, 1); events[0] != `sys.user.notice {"message":"a\nb"}` {
		t.Errorf("got %q, want the text without its last newline", events)
	}
}

func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	o := &Options{Mode: "tcp", Listen: "127.0.0.1", Parser: "line"}
	o.On, o.CrtFile, o.KeyFile = true, cert, key
	r := start(t, o, config.FluentBit, lineParser())
	nc, err := tls.Dial(r.network, r.address, &tls.Config{InsecureSkipVerify: true}) // the certificate isn't what is tested
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "one\n")
	if events, _ := r.wait(t, 1); !slices.Equal(events, []string{`syslog.0 {"log":"one"}`}) {
		t.Errorf("got %q, want one event", events)
	}
}

// TestDatagramsAreReadWhileTheQueueTakesThem: a full queue stops reading, and what the socket holds comes after it.
func TestDatagramsAreReadWhileTheQueueTakesThem(t *testing.T) {
	in, err := New(&Options{Mode: "udp", Listen: "127.0.0.1", Parser: "line"}, config.FluentBit, input.Env{ID: "syslog.0", Parsers: lineParser()})
	if err != nil {
		t.Fatal(err)
	}
	network, address := addressOf(t, in)
	r := &rig{took: make(chan struct{}, 1)}
	full := &blocked{rig: r, entered: make(chan struct{}), release: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx, func() input.Receiver { return full }) }()
	nc, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "0")
	<-full.entered
	for i := range 50 {
		fmt.Fprint(nc, i+1)
	}
	if events, _ := r.wait(t, 1); len(events) != 1 {
		t.Errorf("got %d events while the queue is full, want one", len(events))
	}
	close(full.release)
	cancel() // what has come is still taken
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if events, _ := r.wait(t, 1); len(events) != 51 {
		t.Errorf("got %d events, want 51", len(events))
	}
}

// A blocked is a receiver whose queue is full until release is closed.
type blocked struct {
	*rig
	entered, release chan struct{}
	once             sync.Once
}

func (b *blocked) Flush(ctx context.Context) error {
	b.once.Do(func() { close(b.entered) })
	<-b.release
	return nil
}

func TestWrongOptions(t *testing.T) {
	for want, c := range map[string]struct {
		d config.Dialect
		o Options
	}{
		"path: is missing; want the socket file of mode unix_udp, or mode udp or tcp": {config.FluentBit, Options{Mode: "unix_udp"}},
		"unix_perm: must be octal permissions: 0644":                                  {config.FluentBit, Options{Mode: "udp", Perm: "rw"}},
		"tag: is missing; want the beginning of the events' tags":                     {config.Fluentd, Options{}},
		"<transport>: tls needs cert_path and private_key_path":                       {config.Fluentd, Options{Tag: "t", Transport: &Transport{Protocol: "tls"}}},
	} {
		err := c.o.Check(c.d)
		var wrong *config.OptionError
		if !errors.As(err, &wrong) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := New(&Options{Mode: "udp", Parser: "nope"}, config.FluentBit, input.Env{}); err == nil || !strings.Contains(err.Error(), `parser "nope" is not defined`) {
		t.Errorf("got %v, want that the parser is not defined", err)
	}
}

// FuzzMessages feeds any bytes: each message is an event or a reject.
func FuzzMessages(f *testing.F) {
	for _, seed := range []string{rfc5424, rfc3164, "<1>", "<999>x", "<>1 x", "<34>Oct 11"} {
		f.Add([]byte(seed))
	}
	r, err := newRules(&Options{Tag: "t"}, config.Fluentd, input.Env{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		k := &checking{t: t}
		r.taker("1.2.3.4").take(k, msg)
		if k.n != 1 {
			t.Errorf("got %d events and rejects, want one", k.n)
		}
	})
}

type checking struct {
	t *testing.T
	n int
}

func (c *checking) Add(_ []byte, _ record.Time, body []byte) {
	if c.n++; !valid(body) {
		c.t.Errorf("got the body %x, want valid MessagePack", body)
	}
}
func (c *checking) Reject(n int, _ string)      { c.n += n }
func (c *checking) Flush(context.Context) error { return nil }

// certificate writes a certificate and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "cert"), filepath.Join(dir, "key")
}
