// Package journal reads the files that systemd-journald writes, as https://systemd.io/JOURNAL_FILE_FORMAT specifies them: the regular
// and the compact layout, also of a file that is being written.
//
// A file is a sequence of objects that are never moved. The entries are found by a chain of arrays of their offsets; an entry has the
// offsets of its data objects, one for each field, which entries share. Neither hash tables nor checksums are needed for reading in
// order. Nothing that a file says is trusted: an object must be within the file, an array after the one before it, and everything has
// a limit.
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Limits of what is read.
const (
	MaxField = 1 << 20 // bytes of a field, decompressed, with its name; journald's own limit for a line is 48 KiB
	MaxItems = 8000    // fields of an entry; those beyond it are left out. journald writes at most 1,024
)

// An ID is one of the 128-bit identifiers of systemd.
type ID [16]byte

// The layout of the header.
const (
	signature = "LPKSHHRH"

	atIncompatible = 12
	atState        = 16
	atFileID       = 24
	atMachineID    = 40
	atSeqnumID     = 72
	atHeaderSize   = 88
	atEntries      = 152
	atHeadSeqnum   = 168
	atFirstArray   = 176
	atHeadRealtime = 184
	headerSize     = 208 // bytes that every version has

	stateArchived = 2
)

// Flags of the header that a reader must understand.
const (
	compressedXZ = 1 << iota
	compressedLZ4
	keyedHash
	compressedZstd
	compact

	known = compressedXZ | compressedLZ4 | keyedHash | compressedZstd | compact
)

// The types and the layout of objects.
const (
	typeData  = 1
	typeEntry = 3
	typeArray = 6

	objectHeader = 16
	entryHeader  = 64
	arrayHeader  = 24
	dataHeader   = 64
	compactData  = 72
)

// ErrDamaged is the error of what can't be in a journal file.
var ErrDamaged = errors.New("the journal file is damaged")

// damaged is an ErrDamaged with what is wrong.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// A Header is what the beginning of a file says.
type Header struct {
	FileID, MachineID, SeqnumID ID
	HeadSeqnum, HeadRealtime    uint64
	Entries                     uint64 // written so far
	Archived                    bool   // nothing more will be written

	compact bool
	first   int64 // offset of the first array of entries, 0: there is none yet
}

// ReadHeader reads the header of a file.
func ReadHeader(r io.ReaderAt) (h Header, err error) {
	var b [headerSize]byte
	if n, err := r.ReadAt(b[:], 0); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			return h, damaged("it has %d bytes, fewer than its header", n)
		}
		return h, err
	}
	if string(b[:len(signature)]) != signature {
		return h, damaged("it does not begin with %s", signature)
	}
	flags := binary.LittleEndian.Uint32(b[atIncompatible:])
	if unknown := flags &^ known; unknown != 0 {
		return h, fmt.Errorf("the journal file has features of a later version of systemd (flags %#x)", unknown)
	}
	h.FileID, h.MachineID, h.SeqnumID = ID(b[atFileID:]), ID(b[atMachineID:]), ID(b[atSeqnumID:])
	h.Entries, h.HeadSeqnum, h.HeadRealtime = u64(b[atEntries:]), u64(b[atHeadSeqnum:]), u64(b[atHeadRealtime:])
	h.Archived, h.compact = b[atState] == stateArchived, flags&compact != 0
	if first := u64(b[atFirstArray:]); first != 0 {
		if first < headerSize || first > maxOffset || u64(b[atHeaderSize:]) > first {
			return h, damaged("its entries begin at %d", first)
		}
		h.first = int64(first)
	}
	return h, nil
}

// maxOffset is the largest offset of an object.
const maxOffset = 1 << 48

func u64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// A File reads the entries of a file in order. It belongs to one goroutine.
type File struct {
	Header
	r     io.ReaderAt
	near  window // entries, and the data that is written with them
	far   window // older data
	chain window // arrays
	dec   *Decoder

	pos   uint64 // entries before the next one
	array int64  // offset of the array that has it, 0: not searched for yet
	start uint64 // entries before that array
	items uint64 // entries that it has room for
	end   int64  // of the last array and entry, which the next ones must follow

	entry Entry
	ready bool // entry is the next one
}

// An Entry is one entry. It is valid until the next call of a method of its File.
type Entry struct {
	Seqnum, Realtime, Monotonic uint64 // the times in µs
	BootID                      ID
	Data                        []int64 // offsets of its fields
	LeftOut                     int     // fields beyond MaxItems
}

// Open reads the header of a file. r must stay readable while the File is used. Files may share a Decoder.
func Open(r io.ReaderAt, dec *Decoder) (*File, error) {
	h, err := ReadHeader(r)
	if err != nil {
		return nil, err
	}
	return &File{Header: h, r: r, dec: dec}, nil
}

// Refresh reads the header again. It reports whether there are entries that there were not before.
func (f *File) Refresh() (more bool, err error) {
	h, err := ReadHeader(f.r)
	if err != nil {
		return false, err
	}
	if h.FileID != f.FileID || h.compact != f.compact {
		return false, damaged("its identity has changed")
	}
	more = h.Entries > f.Entries
	f.Header = h
	if more { // what was read may have been written since
		f.near.n, f.far.n, f.chain.n = 0, 0, 0
	}
	return more, nil
}

// Seek has n entries before the next one.
func (f *File) Seek(n uint64) {
	if n < f.start {
		f.array = 0
	}
	f.pos, f.ready = n, false
}

// Pos is how many entries are before the next one.
func (f *File) Pos() uint64 { return f.pos }

// Memory is about how many bytes the File has for what it reads.
func (f *File) Memory() int {
	return cap(f.near.buf) + cap(f.far.buf) + cap(f.chain.buf)
}

// A chainError is the error of an array: the entries after it can't be found.
type chainError struct{ error }

func (e chainError) Unwrap() error { return e.error }

// Unreachable reports whether an error says that no later entry can be found either.
func Unreachable(err error) bool {
	var e chainError
	return errors.As(err, &e)
}

// Peek returns the next entry, io.EOF if there is none yet. After another error, unless it is Unreachable, Skip goes on to the entry
// after it.
func (f *File) Peek() (*Entry, error) {
	if f.ready {
		return &f.entry, nil
	}
	if f.pos >= f.Entries {
		return nil, io.EOF
	}
	if err := f.find(); err != nil {
		return nil, chainError{err}
	}
	at, err := f.item(f.array+arrayHeader, f.pos-f.start)
	if err != nil {
		return nil, chainError{err}
	}
	if err := f.readEntry(at); err != nil {
		return nil, err
	}
	f.ready = true
	return &f.entry, nil
}

// Skip goes on to the next entry.
func (f *File) Skip() { f.pos, f.ready = f.pos+1, false }

// find finds the array that has the next entry. Each array must come after the one before it: so a chain has an end.
func (f *File) find() error {
	if f.array == 0 {
		f.start, f.items = 0, 0
		if err := f.enter(f.first, headerSize); err != nil {
			return err
		}
	}
	for f.pos-f.start >= f.items {
		b, err := f.chain.readFar(f.r, f.array, arrayHeader)
		if err != nil {
			return err
		}
		next := u64(b[objectHeader:])
		if next > maxOffset {
			return damaged("the array after the one at %d begins at %d", f.array, next)
		}
		f.start += f.items
		if err := f.enter(int64(next), f.end); err != nil {
			f.array = 0
			return err
		}
	}
	return nil
}

// enter reads the header of the array at an offset, which is at least from.
func (f *File) enter(at, from int64) error {
	if at < from {
		return damaged("entry %d is in an array at %d, before %d", f.start, at, from)
	}
	b, err := f.chain.readFar(f.r, at, arrayHeader)
	if err != nil {
		return err
	}
	size := u64(b[8:])
	if b[0] != typeArray || size < arrayHeader || size > maxOffset {
		return damaged("there is no array of entries at %d", at)
	}
	f.array, f.items, f.end = at, (size-arrayHeader)/uint64(f.itemSize()), at+int64(size)
	if f.items == 0 {
		return damaged("the array at %d is empty", at)
	}
	return nil
}

func (f *File) itemSize() int {
	if f.compact {
		return 4
	}
	return 8
}

// item returns the n-th offset of an array.
func (f *File) item(array int64, n uint64) (int64, error) {
	size := f.itemSize()
	b, err := f.chain.readFar(f.r, array+int64(n)*int64(size), size)
	if err != nil {
		return 0, err
	}
	if f.compact {
		return int64(binary.LittleEndian.Uint32(b)), nil
	}
	return int64(min(u64(b), maxOffset+1)), nil
}

// readEntry reads the entry at an offset.
func (f *File) readEntry(at int64) error {
	if at < headerSize || at > maxOffset {
		return damaged("invalid offset of entry %d: %d", f.pos, at)
	}
	b, err := f.near.read(f.r, at, entryHeader)
	if err != nil {
		return err
	}
	size := u64(b[8:])
	if b[0] != typeEntry || size < entryHeader || size > maxOffset {
		return damaged("there is no entry at %d", at)
	}
	e := &f.entry
	*e = Entry{Seqnum: u64(b[16:]), Realtime: u64(b[24:]), Monotonic: u64(b[32:]), BootID: ID(b[40:56]), Data: e.Data[:0]}
	width := 16
	if f.compact {
		width = 4
	}
	n := int((size - entryHeader) / uint64(width))
	if n > MaxItems {
		n, e.LeftOut = MaxItems, n-MaxItems
	}
	if b, err = f.near.read(f.r, at+entryHeader, n*width); err != nil {
		return err
	}
	for ; len(b) > 0; b = b[width:] {
		if f.compact {
			e.Data = append(e.Data, int64(binary.LittleEndian.Uint32(b)))
		} else {
			e.Data = append(e.Data, int64(min(u64(b), maxOffset+1)))
		}
	}
	return nil
}
