package format

import (
	"sync"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// An Injector adds Fluentd's <inject> fields to a record.
type Injector struct {
	opts    InjectOptions
	clock   clock
	scratch sync.Pool // of *[]byte
}

func NewInjector(o *InjectOptions, env sink.Env) (*Injector, error) {
	if o == nil {
		return nil, nil
	}
	j := &Injector{opts: *o}
	if j.opts.Hostname == "" {
		j.opts.Hostname = env.Hostname
	}
	format := o.TimeFormat
	if format == "" {
		format = "%Y-%m-%dT%H:%M:%S%z"
	}
	var err error
	j.clock, err = newClock(format, o.Localtime, o.UTC, o.Timezone, true)
	return j, err
}

// wrap returns a Func that calls f with the fields added to the record. They replace fields of the same names.
func (j *Injector) Wrap(f Func) Func {
	if j == nil {
		return f
	}
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		buf, _ := j.scratch.Get().(*[]byte)
		if buf == nil {
			buf = new([]byte)
		}
		defer j.scratch.Put(buf)
		changed := *r
		changed.Body = j.inject((*buf)[:0], r)
		*buf = changed.Body
		return f(dst, &changed)
	}
}

func (j *Injector) inject(dst []byte, r *sink.Record) []byte {
	n, rest, err := record.MapHeader(r.Body)
	if err != nil {
		return append(dst, r.Body...)
	}
	keys := [...]string{j.opts.HostnameKey, j.opts.WorkerIDKey, j.opts.TagKey, j.opts.TimeKey}
	for _, k := range keys {
		if k != "" {
			n++
		}
	}
	dst = append(record.AppendMapHeader(dst, n), rest...)
	for i, k := range keys {
		if k == "" {
			continue
		}
		dst = record.AppendStr(dst, k)
		switch i {
		case 0:
			dst = record.AppendStr(dst, j.opts.Hostname)
		case 1:
			dst = record.AppendInt(dst, 0)
		case 2:
			dst = record.AppendStr(dst, r.Tag)
		case 3:
			dst = j.appendTime(dst, r)
		}
	}
	return dst
}
