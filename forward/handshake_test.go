package forward

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/config"
)

func secureBit() *Options {
	o := defaults(config.FluentBit)
	o.SharedKey = "secret"
	return o
}

func secureD() *Options {
	o := defaults(config.Fluentd)
	o.Security = &Security{SelfHostname: "server", SharedKey: "secret", AllowAnonymous: true}
	return o
}

func TestHandshakeLetsInWhoKnowsTheKey(t *testing.T) {
	users := []config.Pair{{Key: "ann", Value: "pass word"}, {Key: "bob", Value: "x"}}
	for name, c := range map[string]struct {
		d       config.Dialect
		set     func(bit, d *Options)
		client  Client
		refused string // "" let in
	}{
		"fluentbit":            {config.FluentBit, nil, Client{SharedKey: "secret"}, ""},
		"fluentd":              {config.Fluentd, nil, Client{SharedKey: "secret", NotSelf: true}, ""},
		"wrong key":            {config.FluentBit, nil, Client{SharedKey: "wrong"}, "shared_key mismatch"},
		"wrong key, fluentd":   {config.Fluentd, nil, Client{SharedKey: "wrong"}, "shared_key mismatch"},
		"empty key":            {config.FluentBit, func(b, _ *Options) { b.SharedKey, b.EmptySharedKey = "", true }, Client{}, ""},
		"user":                 {config.FluentBit, func(b, _ *Options) { b.Users = users }, Client{SharedKey: "secret", Username: "ann", Password: "pass word"}, ""},
		"no user":              {config.FluentBit, func(b, _ *Options) { b.Users = users }, Client{SharedKey: "secret"}, "username/password mismatch"},
		"wrong password":       {config.FluentBit, func(b, _ *Options) { b.Users = users }, Client{SharedKey: "secret", Username: "ann", Password: "x"}, "username/password mismatch"},
		"user, fluentd":        {config.Fluentd, withUser, Client{SharedKey: "secret", Username: "ann", Password: "pw"}, ""},
		"wrong user, fluentd":  {config.Fluentd, withUser, Client{SharedKey: "secret", Username: "eve", Password: "pw"}, "username/password mismatch"},
		"no user_auth":         {config.Fluentd, func(b, d *Options) { withUser(b, d); d.Security.UserAuth = false }, Client{SharedKey: "secret"}, ""},
		"client's own key":     {config.Fluentd, withClient("127.0.0.0/8"), Client{SharedKey: "own"}, ""},
		"client's key is both": {config.Fluentd, withClient("127.0.0.0/8"), Client{SharedKey: "secret"}, "shared_key mismatch"},
		"anonymous":            {config.Fluentd, withClient("10.0.0.0/8"), Client{SharedKey: "secret"}, "anonymous source denied"},
		"by address":           {config.Fluentd, withClient("127.0.0.1"), Client{SharedKey: "own"}, ""},
		"a loop":               {config.Fluentd, func(_, d *Options) { d.Security.SelfHostname = "client" }, Client{SharedKey: "secret", NotSelf: true}, "use another self_hostname"},
	} {
		t.Run(name, func(t *testing.T) {
			bit, d := secureBit(), secureD()
			if c.set != nil {
				c.set(bit, d)
			}
			o := bit
			if c.d == config.Fluentd {
				o = d
			}
			if err := o.Check(c.d); err != nil {
				t.Fatal(err)
			}
			r := start(t, c.d, o)
			conn := r.dial(t)
			c.client.Hostname = "client"
			_, err := c.client.Handshake(conn)
			conn.Write(pack(arr{"app", 1, obj{}}))
			conn.(*net.TCPConn).CloseWrite()
			conn.Read(make([]byte, 1)) // the end
			if c.refused == "" {
				if err != nil {
					t.Fatal(err)
				}
				eventually(t, "the event", func() bool { return len(r.sink.got()) == 1 })
				return
			}
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.refused) {
				t.Error(err)
			}
			if c.client.NotSelf { // it is the client that refuses
				return
			}
			if got := r.log.String(); len(r.sink.got()) > 0 || !strings.Contains(got, `"reason":"`+c.refused+`","hostname":"client"`) {
				t.Errorf("got events %q and log %s, want no event and the reason %q", r.sink.got(), got, c.refused)
			}
		})
	}
}

func withUser(_, d *Options) {
	d.Security.UserAuth = true
	d.Security.Users = []SecureUser{{"ann", "pw"}}
}

func withClient(network string) func(_, d *Options) {
	return func(_, d *Options) {
		d.Security.AllowAnonymous = false
		d.Security.Clients = []SecureClient{{Network: network, SharedKey: "own"}}
	}
}

func TestMessagesInsteadOfAHandshakeAreRefused(t *testing.T) {
	f := feed(config.FluentBit, secureBit(), pack(arr{"app", 1, obj{}}))
	if len(f.events) > 0 || !strings.Contains(f.log, "the client's answer to HELO is not a PING") {
		t.Errorf("got events %q and log %s, want no event and why", f.events, f.log)
	}
	f = feed(config.FluentBit, secureBit(), bytes.Repeat([]byte("\xdb\x7f\xff\xff\xff"), 2000))
	if !strings.Contains(f.log, `"limit_bytes":4096,"message":"the PING of a client is too long`) {
		t.Errorf("got log %s, want the limit", f.log)
	}
	if f = feed(config.FluentBit, secureBit()); f.log != "" { // a heartbeat
		t.Errorf("got log %s, want nothing in it", f.log)
	}
}

// TestHandshakeHasATimeLimit: for a client that is silent, and for one that sends a byte now and then.
func TestHandshakeHasATimeLimit(t *testing.T) {
	for _, every := range []time.Duration{time.Hour, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			log := new(lines)
			s := newServer(noListener{&net.TCPAddr{}}, nil, testEnv(log))
			o := secureBit()
			s.rules, s.auth, s.handle = o.rules(config.FluentBit), o.auth(config.FluentBit), (*conn).forward
			client, server := net.Pipe()
			begun := time.Now()
			var ended time.Duration
			go func() {
				serveOne(s, server, new(sink))
				ended = time.Since(begun)
			}()
			client.Read(make([]byte, 1000)) // HELO
			client.SetWriteDeadline(begun.Add(time.Hour))
			p := ping{hostname: make([]byte, 1000)}
			for _, b := range p.append(nil) {
				if _, err := client.Write([]byte{b}); err != nil {
					break
				}
				time.Sleep(every)
			}
			client.Close()
			synctest.Wait()
			if ended != signInTime || !strings.Contains(log.String(), "the client did not sign in within 10s") {
				t.Errorf("ended after %v, log %s", ended, log)
			}
		})
	}
}

// TestClientsThatDoNotSignInKeepNobodyOut: who signs in at once gets a place, however many don't.
func TestClientsThatDoNotSignInKeepNobodyOut(t *testing.T) {
	if testing.Short() {
		t.Skip("more than 1,024 file descriptors")
	}
	o := secureBit()
	o.UnixPath = socketPath(t)
	r := start(t, config.FluentBit, o)
	if r.memory.MaxConns() < 2*maxConns {
		t.Skip("not enough file descriptors")
	}
	in := r.dial(t)
	if _, err := (&Client{SharedKey: "secret"}).Handshake(in); err != nil {
		t.Fatal(err)
	}
	for range maxConns {
		r.dial(t).Write([]byte{0x96})
	}
	late := r.dial(t)
	if _, err := (&Client{SharedKey: "secret"}).Handshake(late); err != nil {
		t.Fatal(err)
	}
	late.Write(pack(arr{"app", 1, obj{}}))
	in.Write(pack(arr{"app", 2, obj{}}))
	eventually(t, "both events", func() bool { return len(r.sink.got()) == 2 })
	eventually(t, "places are free", func() bool { return r.Connections() <= maxSigningIn+2 })
	if !strings.Contains(r.log.String(), "too many clients have not signed in yet: the one that has been connected longest was closed") {
		t.Error(r.log)
	}
}

// A slowToEnd is a connection whose goroutine doesn't end when it is closed, as on a machine that has much else to do.
type slowToEnd struct {
	fakeConn
	closed atomic.Bool
	ends   chan struct{}
}

func (s *slowToEnd) Read([]byte) (int, error) {
	<-s.ends
	return 0, net.ErrClosed
}

func (s *slowToEnd) Close() error {
	s.closed.Store(true)
	return nil
}

// TestAClosedClientGivesUpItsPlaceAtOnce: a client that comes after many that didn't sign in is not refused because they have
// not ended yet.
func TestAClosedClientGivesUpItsPlaceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(lines)
		s := newServer(noListener{&net.TCPAddr{}}, nil, testEnv(log))
		o := secureBit()
		s.rules, s.auth, s.handle = o.rules(config.FluentBit), o.auth(config.FluentBit), (*conn).forward
		ends := make(chan struct{})
		var all []*slowToEnd
		for range maxConns + 10 {
			c := &slowToEnd{ends: ends}
			all = append(all, c)
			s.open(c, new(sink).receiver)
		}
		open := 0
		for _, c := range all {
			if !c.closed.Load() {
				open++
			}
		}
		if all[len(all)-1].closed.Load() || s.Connections() != open || open > maxSigningIn {
			t.Errorf("got %d connections open, %d counted, the last one closed: %v; want %d at most, and the last one open",
				open, s.Connections(), all[len(all)-1].closed.Load(), maxSigningIn)
		}
		close(ends)
		s.done.Wait()
		if err := s.WaitIdle(t.Context()); err != nil || s.Connections() != 0 || len(s.signing) > 0 {
			t.Errorf("at the end got %d connections, %d of them signing in, error %v; want none", s.Connections(), len(s.signing), err)
		}
		if strings.Contains(log.String(), "too many connections are open") {
			t.Error("got a new connection refused, want the oldest closed instead")
		}
	})
}

// TestRecordedStreams plays what other clients write, byte for byte, against the server. A file of testdata/streams
// is the options that are set, then lines "client: …" and "server: …" of hex and quoted text, and at last the events.
// The server's random bytes are replaced by those that the file's digests were made with.
func TestRecordedStreams(t *testing.T) {
	files, err := filepath.Glob("testdata/streams/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatalf("got %d streams and error %v, want 8 or more", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { play(t, file) })
	}
}

func play(t *testing.T, file string) {
	d := config.FluentBit
	if strings.HasPrefix(filepath.Base(file), "fluentd") {
		d = config.Fluentd
	}
	o := defaults(d)
	var client, server, events, answered []byte
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for sc := bufio.NewScanner(bytes.NewReader(text)); sc.Scan(); {
		what, rest, _ := strings.Cut(sc.Text(), ":")
		switch what {
		case "client":
			client = append(client, octets(t, rest)...)
		case "server":
			server = append(server, octets(t, rest)...)
		case "event":
			events = append(append(events, strings.TrimSpace(rest)...), '\n')
		case "shared_key":
			if d == config.Fluentd {
				o.Security = &Security{SelfHostname: "server", SharedKey: config.Secret(strings.TrimSpace(rest)), AllowAnonymous: true}
				continue
			}
			o.SharedKey, o.SelfHostname = config.Secret(strings.TrimSpace(rest)), "server"
		case "user":
			name, password, _ := strings.Cut(strings.TrimSpace(rest), " ")
			o.Users = []config.Pair{{Key: name, Value: password}}
			if d == config.Fluentd {
				o.Security.UserAuth, o.Security.Users = true, []SecureUser{{name, config.Secret(password)}}
			}
		}
	}
	log, k := new(lines), new(sink)
	s := newServer(noListener{&net.TCPAddr{}}, nil, testEnv(log))
	s.rules, s.auth, s.handle = o.rules(d), o.auth(d), (*conn).forward
	salts := []string{"nonce 0123456789", "auth salt 012345"}
	s.salt = func() []byte {
		next := salts[0]
		salts = salts[1:]
		return []byte(next)
	}
	f := &fakeConn{pieces: [][]byte{client}}
	serveOne(s, f, k)
	answered = f.out.Bytes()
	if !bytes.Equal(answered, server) {
		t.Errorf("got the answer\n%x\nwant\n%x", answered, server)
	}
	if got := strings.Join(k.events, "\n") + "\n"; got != string(events) {
		t.Errorf("got the events:\n%swant:\n%slog: %s", got, events, log)
	}
}

// octets reads hex and quoted text.
func octets(t *testing.T, s string) []byte {
	t.Helper()
	var out []byte
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if s[0] == '"' {
			q, err := strconv.QuotedPrefix(s)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := strconv.Unquote(q)
			out, s = append(out, text...), s[len(q):]
			continue
		}
		word, rest, _ := strings.Cut(s, " ")
		b, err := hex.DecodeString(word)
		if err != nil {
			t.Fatal(err)
		}
		out, s = append(out, b...), rest
	}
	return out
}
