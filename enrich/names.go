package enrich

import (
	"bytes"
	"slices"

	"github.com/firelane/firelane/record"
)

// Names are the names of the members of a map, to look for many of them.
type Names struct {
	members []byte
	n       int
	lengths lengthSet
	sorted  []uint32 // where the names begin, if there are many: sorted when one is looked for first
}

// NamesOf returns the names of n well-formed members.
func NamesOf(members []byte, n int) Names {
	return Names{members: members, n: n, lengths: keyLengths(members, n)}
}

// keyLengths are the lengths of the names of n well-formed members.
func keyLengths(b []byte, n int) (lengths lengthSet) {
	for ; n > 0 && len(b) > 1; n-- {
		if size := int(b[0] & 0x1f); b[0]&0xe0 == 0xa0 && size+1 < len(b) {
			lengths |= 1 << size
			b = b[1+size:]
		} else {
			key, _, _ := record.Str(b)
			lengths.add(key)
			if b, _ = record.Skip(b); len(b) == 0 {
				break
			}
		}
		if c := b[0]; c&0xe0 == 0xa0 && int(c&0x1f) < len(b) {
			b = b[1+int(c&0x1f):]
		} else {
			b, _ = record.Skip(b)
		}
	}
	return lengths
}

// fewNames is how many members are compared one by one.
const fewNames = 64

// Has reports whether one of the members is called name.
func (m *Names) Has(name []byte) bool {
	switch {
	case !m.lengths.has(name):
		return false
	case m.n <= fewNames:
		one := [1][]byte{name}
		ns := nameSet{names: one[:]}
		ns.lengths.add(name)
		return ns.meets(m.members, m.n)
	case m.sorted == nil:
		m.sort()
	}
	_, ok := slices.BinarySearchFunc(m.sorted, name, func(at uint32, name []byte) int { return bytes.Compare(m.name(at), name) })
	return ok
}

func (m *Names) name(at uint32) []byte {
	name, _ := record.Text(m.members[at:])
	return name
}

// sort takes four bytes for a name: a record may have tens of thousands.
func (m *Names) sort() {
	m.sorted = make([]uint32, 0, m.n)
	b := m.members
	for range m.n {
		if _, ok := record.Text(b); ok {
			m.sorted = append(m.sorted, uint32(len(m.members)-len(b)))
		}
		b, _ = record.Skip(b) // the members are well-formed
		b, _ = record.Skip(b)
	}
	slices.SortFunc(m.sorted, func(a, b uint32) int { return bytes.Compare(m.name(a), m.name(b)) })
}
