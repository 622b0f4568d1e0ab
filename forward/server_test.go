package forward

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
)

func TestSilentConnectionIsAHeartbeat(t *testing.T) {
	r := start(t, config.Fluentd, defaults(config.Fluentd))
	r.send(t, nil)
	eventually(t, "the connection is closed", func() bool { return r.Connections() == 0 })
	if r.sink.opened > 0 || r.log.String() != "" {
		t.Errorf("got %d receivers and log %s, want none", r.sink.opened, r.log)
	}
}

// listenBoth listens on a port that is free for TCP and for UDP.
func listenBoth(t *testing.T, log *lines) *Server {
	t.Helper()
	for range 100 {
		s, err := listen(defaults(config.Fluentd), config.Fluentd, testEnv(log))
		if err != nil {
			t.Fatal(err)
		}
		if s.udp != nil {
			return s
		}
		s.Close()
	}
	t.Fatal("got 100 ports for TCP that are in use for UDP, want one that is free")
	return nil
}

func TestUDPHeartbeatIsAnswered(t *testing.T) {
	log := new(lines)
	r := run(t, listenBoth(t, log), log, new(sink))
	c, err := net.Dial("udp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	c.Write([]byte{0})
	b := make([]byte, 10)
	if n, err := c.Read(b); err != nil || n != 1 || b[0] != 0 {
		t.Errorf("got the answer %x and error %v, want one zero byte", b[:n], err)
	}
}

// countingUDP counts what is sent.
type countingUDP struct {
	net.PacketConn
	sent atomic.Int64
}

func (c *countingUDP) WriteTo(b []byte, to net.Addr) (int, error) {
	c.sent.Add(1)
	return c.PacketConn.WriteTo(b, to)
}

// TestUDPHeartbeatDoesNotAnswerItself: a forged datagram from the server's own address.
func TestUDPHeartbeatDoesNotAnswerItself(t *testing.T) {
	log := new(lines)
	s := listenBoth(t, log)
	udp := &countingUDP{PacketConn: s.udp}
	s.udp = udp
	if _, err := udp.PacketConn.WriteTo([]byte{0}, udp.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	r := run(t, s, log, new(sink))
	c, err := net.Dial("udp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	for range 2 {
		c.Write([]byte{0})
		if _, err := c.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if got := udp.sent.Load(); got != 2 {
		t.Errorf("got %d answers, want 2", got)
	}
}

// floodedUDP has left datagrams to read, at once, and is closed then.
type floodedUDP struct {
	net.PacketConn
	left, sent int
}

func (f *floodedUDP) LocalAddr() net.Addr { return &net.UDPAddr{Port: 24224} }

func (f *floodedUDP) ReadFrom([]byte) (int, net.Addr, error) {
	if f.left--; f.left < 0 {
		return 0, nil, net.ErrClosed
	}
	return 1, &net.UDPAddr{Port: 7}, nil
}

func (f *floodedUDP) WriteTo([]byte, net.Addr) (int, error) {
	f.sent++
	return 1, nil
}

func TestUDPHeartbeatsHaveABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(noListener{&net.TCPAddr{}}, nil, testEnv(new(lines)))
		udp := &floodedUDP{left: 100 * heartbeatBudget}
		s.udp = udp
		begun := time.Now()
		s.heartbeats()
		if took := time.Since(begun); took < 99*heartbeatTime || udp.sent != 100*heartbeatBudget {
			t.Errorf("%d answers in %v, want at most %d in %v", udp.sent, took, heartbeatBudget, heartbeatTime)
		}
	})
}

func TestConnectionsAreIndependent(t *testing.T) {
	r := start(t, config.FluentBit, defaults(config.FluentBit))
	good := r.dial(t)
	good.Write(pack(arr{"app", 1, obj{}}))
	r.send(t, []byte("GET / HTTP/1.1\r\n\r\n"))
	good.Write(pack(arr{"app", 2, obj{}}))
	eventually(t, "both events", func() bool { return len(r.sink.got()) == 2 })
	if !strings.Contains(r.log.String(), "not a message") {
		t.Errorf("got log %s, want why the other connection was closed", r.log)
	}
}

func TestPanicEndsOneConnectionOnly(t *testing.T) {
	log := new(lines)
	s, err := listen(defaults(config.FluentBit), config.FluentBit, testEnv(log))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, s, log, &sink{panics: true})
	r.send(t, pack(arr{"app", 1, obj{}}))
	r.send(t, pack(arr{"app", arr{arr{1, obj{}}}}))
	eventually(t, "both are counted", func() bool { return r.Panics() == 2 && r.Connections() == 0 })
	if !strings.Contains(log.String(), "a fault in firelane itself: connection closed") {
		t.Errorf("got log %s, want the fault", log)
	}
}

func TestOneConnectionTooManyIsClosed(t *testing.T) {
	if testing.Short() {
		t.Skip("2,048 file descriptors")
	}
	r := start(t, config.FluentBit, &Options{UnixPath: socketPath(t)})
	if r.memory.MaxConns() < maxConns {
		t.Skip("not enough file descriptors")
	}
	var conns []net.Conn
	for range maxConns {
		c, err := net.Dial("unix", r.Addr().String())
		if err != nil {
			t.Skip("not enough file descriptors: ", err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	eventually(t, "all are served", func() bool { return r.Connections() == maxConns })
	one := r.dial(t)
	if _, err := one.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	eventually(t, "it is logged", func() bool {
		return strings.Contains(r.log.String(), `"connections":1024,"message":"too many connections are open: a new one was closed"`)
	})
	conns[0].Close()
	eventually(t, "there is room again", func() bool { return r.Connections() == maxConns-1 })
}

// TestDescriptorsAreKeptBack: clients don't get those that delivering needs.
func TestDescriptorsAreKeptBack(t *testing.T) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	few := before
	few.Cur = 40
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	memory := input.NewMemory(budget.New(budget.Default))
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	log := new(lines)
	env := testEnv(log)
	env.Memory = memory
	var rigs []*rig
	for range 2 { // what one input has the other can't have
		s, err := listen(&Options{UnixPath: socketPath(t)}, config.FluentBit, env)
		if err != nil {
			t.Fatal(err)
		}
		rigs = append(rigs, run(t, s, log, new(sink)))
	}
	first := rigs[0].dial(t)
	for i := range 19 {
		rigs[i%2].dial(t)
	}
	eventually(t, "20 are served", func() bool { return rigs[0].Connections()+rigs[1].Connections() == 20 })
	if _, err := rigs[1].dial(t).Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the connection closed", err)
	}
	first.Close()
	eventually(t, "there is room again", func() bool { return rigs[0].Connections()+rigs[1].Connections() == 19 })
	rigs[1].send(t, pack(arr{"app", 1, obj{}}))
	eventually(t, "the event", func() bool { return len(rigs[1].sink.got()) == 1 })
}

// TestStalledClientIsClosed runs on a clock of its own.
func TestStalledClientIsClosed(t *testing.T) {
	m := pack(arr{"app", 1, obj{"log": "x"}})
	for name, c := range map[string]struct {
		sends  []byte
		events int
		closed bool
	}{
		"in a message":         {join(m, m[:5]), 1, true},
		"in entries":           {join(m, pack(arr{"app", arr{arr{1, obj{}}, 7}})[:9]), 1, true},
		"between two messages": {m, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, k := new(lines), new(sink)
				s := newServer(noListener{&net.TCPAddr{}}, nil, testEnv(log))
				s.rules, s.handle = defaults(config.FluentBit).rules(config.FluentBit), (*conn).forward
				client, server := net.Pipe()
				ended := make(chan time.Time, 1)
				begun := time.Now()
				go func() {
					serveOne(s, server, k)
					ended <- time.Now()
				}()
				client.Write(c.sends)
				synctest.Wait()
				time.Sleep(24 * time.Hour)
				select {
				case at := <-ended:
					if took := at.Sub(begun); !c.closed || took < stallTime || took > 2*stallTime {
						t.Errorf("got it closed after %v, want: %t, after %v to %v", took, c.closed, stallTime, 2*stallTime)
					}
				default:
					if c.closed {
						t.Error("got it still open, want it closed")
					}
					client.Write(m[:5])
					time.Sleep(stallTime / 2)
					client.Write(m[5:])
				}
				client.Close()
				synctest.Wait()
				want := c.events
				if !c.closed {
					want++
				}
				if len(k.events) != want || strings.Contains(log.String(), "the client sent nothing for 30s in the middle of a message: connection closed") != c.closed {
					t.Errorf("got events %q and log %s, want %d events and a line if it was closed", k.events, log, want)
				}
			})
		})
	}
}

// TestMessageHasATimeLimit: pieces that keep a client from being stalled don't keep its message for ever.
func TestMessageHasATimeLimit(t *testing.T) {
	single := pack(arr{"app", 1, obj{"log": strings.Repeat("x", 200)}})
	entries := pack(arr{"app", arr{arr{1, obj{}}, arr{1, obj{"log": strings.Repeat("x", 200)}}}})
	zipped := pack(arr{"app", gz(pack(arr{1, obj{"log": strings.Repeat("x", 200)}}))})
	large := pack(arr{"app", bytes.Repeat(pack(arr{1, obj{"log": strings.Repeat("x", 1000)}}), 20000)})
	for name, c := range map[string]struct {
		sends  []byte
		piece  int // bytes at a time
		every  time.Duration
		closed bool
	}{
		"a message":              {single, 1, 20 * time.Second, true},
		"entries":                {entries, 1, 20 * time.Second, true},
		"a compressed payload":   {zipped, 1, 20 * time.Second, true},
		"a message in time":      {single, 10, 2 * time.Second, false},
		"entries at a good rate": {large, 100_000, time.Second, false}, // 200 s
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, k := new(lines), new(sink)
				s := newServer(noListener{&net.TCPAddr{}}, nil, testEnv(log))
				s.rules, s.handle = defaults(config.Fluentd).rules(config.Fluentd), (*conn).forward
				client, server := net.Pipe()
				go serveOne(s, server, k)
				begun := time.Now()
				for b := range slices.Chunk(c.sends, c.piece) {
					if _, err := client.Write(b); err != nil {
						break
					}
					time.Sleep(c.every)
				}
				took := time.Since(begun)
				client.Close()
				synctest.Wait()
				got := strings.Contains(log.String(), "the client took more than 1m0s for a message")
				if got != c.closed || got && took > messageTime+stallTime+c.every || !got && len(k.events) == 0 {
					t.Errorf("after %v: %d events, log %s", took, len(k.events), log)
				}
			})
		})
	}
}

func TestFullQueueIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, k := new(lines), &sink{entered: make(chan struct{}), release: make(chan struct{})}
		s := newServer(noListener{&net.TCPAddr{}}, nil, testEnv(log))
		s.rules, s.handle = defaults(config.FluentBit).rules(config.FluentBit), (*conn).forward
		client, server := net.Pipe()
		go serveOne(s, server, k)
		m := pack(arr{"app", 1, obj{"log": "x"}})
		for i := range 3 {
			go client.Write(join(m[5*min(i, 1):], m[:5]))
			<-k.entered
			time.Sleep(time.Hour) // the queue is full
			k.release <- struct{}{}
		}
		go client.Write(m[5:])
		<-k.entered
		k.release <- struct{}{}
		client.Close()
		synctest.Wait()
		if len(k.events) != 4 || log.String() != "" {
			t.Errorf("got events %q and log %s, want 4 and no log", k.events, log)
		}
	})
}

func TestServeTakesWhatWasSentBeforeItEnds(t *testing.T) {
	r := start(t, config.FluentBit, &Options{UnixPath: socketPath(t)})
	var conns []net.Conn
	for range 20 {
		conns = append(conns, r.dial(t))
	}
	eventually(t, "all are served", func() bool { return r.Connections() == 20 })
	for _, c := range conns {
		for range 100 {
			c.Write(pack(arr{"app", 1, obj{"log": "x"}}))
		}
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	if n := len(r.sink.got()); n != 2000 {
		t.Errorf("got %d events, want 2000", n)
	}
	if _, err := os.Stat(r.Addr().String()); !os.IsNotExist(err) {
		t.Error("got the socket's file left, want it removed")
	}
}

func TestWaitIdleWaitsForTheLastClient(t *testing.T) {
	r := start(t, config.FluentBit, defaults(config.FluentBit))
	if err := r.WaitIdle(t.Context()); err != nil {
		t.Fatalf("got %v while no client is connected, want no error", err)
	}
	a, b := r.dial(t), r.dial(t)
	eventually(t, "both are served", func() bool { return r.Connections() == 2 })
	idle := make(chan error, 1)
	go func() { idle <- r.WaitIdle(context.Background()) }()
	a.Close()
	eventually(t, "one is left", func() bool { return r.Connections() == 1 })
	select {
	case <-idle:
		t.Error("got it idle while a client is connected, want it to wait")
	default:
	}
	b.Close()
	if err := <-idle; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.dial(t)
	eventually(t, "one is served", func() bool { return r.Connections() == 1 })
	if err := r.WaitIdle(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestCloseEndsEverythingAtOnce(t *testing.T) {
	log := new(lines)
	s, err := listen(defaults(config.FluentBit), config.FluentBit, testEnv(log))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, s, log, &sink{entered: make(chan struct{}), release: make(chan struct{})})
	c := r.dial(t)
	c.Write(pack(arr{"app", 1, obj{}, obj{"chunk": "id"}}))
	<-r.sink.entered // and Flush waits
	r.Close()
	if err := r.end(); err != nil {
		t.Error(err)
	}
	if answer, _ := io.ReadAll(c); len(answer) > 0 {
		t.Errorf("got answer %q, want none", answer)
	}
	if !strings.Contains(log.String(), `"events":1,"message":"events were not queued before the server stopped: connection closed"`) {
		t.Errorf("got log %s, want the events that were not queued", log)
	}
	unserved, err := listen(defaults(config.FluentBit), config.FluentBit, testEnv(log))
	if err != nil {
		t.Fatal(err)
	}
	unserved.Close()
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := socketPath(t)
	old, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	old.Close()
	o := defaults(config.FluentBit)
	o.UnixPath, o.UnixPerm, o.Listen, o.Port = path, "0666", "unix_path comes first", -1
	r := start(t, config.FluentBit, o)
	r.send(t, pack(arr{"app", 1, obj{}}))
	eventually(t, "the event", func() bool { return len(r.sink.got()) == 1 })
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("got the mode %v and error %v, want 0666", info.Mode(), err)
	}
}

// TestSocketThatIsInUseIsLeftAlone: a second start must not take the running router's socket away.
func TestSocketThatIsInUseIsLeftAlone(t *testing.T) {
	r := start(t, config.FluentBit, &Options{UnixPath: socketPath(t)})
	path := r.Addr().String()
	for name, second := range map[string]func() (input.Input, error){
		"forward": func() (input.Input, error) {
			return New(&Options{UnixPath: path}, config.FluentBit, testEnv(new(lines)))
		},
		"unix": func() (input.Input, error) {
			return NewUnix(&UnixOptions{Path: path}, config.Fluentd, testEnv(new(lines)))
		},
	} {
		in, err := second()
		if err == nil {
			in.Close()
		}
		if err == nil || !strings.Contains(err.Error(), path+" is in use: another process answers there") {
			t.Errorf("%s: got the error %v, want that the socket is in use", name, err)
		}
	}
	r.send(t, pack(arr{"app", 1, obj{}}))
	eventually(t, "the event", func() bool { return len(r.sink.got()) == 1 })
	if log := r.log.String(); log != "" {
		t.Errorf("got the log %s, want nothing about who only asked", log)
	}
}

func TestFileThatIsNoSocketIsLeftAlone(t *testing.T) {
	path := socketPath(t)
	os.WriteFile(path, []byte("precious"), 0o600)
	_, err := NewUnix(&UnixOptions{Path: path}, config.Fluentd, testEnv(new(lines)))
	if err == nil || !strings.Contains(err.Error(), path+" exists and is not a socket; use another path") {
		t.Error(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("got %q in the file, want it as it was", b)
	}
}

func TestFluentdsUnixSourceMakesItsFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "f.sock")
	log := new(lines)
	s, err := NewUnix(&UnixOptions{Path: path, Tag: "t"}, config.Fluentd, testEnv(log))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, s.(*Server), log, new(sink))
	r.send(t, pack(arr{"app", 1, obj{}}))
	eventually(t, "the event", func() bool { return len(r.sink.got()) == 1 })
	wantEvents(t, r.sink.got(), "t 1.000000000 {}")
}

func TestAddressInUseIsAnError(t *testing.T) {
	r := start(t, config.FluentBit, defaults(config.FluentBit))
	o := defaults(config.FluentBit)
	o.Port = r.Addr().(*net.TCPAddr).Port
	if _, err := listen(o, config.FluentBit, testEnv(new(lines))); err == nil || !strings.Contains(err.Error(), "listen tcp 127.0.0.1:") {
		t.Error(err)
	}
}
