package enrich

import (
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
)

// StdoutOptions are the options of the filter stdout in both dialects. It has none.
type StdoutOptions struct{}

// stdout writes every record to standard output, and passes it on. A goroutine writes while there is something to write, so that
// a pipe that nobody reads can't block the router.
type stdout struct {
	w      io.Writer
	append func(dst []byte, ev *record.Event) []byte
	log    zerolog.Logger

	mu      sync.Mutex
	buf     []byte        // to be written
	spare   []byte        // empty buffer for reuse
	writing chan struct{} // closed when the goroutine has written everything; nil while there is none
	room    chan struct{} // closed when the goroutine has taken buf; nil while no record waits for that
	stuck   bool          // a write takes longer than stdoutTime: records don't wait for it any more
}

// Limits of the filter stdout.
const (
	maxPrinted = 1 << 20     // bytes in buf; when it is full, a record waits up to stdoutTime, and then isn't printed
	stdoutTime = time.Second // also the limit of the last write when the router stops
)

// NewStdout makes the step of a filter stdout.
func NewStdout(_ *StdoutOptions, d config.Dialect, env Env) (Filter, error) {
	return newStdout(d, env, os.Stdout)
}

func newStdout(d config.Dialect, env Env, w io.Writer) (Filter, error) {
	if d == config.FluentBit {
		return &stdout{w: w, log: env.Log, append: appendFluentBitLine}, nil
	}
	format, err := field.ParseStrftime("%Y-%m-%d %H:%M:%S.%N %z")
	return &stdout{w: w, log: env.Log, append: func(dst []byte, ev *record.Event) []byte {
		dst = format.Append(dst, time.Unix(int64(ev.Time.Sec), int64(ev.Time.Nsec)))
		dst = append(append(append(dst, ' '), ev.Tag...), ": "...)
		return append(record.AppendJSON(dst, ev.Body), '\n')
	}}, err
}

// appendFluentBitLine appends [0] tag: [1795717989.479222828, {}, {"log"=>"text"}].
func appendFluentBitLine(dst []byte, ev *record.Event) []byte {
	dst = append(append(append(dst, "[0] "...), ev.Tag...), ": ["...)
	dst = append(strconv.AppendInt(dst, int64(ev.Time.Sec), 10), '.')
	var room [12]byte
	nsec := strconv.AppendInt(room[:0], 1_000_000_000+int64(ev.Time.Nsec), 10)
	dst = append(append(dst, nsec[1:]...), ", {}, "...)
	return append(record.AppendPrinted(dst, ev.Body), ']', '\n')
}

// Apply implements Filter.
func (o *stdout) Apply(ev *record.Event, _ *Scratch) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.buf) >= maxPrinted && !o.waitForRoom() {
		o.log.Warn().Msg("nobody reads standard output: the filter stdout doesn't print records until it is read; they are still delivered")
		return true
	}
	o.buf = o.append(o.buf, ev)
	if o.writing == nil {
		o.writing = make(chan struct{})
		go o.write(o.writing)
	}
	return true
}

// waitForRoom waits until the goroutine has taken buf, and reports whether it has. The caller holds o.mu, which is unlocked during
// the wait.
func (o *stdout) waitForRoom() bool {
	if o.stuck {
		return false
	}
	if o.room == nil {
		o.room = make(chan struct{})
	}
	room := o.room
	o.mu.Unlock()
	defer o.mu.Lock()
	return closedWithin(room, stdoutTime, func() { o.stuck = true }, &o.mu)
}

// closedWithin waits up to d for done to be closed. After that it calls late with mu held, and returns false.
func closedWithin(done <-chan struct{}, d time.Duration, late func(), mu *sync.Mutex) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		mu.Lock()
		defer mu.Unlock()
		late()
		return false
	}
}

// write writes buf until it is empty.
func (o *stdout) write(done chan struct{}) {
	defer close(done)
	for {
		o.mu.Lock()
		if len(o.buf) == 0 {
			o.writing = nil
			o.mu.Unlock()
			return
		}
		text := o.buf
		o.buf, o.spare, o.stuck = o.spare[:0], nil, false
		if o.room != nil {
			close(o.room)
			o.room = nil
		}
		o.mu.Unlock()
		_, _ = o.w.Write(text) // an error loses only the printout: the records are delivered anyway
		o.mu.Lock()
		if cap(text) <= 2*maxPrinted {
			o.spare = text
		}
		o.mu.Unlock()
	}
}

// Close implements Closer. It waits up to stdoutTime for the last write.
func (o *stdout) Close() {
	o.mu.Lock()
	writing := o.writing
	o.mu.Unlock()
	if writing != nil {
		closedWithin(writing, stdoutTime, func() {}, &o.mu)
	}
}
