// Package stdout is the filter stdout of both dialects: it writes records to standard output, too.
package stdout

import (
	"cmp"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
)

// Options are those of the filter in both dialects. Fluent Bit's has none.
type Options struct {
	Format        *format.Options       `fluentd:"<format>" help:"how a record is written; default @type stdout"`
	OldFormat     string                `fluentd:"format" help:"old spelling of <format> @type"`
	OldOutputType string                `fluentd:"output_type" help:"old spelling of <format> output_type"`
	Inject        *format.InjectOptions `fluentd:"<inject>" help:"fields to add to what is written; the record itself stays as it is"`
}

// Check implements config's check after binding.
func (o *Options) Check(d config.Dialect) error {
	if d == config.FluentBit {
		return nil
	}
	_, err := o.line(enrich.Env{})
	return err
}

// line returns what appends the line of a record, in Fluentd's dialect. It returns an error for a record that the format can't write.
func (o *Options) line(env enrich.Env) (format.Func, error) {
	var f format.Options
	if o.Format != nil {
		f = *o.Format
	}
	f.OutputType = cmp.Or(o.OldOutputType, f.OutputType)
	line, err := format.Fluentd(f, cmp.Or(f.Type, o.OldFormat, "stdout"))
	if err != nil {
		return nil, err
	}
	inject, err := format.NewInjector(o.Inject, sink.Env{Hostname: env.Hostname})
	return inject.Wrap(line), err
}

// stdout writes every record to standard output, and passes it on. A goroutine writes while there is something to write, so that
// a pipe that nobody reads can't block the router.
type stdout struct {
	w      io.Writer
	append format.Func // an error: the record can't be written in the format
	log    zerolog.Logger

	mu      sync.Mutex
	record  sink.Record   // the record at hand; here, so that it costs no allocation
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

// New makes the step of a filter stdout.
func New(o *Options, d config.Dialect, env enrich.Env) (enrich.Filter, error) {
	return newStdout(o, d, env, os.Stdout)
}

func newStdout(o *Options, d config.Dialect, env enrich.Env, w io.Writer) (enrich.Filter, error) {
	if d == config.FluentBit {
		return &stdout{w: w, log: env.Log, append: fluentBitLine}, nil
	}
	line, err := o.line(env)
	return &stdout{w: w, log: env.Log, append: line}, err
}

// fluentBitLine appends [0] tag: [1795717989.479222828, {}, {"log"=>"text"}].
func fluentBitLine(dst []byte, r *sink.Record) ([]byte, error) {
	dst = append(append(append(dst, "[0] "...), r.Tag...), ": ["...)
	dst = append(strconv.AppendInt(dst, int64(r.Time.Sec), 10), '.')
	var room [12]byte
	nsec := strconv.AppendInt(room[:0], 1_000_000_000+int64(r.Time.Nsec), 10)
	dst = append(append(dst, nsec[1:]...), ", {}, "...)
	return append(record.AppendPrinted(dst, r.Body), ']', '\n'), nil
}

// Live implements enrich.Live.
func (o *stdout) Live() string { return "prints records on standard output" }

// Apply implements enrich.Filter.
func (o *stdout) Apply(ev *record.Event, _ *enrich.Scratch) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.buf) >= maxPrinted && !o.waitForRoom() {
		o.log.Warn().Msg("nobody reads standard output: the filter stdout doesn't print records until it is read; they are still delivered")
		return true
	}
	o.record.Event = *ev
	line, err := o.append(o.buf, &o.record)
	if o.record.Event = (record.Event{}); err != nil {
		o.log.Warn().Err(err).Str("tag", ev.Tag).Msg("a record can't be written in the filter's format, and is not printed; it is still delivered")
		return true
	}
	o.buf = line
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

// Close implements enrich.Closer. It waits up to stdoutTime for the last write.
func (o *stdout) Close() {
	o.mu.Lock()
	writing := o.writing
	o.mu.Unlock()
	if writing != nil {
		closedWithin(writing, stdoutTime, func() {}, &o.mu)
	}
}
