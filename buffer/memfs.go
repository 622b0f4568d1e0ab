package buffer

import (
	"errors"
	"io"
	"math"
	"os"
	"sync"
)

// memBlock is the unit in which a queue's files in memory grow.
const memBlock = 64 << 10

// memSpare is how many blocks of removed files are kept for the next ones.
const memSpare = 32

// memory is a folder in memory: the same queue runs on it where nothing can be written. What it holds is bounded by the
// queue's limit.
type memory struct {
	block int64 // a file grows by so many bytes

	mu    sync.Mutex
	files map[string]*memFile
	spare [][]byte
}

func newMemory(block int64) *memory { return &memory{block: block, files: map[string]*memFile{}} }

func (m *memory) List() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := make([]string, 0, len(m.files))
	for name := range m.files {
		names = append(names, name)
	}
	return names, nil
}

func (m *memory) Open(name string, create bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[name]
	switch {
	case create && f != nil:
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrExist}
	case !create && f == nil:
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	case create:
		f = &memFile{fs: m}
		m.files[name] = f
	}
	f.handles++
	return f, nil
}

func (m *memory) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[from]
	if f == nil {
		return &os.PathError{Op: "rename", Path: from, Err: os.ErrNotExist}
	}
	delete(m.files, from)
	m.files[to] = f
	return nil
}

func (m *memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[name]
	if f == nil {
		return &os.PathError{Op: "remove", Path: name, Err: os.ErrNotExist}
	}
	delete(m.files, name)
	f.removed = true
	m.reclaim(f)
	return nil
}

func (m *memory) Link(string, FS, string) error { return errors.ErrUnsupported }

func (m *memory) Links(string) (names int, file uint64) { return 1, 0 }

func (m *memory) Free() (int64, error) { return math.MaxInt64, nil }

// reclaim takes back the blocks of a file that is removed and not open. m.mu is held.
func (m *memory) reclaim(f *memFile) {
	if f.removed && f.handles == 0 {
		f.mu.Lock()
		defer f.mu.Unlock()
		m.keep(f.blocks)
		f.blocks, f.size = nil, 0
	}
}

func (m *memory) keep(blocks [][]byte) {
	m.spare = append(m.spare, blocks[:min(len(blocks), memSpare-len(m.spare))]...)
}

// take is a spare block, with old bytes in it, or a new one.
func (m *memory) take() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.spare)
	if n == 0 {
		return make([]byte, m.block)
	}
	b := m.spare[n-1]
	m.spare[n-1] = nil
	m.spare = m.spare[:n-1]
	return b
}

type memFile struct {
	fs      *memory
	handles int  // guarded by fs.mu
	removed bool // guarded by fs.mu

	mu     sync.RWMutex
	blocks [][]byte
	size   int64
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	n := 0
	for n < len(p) && off < f.size {
		block := f.blocks[off/f.fs.block]
		k := copy(p[n:min(int64(len(p)), int64(n)+f.size-off)], block[off%f.fs.block:])
		n, off = n+k, off+int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.extend(off)
	end := off + int64(len(p))
	for int64(len(f.blocks))*f.fs.block < end {
		f.blocks = append(f.blocks, f.fs.take())
	}
	n := 0
	for n < len(p) {
		k := copy(f.blocks[off/f.fs.block][off%f.fs.block:], p[n:])
		n, off = n+k, off+int64(k)
	}
	f.size = max(f.size, end)
	return n, nil
}

func (f *memFile) WritevAt(parts [][]byte, off int64) (n int, err error) {
	for _, p := range parts {
		k, _ := f.WriteAt(p, off+int64(n))
		n += k
	}
	return n, nil
}

// extend fills a hole with zeros, up to size.
func (f *memFile) extend(size int64) {
	for f.size < size {
		if f.size == int64(len(f.blocks))*f.fs.block {
			f.blocks = append(f.blocks, f.fs.take())
		}
		block := f.blocks[f.size/f.fs.block][f.size%f.fs.block:]
		block = block[:min(int64(len(block)), size-f.size)]
		clear(block)
		f.size += int64(len(block))
	}
}

func (f *memFile) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.extend(size)
	f.size = size
	n := int((size + f.fs.block - 1) / f.fs.block)
	f.fs.mu.Lock()
	f.fs.keep(f.blocks[n:])
	f.fs.mu.Unlock()
	clear(f.blocks[n:])
	f.blocks = f.blocks[:n]
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.size, nil
}

func (f *memFile) Sync() error { return nil }

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.handles--
	f.fs.reclaim(f)
	return nil
}
