package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// A tap stands between Docker's log driver and the router, passes every byte on as it comes, and remembers what the
// driver sent: the truth about times, which nobody else knows.
type tap struct {
	target   string
	mu       sync.Mutex
	captures []*bytes.Buffer // one a connection
}

func newTap(t *testing.T, path, target string) *tap {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{target: target}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.pass(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	return p
}

// pass joins one connection to the router's. Where the router isn't there yet, the connection ends, as it would.
func (p *tap) pass(client net.Conn) {
	defer client.Close()
	router, err := net.Dial("unix", p.target)
	if err != nil {
		return
	}
	defer router.Close()
	capture := new(bytes.Buffer)
	p.mu.Lock()
	p.captures = append(p.captures, capture)
	p.mu.Unlock()
	go func() {
		io.Copy(client, router)
		client.Close()
	}()
	io.Copy(io.MultiWriter(router, lockedWriter{p, capture}), client)
}

type lockedWriter struct {
	tap *tap
	to  *bytes.Buffer
}

func (w lockedWriter) Write(b []byte) (int, error) {
	w.tap.mu.Lock()
	defer w.tap.mu.Unlock()
	return w.to.Write(b)
}

// A sent event is one line as Docker's driver sent it, long lines put together again.
type sent struct {
	Time   time.Time
	Tag    string
	Record map[string]string // log is the whole line
}

// lines are the lines that were sent so far on a stream, in the driver's order.
func (p *tap) lines(stream string) ([]sent, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []sent
	var partial string
	for _, capture := range p.captures {
		d := msgpack.NewDecoder(bytes.NewReader(capture.Bytes()))
		for {
			event, err := decodeMessage(d)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			if event.Record["source"] != stream {
				continue
			}
			partial += event.Record["log"]
			if event.Record["partial_message"] == "true" && event.Record["partial_last"] != "true" {
				continue
			}
			event.Record["log"], partial = partial, ""
			all = append(all, event)
		}
	}
	return all, nil
}

// decodeMessage reads [tag, EventTime, record, option], Message mode, which is all that Docker sends.
func decodeMessage(d *msgpack.Decoder) (e sent, err error) {
	if n, err := d.DecodeArrayLen(); err != nil {
		return e, err
	} else if n != 4 {
		return e, errors.New("not Message mode with an option")
	}
	if e.Tag, err = d.DecodeString(); err != nil {
		return e, err
	}
	kind, size, err := d.DecodeExtHeader()
	if err != nil {
		return e, err
	}
	var when [8]byte
	if kind != 0 || size != len(when) {
		return e, errors.New("not an EventTime")
	}
	if err := d.ReadFull(when[:]); err != nil {
		return e, err
	}
	e.Time = time.Unix(int64(binary.BigEndian.Uint32(when[:4])), int64(binary.BigEndian.Uint32(when[4:]))).UTC()
	if err := d.Decode(&e.Record); err != nil {
		return e, err
	}
	return e, d.Skip()
}
