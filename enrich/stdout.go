package enrich

import (
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
)

// StdoutOptions are those of the filter stdout in both dialects: none.
type StdoutOptions struct{}

// stdout writes every record to standard output, with one write each, and lets it go on.
type stdout struct {
	w      io.Writer
	append func(dst []byte, ev *record.Event) []byte

	mu  sync.Mutex
	buf []byte
}

// maxPrinted is the largest buffer that is kept for the next record, in bytes.
const maxPrinted = 64 << 10

// NewStdout makes the step of a filter stdout.
func NewStdout(_ *StdoutOptions, d config.Dialect, _ Env) (Filter, error) {
	return newStdout(d, os.Stdout)
}

func newStdout(d config.Dialect, w io.Writer) (Filter, error) {
	if d == config.FluentBit {
		return &stdout{w: w, append: appendFluentBitLine}, nil
	}
	format, err := field.ParseStrftime("%Y-%m-%d %H:%M:%S.%N %z")
	return &stdout{w: w, append: func(dst []byte, ev *record.Event) []byte {
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

// Apply implements Filter. What can't be written is lost, as the records go on anyway.
func (o *stdout) Apply(ev *record.Event, _ *Scratch) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = o.append(o.buf[:0], ev)
	_, _ = o.w.Write(o.buf)
	if cap(o.buf) > maxPrinted {
		o.buf = nil
	}
	return true
}
