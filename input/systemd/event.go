package systemd

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input/systemd/journal"
	"github.com/firelane/firelane/record"
)

const (
	maxEntry  = 2 << 20 // bytes of the fields of a record; those beyond it are left out
	maxFailed = 64      // fields of an entry that can't be read, after which the others are left out, too
	keptEntry = 128 << 10

	unitField   = "_SYSTEMD_UNIT"
	unknownUnit = "unknown"
)

// errEntryTooLong is the error of fields for which a record has no room.
var errEntryTooLong = fmt.Errorf("the fields of an entry have more than %d KiB", maxEntry>>10)

// A maker makes events of entries.
type maker struct {
	before, after string // of the tag, around the unit
	byUnit        bool
	max           int // fields
	naming        naming
	filter        filter
	cache         cache

	items  []item
	chains []chain
	byName map[string]int // in chains
	has    []int          // the filter's conditions that the entry fulfils
	text   []byte         // values that the cache doesn't have
	buf    []byte
	tag    []byte
	body   []byte
}

// An item is a field of a record.
type item struct {
	cached
	start, end int // in maker.text, if it isn't kept
	order      int // of a target
	next       int // the next one with its name, 0: there is none
}

// A chain is the items with one name.
type chain struct {
	name               string
	first, last, count int
}

func newMaker(o *Options, d config.Dialect, tag string) (*maker, error) {
	m := &maker{max: journal.MaxItems, byName: map[string]int{}}
	m.before, m.after, m.byUnit = tag, "", false
	if d == config.FluentBit {
		m.max = min(o.MaxFields, m.max)
		m.before, m.after, m.byUnit = strings.Cut(tag, "*")
	}
	var err error
	if m.naming, err = newNaming(o, d); err != nil {
		return nil, err
	}
	m.filter, err = newFilter(o, d)
	return m, err
}

// make makes the event of an entry. ok says that the filter takes it. leftOut is the error of the first field that can't be read or
// is too long, and that the record doesn't have.
func (m *maker) make(s *source, e *journal.Entry) (tag, body []byte, ok bool, leftOut error) {
	if cap(m.text) > keptEntry {
		m.text, m.body = nil, nil
	}
	m.items, m.chains, m.has, m.text = m.items[:0], m.chains[:0], m.has[:0], m.text[:0]
	clear(m.byName)
	m.tag = append(m.tag[:0], m.before...)
	unit, size, failed := false, 0, 0
	for i, at := range e.Data {
		f, err := m.field(s, at)
		if err != nil {
			leftOut = cmp.Or(leftOut, err)
			if failed++; failed == maxFailed {
				break
			}
			continue
		}
		if size += len(f.name) + len(f.value); size > maxEntry {
			leftOut = cmp.Or(leftOut, errEntryTooLong)
			break
		}
		if f.condition >= 0 {
			m.has = append(m.has, f.condition)
		}
		if m.byUnit && !unit && string(f.name) == unitField {
			unit = true
			m.tag = append(m.tag, f.value...)
		}
		if i < m.max {
			m.add(f)
		}
	}
	if !m.filter.takes(m.has) {
		return nil, nil, false, nil
	}
	if m.byUnit && !unit {
		m.tag = append(m.tag, unknownUnit...)
	}
	m.tag = append(m.tag, m.after...)
	m.body = m.appendBody(m.body[:0])
	return m.tag[:min(len(m.tag), record.MaxTag)], m.body, true, leftOut
}

// field reads the field at an offset. Its bytes are valid until the next call, unless it is in the cache.
func (m *maker) field(s *source, at int64) (cached, error) {
	if f, ok := m.cache.get(s, at); ok {
		return f, nil
	}
	name, value, err := s.file.Field(at)
	if err != nil {
		return cached{}, err
	}
	f := cached{name: name, value: value}
	f.condition, m.buf = m.filter.find(name, value, m.buf)
	return m.cache.put(s, at, f), nil
}

// add adds a field under its names.
func (m *maker) add(f cached) {
	it := item{cached: f}
	if !f.kept {
		it.start = len(m.text)
		m.text = append(m.text, f.value...)
		it.end = len(m.text)
	}
	for _, t := range m.naming.targets(f.name) {
		n := len(m.items)
		it.order = t.order
		m.items = append(m.items, it)
		c, ok := m.byName[t.name]
		if !ok {
			m.byName[t.name] = len(m.chains)
			m.chains = append(m.chains, chain{name: t.name, first: n, last: n, count: 1})
			continue
		}
		m.items[m.chains[c].last].next = n
		m.chains[c].last = n
		m.chains[c].count++
	}
}

// appendBody appends the record. Several fields with a name become an array, or one text if field_map says so.
func (m *maker) appendBody(b []byte) []byte {
	b = record.AppendMapHeader(b, len(m.chains))
	for _, c := range m.chains {
		b = record.AppendStr(b, c.name)
		switch {
		case c.count == 1:
			b = record.AppendStrBytes(b, m.value(c.first))
		case m.items[c.first].order > 0:
			b = record.AppendStrBytes(b, m.joined(c))
		default:
			b = record.AppendArrayHeader(b, c.count)
			for n, more := c.first, true; more; n = m.items[n].next {
				b = record.AppendStrBytes(b, m.value(n))
				more = m.items[n].next > 0
			}
		}
	}
	return b
}

// value is the value of the n-th item.
func (m *maker) value(n int) []byte {
	if it := &m.items[n]; it.kept {
		return it.cached.value
	}
	return m.text[m.items[n].start:m.items[n].end]
}

// joined joins the values of a chain, in the order of field_map.
func (m *maker) joined(c chain) []byte {
	list := []int{c.first}
	for n := c.first; n != c.last; list = append(list, n) {
		n = m.items[n].next
	}
	slices.SortStableFunc(list, func(a, b int) int { return m.items[a].order - m.items[b].order })
	values := make([][]byte, len(list))
	for i, n := range list {
		values[i] = m.value(n)
	}
	return bytes.Join(values, []byte(" "))
}

// identity is the part of a record's id that is the same for all entries of a file: an entry that is read again has the same id,
// those that another input makes of it have another one.
func identity(input, tag string, file journal.ID) (id [10]byte) {
	sum := sha256.Sum256([]byte("journal\x00" + input + "\x00" + tag + "\x00" + string(file[:])))
	copy(id[:], sum[:])
	return id
}

// timeOf is a time in µs as that of an event.
func timeOf(us uint64) record.Time {
	const maxSec = 1<<32 - 1
	return record.Time{Sec: uint32(min(us/1e6, maxSec)), Nsec: uint32(us % 1e6 * 1000)}
}

// isDamage reports whether an error says that the file is damaged, not that it can't be read.
func isDamage(err error) bool { return errors.Is(err, journal.ErrDamaged) }

// memory is about how many bytes the maker has.
func (m *maker) memory() int { return m.cache.memory() + cap(m.text) + cap(m.body) + cap(m.buf) }
