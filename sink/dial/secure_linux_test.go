package dial

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// secured is a connection of Dialer.Secure, and the server's end of it.
func secured(t testing.TB) (*secureConn, *tls.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	made := make(chan *tls.Conn, 1)
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	go func() {
		s, err := l.Accept()
		if err != nil {
			made <- nil
			return
		}
		c := tls.Server(s, &tls.Config{Certificates: cert.TLS.Certificates})
		if c.Handshake() != nil {
			c = nil
		}
		made <- c
	}()
	c, err := new(NetOptions).Dialer().Secure(&tls.Config{InsecureSkipVerify: true}, 10*time.Second)(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := <-made
	if s == nil {
		t.Fatal("the server made no connection")
	}
	t.Cleanup(func() { c.Close(); s.NetConn().Close() })
	return c.(*secureConn), s
}

func TestWhatIsLentToTLSArrivesAsItIsInFewWrites(t *testing.T) {
	for _, n := range []int64{0, 1, maxGathered, 3<<20 + 5} {
		c, s := secured(t)
		w := &counted{Conn: c.out.Conn}
		c.out.Conn = w
		data := pattern(int(n) + 10) // the LimitedReader ends before the body does
		sent := make(chan error, 1)
		go func() {
			defer c.Close()
			for part := range int64(2) { // what is written between two bodies comes between them
				r := &io.LimitedReader{R: &lent{data: data}, N: n}
				m, err := c.ReadFrom(r)
				if err == nil && (m != n || r.N != 0) {
					err = errors.New("the count is wrong")
				}
				if part == 0 && err == nil {
					_, err = c.Write([]byte("between"))
				}
				if err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		got, err := io.ReadAll(s)
		want := bytes.Join([][]byte{data[:n], data[:n]}, []byte("between"))
		if err := errors.Join(err, <-sent); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes and error %v, want all %d unchanged", len(got), err, len(want))
		}
		if most := 2*(n/maxGathered+1) + 2; w.writes.Load() > most { // and "between", and TLS's farewell
			t.Errorf("%d bytes were sent in %d writes, want at most %d", len(want), w.writes.Load(), most)
		}
	}
}

// counted counts the writes of a connection.
type counted struct {
	net.Conn
	writes atomic.Int64
}

func (c *counted) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

func TestABodyForTLSThatIsTakenBackEndsTheSending(t *testing.T) {
	c, s := secured(t)
	taken := errors.New("taken back")
	go func() { _, _ = io.Copy(io.Discard, s) }()
	l := &lent{data: pattern(1 << 20), piece: 1000, refuse: taken, refuseFrom: 1 << 19}
	if n, err := c.ReadFrom(io.LimitReader(l, 1<<20)); err != taken || n != int64(1<<20-len(l.data)) || n < 1<<19 {
		t.Errorf("got %d bytes sent with %d left and error %v, want the reader's own error", n, len(l.data), err)
	}
}

func TestAShorterBodyForTLSEndsAndOtherReadersAreCopied(t *testing.T) {
	c, s := secured(t)
	for _, r := range []io.Reader{io.LimitReader(&lent{data: []byte("one ")}, 100), bytes.NewReader([]byte("two "))} {
		if n, err := c.ReadFrom(r); n != 4 || err != nil {
			t.Errorf("got %d bytes and error %v, want 4", n, err)
		}
	}
	c.Close()
	if got, err := io.ReadAll(s); string(got) != "one two " || err != nil {
		t.Errorf("got %q and error %v, want both parts", got, err)
	}
}

// TestARequestsBodyGoesStraightIntoTLS holds net/http to what ReadFrom relies on.
func TestARequestsBodyGoesStraightIntoTLS(t *testing.T) {
	data := pattern(1 << 20)
	var got atomic.Bool
	s := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got.Store(bytes.Equal(b, data))
	}))
	defer s.Close()
	tr := &http.Transport{DialTLSContext: new(NetOptions).Dialer().Secure(&tls.Config{InsecureSkipVerify: true}, 10*time.Second)}
	defer tr.CloseIdleConnections()
	body := &lent{data: data}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(len(data))
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if !got.Load() || body.copied > 8<<10 {
		t.Errorf("got the body unchanged: %v, and %d of %d bytes copied; want true and at most 8 KiB", got.Load(), body.copied, len(data))
	}
}

func TestCloseEndsAWaitOfTLSForRoom(t *testing.T) {
	c, s := secured(t)
	sent := make(chan error, 1)
	go func() {
		_, err := c.ReadFrom(io.LimitReader(&lent{data: make([]byte, 64<<20)}, 64<<20))
		sent <- err
	}()
	if _, err := s.Read(make([]byte, 1)); err != nil { // it is under way
		t.Fatal(err)
	}
	begun := time.Now()
	c.Close()
	if err := <-sent; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got error %v, want net.ErrClosed", err)
	}
	if took := time.Since(begun); took > 4*time.Second { // TLS's farewell would wait for 5 s
		t.Errorf("closing took %v, want no wait for room", took)
	}
}

func TestAHandshakeThatTheServerDoesNotAnswerTimesOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = new(NetOptions).Dialer().Secure(&tls.Config{ServerName: "host"}, 50*time.Millisecond)(t.Context(), "tcp", l.Addr().String())
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() || err.Error() != "the TLS handshake took too long" {
		t.Errorf("got error %v, want a timeout of the handshake", err)
	}
}

func BenchmarkBodyOverTLS(b *testing.B) {
	c, s := secured(b)
	go func() { _, _ = io.Copy(io.Discard, s) }()
	data := pattern(1 << 20)
	for name, send := range map[string]func(io.Reader) error{
		"straight": func(r io.Reader) error { _, err := c.ReadFrom(r); return err },
		"copied":   func(r io.Reader) error { _, err := io.Copy(c.Conn, r); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := send(&io.LimitedReader{R: &lent{data: data}, N: int64(len(data))}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
