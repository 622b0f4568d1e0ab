package vm

import "math"

// fewMembers is the number of members for which a new table gets room.
const fewMembers = 4

// smallTable is how many members a table has before it gets an index.
const smallTable = 16

// A Table is a table of Lua. A pending table reads its source later: see pending.go.
type Table struct {
	// Meta is the metatable, nil for none.
	Meta *Table
	// Origin says what the table was in its source, in the Loader's numbers; 0: a script made the table.
	Origin uint8

	pending Loader // nil when the table is loaded; see pending.go
	source  string
	reads   uint8   // members that were looked up in the source
	arr     []Value // members 1 to n; the last one isn't nil
	ents    []entry // all others, in the order in which they came; a nil value is a member that was removed
	strs    map[string]int32
	others  map[Value]int32 // by keys that aren't strings
	dead    int             // removed members in ents
	mark    uint32          // of the last measurement
}

type entry struct{ key, val Value }

// Reserve makes room for n members that aren't elements of an array, or for elements.
func (t *Table) Reserve(members, elements int) {
	if members > 0 {
		t.ents = make([]entry, 0, members)
	}
	if elements > 0 {
		t.arr = make([]Value, 0, elements)
	}
}

// Append adds an element while the table is loaded.
func (t *Table) Append(val Value) { t.arr = append(t.arr, val) }

// Add sets a member while the table is loaded.
func (t *Table) Add(key, val Value) {
	if key.k == KindString && val.k != KindNil && len(t.ents) < smallTable && t.find(key) < 0 {
		t.ents = append(t.ents, entry{key, val})
		return
	}
	t.set(key, val)
}

// trim restores the invariant that the last element isn't nil.
func (t *Table) trim() {
	n := len(t.arr)
	for n > 0 && t.arr[n-1].k == KindNil {
		n--
	}
	t.arr = t.arr[:n]
}

// Get returns a member without metamethods.
func (t *Table) Get(key Value) Value {
	if key.k == KindString {
		return t.getStr(key)
	}
	t.load()
	switch key.k {
	case KindNumber:
		if i := uint64(key.num()) - 1; i < uint64(len(t.arr)) && float64(i+1) == key.num() {
			return t.arr[i]
		}
	}
	if i := t.find(key); i >= 0 {
		return t.ents[i].val
	}
	return Nil
}

// getStr is Get for a string.
func (t *Table) getStr(key Value) Value {
	if t.pending != nil {
		return t.peek(key)
	}
	if t.strs == nil {
		if i := t.scan(key); i >= 0 {
			return t.ents[i].val
		}
		return Nil
	}
	if i, ok := t.strs[key.str()]; ok {
		return t.ents[i].val
	}
	return Nil
}

// scan returns where a string is in ents, or -1; there is no index.
func (t *Table) scan(key Value) int {
	for i := range t.ents {
		if e := &t.ents[i]; e.key.n == key.n && e.key.k == KindString && (e.key.p == key.p || e.key.str() == key.str()) {
			return i
		}
	}
	return -1
}

// find returns where a key is in ents, or -1.
func (t *Table) find(key Value) int {
	if t.strs == nil && key.k == KindString {
		return t.scan(key)
	}
	if t.strs == nil {
		for i := range t.ents {
			if rawEqual(t.ents[i].key, key) {
				return i
			}
		}
		return -1
	}
	var i int32
	var ok bool
	if key.k == KindString {
		i, ok = t.strs[key.str()]
	} else {
		i, ok = t.others[normal(key)]
	}
	if !ok {
		return -1
	}
	return int(i)
}

// normal makes equal numbers the same Value.
func normal(key Value) Value {
	if key.k == KindNumber {
		return Number(key.num() + 0) // -0 is 0
	}
	return key
}

// Set sets a member without metamethods; the key is neither nil nor NaN. It returns the bytes by which the table has grown.
func (t *Table) Set(key, val Value) int {
	if t.pending != nil {
		if key.k == KindString && t.poke(key, val) {
			return entryBytes
		}
		t.load()
	}
	return t.set(key, val)
}

func (t *Table) set(key, val Value) int {
	if key.k == KindNumber {
		if i := uint64(key.num()) - 1; i <= uint64(len(t.arr)) && float64(i+1) == key.num() {
			return t.setElement(int(i), val)
		}
	}
	if i := t.find(key); i >= 0 {
		e := &t.ents[i]
		if val.k == KindNil && e.val.k != KindNil {
			t.dead++
		} else if val.k != KindNil && e.val.k == KindNil {
			t.dead--
		}
		e.val = val
		return 0
	}
	if val.k == KindNil {
		return 0
	}
	return t.insert(key, val)
}

// setElement sets arr[i]; i is at most the array's length.
func (t *Table) setElement(i int, val Value) (grown int) {
	switch {
	case i < len(t.arr):
		t.arr[i] = val
		if val.k == KindNil && i == len(t.arr)-1 {
			t.trim()
		}
		return 0
	case val.k == KindNil:
		if len(t.ents) > 0 {
			if at := t.find(Number(float64(i + 1))); at >= 0 && t.ents[at].val.k != KindNil {
				t.ents[at].val = Nil
				t.dead++
			}
		}
		return 0
	}
	before := cap(t.arr)
	t.arr = append(t.arr, val)
	for next := len(t.arr); len(t.ents) > t.dead; next++ { // the members that follow become elements
		at := t.find(Number(float64(next)))
		if next > len(t.arr) {
			if at < 0 || t.ents[at].val.k == KindNil {
				break
			}
			t.arr = append(t.arr, t.ents[at].val)
		}
		if at >= 0 && t.ents[at].val.k != KindNil {
			t.ents[at].val = Nil
			t.dead++
		}
	}
	return (cap(t.arr) - before) * valueBytes
}

// Bytes that are counted for what a script makes.
const (
	valueBytes    = 24
	entryBytes    = 2*valueBytes + 40 // with its place in an index
	tableBytes    = 144
	functionBytes = 64
)

// insert adds a member.
func (t *Table) insert(key, val Value) (grown int) {
	if len(t.ents) == cap(t.ents) && t.dead > len(t.ents)/2 && t.dead > smallTable {
		t.compact()
	}
	before := cap(t.ents)
	if before == 0 {
		t.ents = make([]entry, 0, fewMembers)
	}
	t.ents = append(t.ents, entry{key, val})
	switch {
	case t.strs != nil:
		t.index(len(t.ents) - 1)
	case len(t.ents) > smallTable:
		t.reindex()
	}
	return (cap(t.ents) - before) * entryBytes
}

// compact deletes removed members. Lua forbids adding members during a traversal, so no traversal needs the old places.
func (t *Table) compact() {
	kept := t.ents[:0]
	for _, e := range t.ents {
		if e.val.k != KindNil {
			kept = append(kept, e)
		}
	}
	clear(t.ents[len(kept):])
	t.ents, t.dead, t.strs, t.others = kept, 0, nil, nil
	if len(kept) > smallTable {
		t.reindex()
	}
}

func (t *Table) reindex() {
	t.strs = make(map[string]int32, 2*len(t.ents))
	t.others = nil
	for i := range t.ents {
		t.index(i)
	}
}

func (t *Table) index(i int) {
	key := t.ents[i].key
	if key.k == KindString {
		t.strs[key.str()] = int32(i)
		return
	}
	if t.others == nil {
		t.others = map[Value]int32{}
	}
	t.others[normal(key)] = int32(i)
}

// Len is the length of the array part, as # returns it.
func (t *Table) Len() int {
	t.load()
	return len(t.arr)
}

// Count is the number of members.
func (t *Table) Count() (n int) {
	t.load()
	for _, v := range t.arr {
		if v.k != KindNil {
			n++
		}
	}
	return n + len(t.ents) - t.dead
}

// hashPart is added to the places of members that aren't elements.
const hashPart = 1 << 40

// Next returns the member at or after the place at, and the place after it; ok is false at the end. The first place is 0.
func (t *Table) Next(at int) (key, val Value, next int, ok bool) {
	t.load()
	if at < hashPart {
		for ; at < len(t.arr); at++ {
			if t.arr[at].k != KindNil {
				return Number(float64(at + 1)), t.arr[at], at + 1, true
			}
		}
		at = hashPart
	}
	for i := at - hashPart; i < len(t.ents); i++ {
		if e := &t.ents[i]; e.val.k != KindNil {
			return e.key, e.val, hashPart + i + 1, true
		}
	}
	return Nil, Nil, 0, false
}

// place returns the place after key, for next(); ok is false if the table has no such key.
func (t *Table) place(key Value) (at int, ok bool) {
	t.load()
	if key.k == KindNil {
		return 0, true
	}
	f := key.num()
	element := key.k == KindNumber && f >= 1 && f == math.Trunc(f)
	if element && f <= float64(len(t.arr)) {
		return int(f), true
	}
	if i := t.find(key); i >= 0 {
		return hashPart + i + 1, true
	}
	if element && f <= float64(cap(t.arr)) { // it was removed from the end of the array in the traversal
		return len(t.arr), true
	}
	return 0, false
}

// MaxN is the largest positive number among the keys, 0 for none.
func (t *Table) MaxN() float64 {
	t.load()
	most := float64(len(t.arr))
	for i := range t.ents {
		if e := &t.ents[i]; e.key.k == KindNumber && e.val.k != KindNil {
			most = max(most, e.key.num())
		}
	}
	return most
}
