package stream

import (
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/sink"
)

// file appends text to files. A file is opened for each request, so that one that was moved away is created again.
//
// An item is the name of its file, preceded by its length in two bytes, and its text.
type file struct {
	format formatter
	path   func(dst []byte, r *sink.Record) []byte
	mkdir  bool
	gzip   bool

	mu  sync.Mutex
	buf []byte // the text of one file
}

// maxPath is the longest path in bytes that Linux takes.
const maxPath = 4096

// NewFile makes the destination that writes to files.
func NewFile(o *FileOptions, d config.Dialect, env Env) (sink.Destination, error) {
	if d == config.FluentBit {
		return &file{format: fluentBitFile(o), path: fluentBitPath(o), mkdir: o.Mkdir}, nil
	}
	f := &file{mkdir: true, gzip: o.Compress != "" && o.Compress != "text"}
	opts := FormatOptions{OutputTime: true, OutputTag: true}
	if o.FluentdFormat != nil {
		opts = *o.FluentdFormat
	}
	var err error
	if f.format, err = fluentd(opts, first(opts.Type, o.OldFormat, "out_file")); err != nil {
		return nil, err
	}
	inject, err := newInjector(o.Inject, env)
	if err != nil {
		return nil, err
	}
	f.format = inject.wrap(f.format)
	f.path, err = fluentdPath(o)
	return f, err
}

// fluentBitPath is path/file, the tag where file isn't set.
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

// fluentdPath is path with the record's time, in UTC, its tag and its fields. A path without a time gets the day, as
// Fluentd's default of one file a day does.
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
	name, err := field.ParseTemplate(path, field.Notation{Dialect: config.Fluentd, Strftime: true, Clean: safeName})
	if err != nil {
		return nil, &config.OptionError{Option: "path", Reason: err.Error()}
	}
	return func(dst []byte, r *sink.Record) []byte { return name.Append(dst, &r.Event) }, nil
}

// safeName makes dst[start:] part of a file's name: what isn't a letter, a digit, -, _ or a dot after the first character
// becomes _, so that a tag can't lead out of its folder.
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

func (f *file) Append(body []byte, r *sink.Record) ([]byte, error) {
	start := len(body)
	grown := f.path(append(body, 0, 0), r)
	name := len(grown) - start - 2
	if name > maxPath {
		return body, errors.New("the path of the file is longer than 4096 bytes")
	}
	binary.BigEndian.PutUint16(grown[start:], uint16(name))
	grown, err := f.format(grown, r)
	if err != nil {
		return body, err
	}
	return grown, nil
}

// parse splits an item into its file's name and its text.
func parse(item []byte) (path string, text []byte) {
	n := 2 + int(binary.BigEndian.Uint16(item))
	return string(item[2:n]), item[n:]
}

// Target names the item's file, for the dead letter.
func (f *file) Target(item []byte) string {
	path, _ := parse(item)
	return path
}

// Send appends the items to their files, adjacent ones of the same file by one write. Items that were written before an
// error are done.
func (f *file) Send(ctx context.Context, req *sink.Request) sink.Reply {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := 0; i < req.Len(); {
		if err := ctx.Err(); err != nil {
			return doneBefore(i, err)
		}
		path, text := parse(req.Item(i))
		f.buf = append(f.buf[:0], text...)
		next := i + 1
		for ; next < req.Len(); next++ {
			p, text := parse(req.Item(next))
			if p != path {
				break
			}
			f.buf = append(f.buf, text...)
		}
		if err := f.write(path); err != nil {
			return doneBefore(i, fmt.Errorf("writing to %s: %w", path, err))
		}
		i = next
	}
	return sink.Reply{Reached: true}
}

func doneBefore(n int, err error) sink.Reply {
	r := sink.Reply{Verdict: sink.Again, Err: err}
	for i := range n {
		r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Done})
	}
	return r
}

// write appends f.buf to the file: all of it, or nothing.
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

// Close does nothing: files are open only while they are written.
func (f *file) Close() error { return nil }

// Limits keeps the records in order.
func (f *file) Limits() sink.Limits { return sink.Limits{Workers: 1} }
