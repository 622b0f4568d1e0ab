// Package journaltest writes small files of systemd's journal, for tests: what a reader needs, without hash tables and checksums.
package journaltest

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Options say how a file is written.
type Options struct {
	Compact  bool
	FileID   [16]byte // zero: made of the path
	SeqnumID [16]byte
	Compress string // of fields of more than 64 bytes: "", lz4, zstd or xz, which is not really compressed
	First    int    // entries that the first array has room for; 0: 4
}

// A Writer writes a journal file as journald does: an entry can be read when the header counts it.
type Writer struct {
	Path string
	opts Options
	f    *os.File
	data map[string]int64 // data objects, by their text

	end, seqnum, entries, room, array, started uint64
	head, next                                 uint64 // the last array, and its next item
}

const headerSize = 264

// Create makes a file.
func Create(path string, o Options) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if o.FileID == ([16]byte{}) {
		copy(o.FileID[:], fmt.Sprintf("%16s", path[max(len(path)-16, 0):]))
	}
	w := &Writer{Path: path, opts: o, f: f, data: map[string]int64{}, end: headerSize}
	return w, w.header(1)
}

// header writes the header. The state is 1 while the file is written, and 2 when it is archived.
func (w *Writer) header(state byte) error {
	var h [headerSize]byte
	copy(h[:], "LPKSHHRH")
	flags := uint32(4 | map[string]uint32{"xz": 1, "lz4": 2, "zstd": 8}[w.opts.Compress])
	if w.opts.Compact {
		flags |= 16
	}
	binary.LittleEndian.PutUint32(h[12:], flags)
	h[16] = state
	copy(h[24:], w.opts.FileID[:])
	copy(h[72:], w.opts.SeqnumID[:])
	for at, v := range map[int]uint64{88: headerSize, 96: w.end - headerSize, 152: w.entries, 160: w.seqnum, 168: min(w.seqnum, 1), 176: w.array, 184: w.started} {
		binary.LittleEndian.PutUint64(h[at:], v)
	}
	if w.seqnum > 0 {
		binary.LittleEndian.PutUint64(h[168:], w.seqnum-w.entries+1)
	}
	_, err := w.f.WriteAt(h[:], 0)
	return err
}

// SetSeqnum sets the number of the next entry.
func (w *Writer) SetSeqnum(n uint64) { w.seqnum = n - 1 }

// object writes an object and returns where it is.
func (w *Writer) object(kind, flags byte, payload []byte) (at uint64, err error) {
	at = (w.end + 7) &^ 7
	b := make([]byte, 16, 16+len(payload))
	b[0], b[1] = kind, flags
	binary.LittleEndian.PutUint64(b[8:], uint64(16+len(payload)))
	b = append(b, payload...)
	_, err = w.f.WriteAt(b, int64(at))
	w.end = at + uint64(len(b))
	return at, err
}

// field writes a data object, unless the file has it.
func (w *Writer) field(text string) (uint64, error) {
	if at, ok := w.data[text]; ok {
		return uint64(at), nil
	}
	payload, flags := []byte(text), byte(0)
	if len(text) > 64 {
		payload, flags = compress(payload, w.opts.Compress)
	}
	head := 48
	if w.opts.Compact {
		head = 56
	}
	at, err := w.object(1, flags, append(make([]byte, head), payload...))
	w.data[text] = int64(at)
	return at, err
}

func compress(b []byte, how string) ([]byte, byte) {
	switch how {
	case "xz":
		return b, 1
	case "lz4":
		out := binary.LittleEndian.AppendUint64(nil, uint64(len(b)))
		block := make([]byte, lz4.CompressBlockBound(len(b)))
		n, err := lz4.CompressBlock(b, block, nil)
		if err != nil || n == 0 {
			return b, 0
		}
		return append(out, block[:n]...), 2
	case "zstd":
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return b, 0
		}
		return enc.EncodeAll(b, nil), 4
	}
	return b, 0
}

// Add adds an entry: its time in µs, and FIELD=VALUE of its fields.
func (w *Writer) Add(realtime uint64, fields ...string) error {
	item := func(b []byte, at uint64) []byte {
		if w.opts.Compact {
			return binary.LittleEndian.AppendUint32(b, uint32(at))
		}
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, at), 0)
	}
	w.seqnum++
	b := make([]byte, 48)
	for at, v := range map[int]uint64{0: w.seqnum, 8: realtime, 16: realtime} {
		binary.LittleEndian.PutUint64(b[at:], v)
	}
	for _, text := range fields {
		at, err := w.field(text)
		if err != nil {
			return err
		}
		b = item(b, at)
	}
	at, err := w.object(3, 0, b)
	if err != nil {
		return err
	}
	return w.link(at, realtime)
}

// link puts an entry into the last array, or a new one, and then counts it.
func (w *Writer) link(entry, realtime uint64) error {
	size := uint64(8)
	if w.opts.Compact {
		size = 4
	}
	if w.room == 0 {
		w.room = max(w.entries, uint64(w.opts.First), 4)
		at, err := w.object(6, 0, make([]byte, 8+w.room*size))
		if err != nil {
			return err
		}
		if w.head == 0 {
			w.array, w.started = at, realtime
		} else if err := w.put(w.head+16, at, 8); err != nil {
			return err
		}
		w.head, w.next = at, at+24
	}
	if err := w.put(w.next, entry, size); err != nil {
		return err
	}
	w.next += size
	w.room--
	w.entries++
	return w.header(1)
}

func (w *Writer) put(at, v, size uint64) error {
	_, err := w.f.WriteAt(binary.LittleEndian.AppendUint64(nil, v)[:size], int64(at))
	return err
}

// Archive says that the file is complete, and renames it.
func (w *Writer) Archive(path string) error {
	if err := os.Rename(w.Path, path); err != nil {
		return err
	}
	w.Path = path
	return w.header(2)
}

// Close closes the file.
func (w *Writer) Close() error { return w.f.Close() }

// An Entry is an entry of a text: its time in µs, and FIELD=VALUE of its fields.
type Entry struct {
	Realtime uint64
	Fields   []string
}

// Export reads a text in the export format (https://systemd.io/JOURNAL_EXPORT_FORMATS).
func Export(text []byte) (list []Entry, err error) {
	var e Entry
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		name, value, ok := strings.Cut(string(line), "=")
		switch {
		case len(line) == 0:
			if len(e.Fields) > 0 {
				list = append(list, e)
			}
			e = Entry{}
		case !ok: // a length and the bytes
			n := binary.LittleEndian.Uint64(text)
			e.Fields = append(e.Fields, name+"="+string(text[8:8+n]))
			text = text[8+n+1:]
		case name == "__REALTIME_TIMESTAMP":
			if e.Realtime, err = strconv.ParseUint(value, 10, 64); err != nil {
				return nil, err
			}
		case !strings.HasPrefix(name, "__"):
			e.Fields = append(e.Fields, string(line))
		}
	}
	if len(e.Fields) > 0 {
		list = append(list, e)
	}
	return list, nil
}

// ID reads an identity of 32 hexadecimal digits; it is made of other text, too.
func ID(text string) (id [16]byte) {
	if b, err := hex.DecodeString(text); err == nil && len(b) == len(id) {
		return [16]byte(b)
	}
	copy(id[:], text)
	return id
}
