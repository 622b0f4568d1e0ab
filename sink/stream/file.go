package stream

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
)

// file appends text to files. It opens them for each request, so that one that was moved is created again. An item's key
// is the path of its file.
type file struct {
	format format.Func
	path   func(dst []byte, r *sink.Record) []byte
	mkdir  bool
	gzip   bool

	mu  sync.Mutex
	buf []byte // the text of one file
}

// maxPath is the longest path that Linux accepts, in bytes.
const maxPath = 4096

// NewFile makes a destination that writes to files.
func NewFile(o *FileOptions, d config.Dialect, env sink.Env) (sink.Destination, error) {
	if d == config.FluentBit {
		return &file{format: withMetrics(fluentBitFile(o)), path: fluentBitPath(o), mkdir: o.Mkdir}, nil
	}
	f := &file{mkdir: true, gzip: o.Compress != "" && o.Compress != "text"}
	opts := format.Options{OutputTime: true, OutputTag: true}
	if o.FluentdFormat != nil {
		opts = *o.FluentdFormat
	}
	var err error
	if f.format, err = format.Fluentd(opts, first(opts.Type, o.OldFormat, "out_file")); err != nil {
		return nil, err
	}
	inject, err := format.NewInjector(o.Inject, env)
	if err != nil {
		return nil, err
	}
	f.format = inject.Wrap(f.format)
	f.path, err = fluentdPath(o)
	return f, err
}

// fluentBitFile returns the format.Func for Fluent Bit's output file.
func fluentBitFile(o *FileOptions) format.Func {
	switch o.Format {
	case "plain":
		return func(dst []byte, r *sink.Record) ([]byte, error) {
			return append(record.AppendJSON(dst, r.Body), '\n'), nil
		}
	case "csv":
		return format.CSV(format.Delimiter(o.Delimiter, ","), o.CSVColumnNames)
	case "ltsv":
		return format.LTSV(format.Delimiter(o.Delimiter, "\t"), format.Delimiter(o.LabelDelimiter, ":"))
	case "template":
		return format.Template(o.Template)
	case "msgpack":
		return format.MessagePack
	}
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		dst = append(append(dst, r.Tag...), ": ["...)
		dst = append(format.AppendSeconds(dst, r.Time, 9), ", "...)
		return append(record.AppendJSON(dst, r.Body), ']', '\n'), nil
	}
}

// fluentBitPath returns a function that makes the path: path/file, or path/tag if file isn't set.
func fluentBitPath(o *FileOptions) func([]byte, *sink.Record) []byte {
	dir := ""
	if o.Path != "" {
		dir = strings.TrimSuffix(o.Path, "/") + "/"
	}
	return func(dst []byte, r *sink.Record) []byte {
		dst = append(dst, dir...)
		if o.File != "" {
			return append(dst, o.File...)
		}
		return safeName(append(dst, r.Tag...), len(dst))
	}
}

// fluentdPath returns a function that fills the record's time, tag and fields into path. If path has no time, the
// day is added: Fluentd's default is one file a day.
func fluentdPath(o *FileOptions) (func([]byte, *sink.Record) []byte, error) {
	path := o.Path
	if strings.HasSuffix(path, "*") {
		path = strings.TrimSuffix(path, "*") + "%Y%m%d"
	} else if !strings.Contains(path, "%") {
		path += ".%Y%m%d"
	}
	if o.AddPathSuffix && filepath.Ext(o.Path) != first(o.PathSuffix, ".log") {
		path += first(o.PathSuffix, ".log")
	}
	if o.Compress == "gzip" || o.Compress == "gz" {
		path += ".gz"
	}
	zone, err := o.TimekeyZone()
	if err != nil {
		return nil, &config.OptionError{Option: "timekey_zone", Reason: err.Error()}
	}
	name, err := field.ParseTemplate(path, field.Notation{Dialect: config.Fluentd, Strftime: true, Zone: zone, Clean: safeName})
	if err != nil {
		return nil, &config.OptionError{Option: "path", Reason: err.Error()}
	}
	return func(dst []byte, r *sink.Record) []byte { return name.Append(dst, &r.Event) }, nil
}

// safeName makes dst[start:] safe as part of a path, so that a tag can't lead out of its folder: each character but letters,
// digits, -, _ and dots becomes _, and so does a dot at the start.
func safeName(dst []byte, start int) []byte {
	for i := start; i < len(dst); i++ {
		switch c := dst[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		case c == '.' && i > start:
		default:
			dst[i] = '_'
		}
	}
	if len(dst) == start {
		dst = append(dst, '_')
	}
	return dst
}

// Key implements sink.Keyer.
func (f *file) Key(dst []byte, r *sink.Record) ([]byte, error) {
	start := len(dst)
	dst = f.path(dst, r)
	if len(dst)-start > maxPath {
		return dst, errors.New("the path of the file is longer than 4096 bytes")
	}
	return dst, nil
}

// Append implements sink.Destination.
func (f *file) Append(body []byte, r *sink.Record) ([]byte, error) { return f.format(body, r) }

// Send appends the items to their files, with one write for each file. Items that were written before an error are done.
func (f *file) Send(ctx context.Context, req *sink.Request) sink.Reply {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() {
		if cap(f.buf) > maxKeptText {
			f.buf = nil
		}
	}()
	reply := sink.Reply{Cause: sink.Answered}
	for path, items := range req.ByKey() {
		if err := ctx.Err(); err != nil {
			return failed(reply, err)
		}
		f.buf = f.buf[:0]
		for _, i := range items {
			f.buf = append(f.buf, req.Item(i)...)
		}
		if err := f.write(string(path)); err != nil {
			return failed(reply, fmt.Errorf("writing to %s: %w", path, err))
		}
		for _, i := range items {
			reply.Items = append(reply.Items, sink.ItemReply{Index: i})
		}
	}
	return sink.Reply{Cause: sink.Answered}
}

// failed returns the reply after an error: the items in done are done, the others were not written.
func failed(done sink.Reply, err error) sink.Reply {
	slices.SortFunc(done.Items, func(a, b sink.ItemReply) int { return a.Index - b.Index })
	return sink.Reply{Verdict: sink.Again, Err: err, Items: done.Items}
}

// write appends f.buf to the file, or after an error nothing of it.
func (f *file) write(path string) error {
	w, err := f.open(path)
	if err != nil {
		return err
	}
	defer w.Close()
	before, err := w.Stat()
	if err != nil {
		return err
	}
	if f.gzip {
		z := gzip.NewWriter(w)
		if _, err = z.Write(f.buf); err == nil {
			err = z.Close()
		}
	} else {
		_, err = w.Write(f.buf)
	}
	if err != nil && before.Mode().IsRegular() {
		if cut := w.Truncate(before.Size()); cut != nil {
			return errors.Join(err, cut)
		}
	}
	return err
}

func (f *file) open(path string) (*os.File, error) {
	const flags = os.O_CREATE | os.O_APPEND | os.O_WRONLY
	w, err := os.OpenFile(path, flags, 0o644)
	if f.mkdir && errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		return os.OpenFile(path, flags, 0o644)
	}
	return w, err
}

// Close does nothing: files are open only during Send.
func (f *file) Close() error { return nil }

// Limits implements sink.Destination. One worker keeps the records in order.
func (f *file) Limits() sink.Limits { return sink.Limits{Workers: 1} }
