package vm

// A pending table stands for a source, such as a map of a record. It is loaded, that is filled from the source, only when a script
// does more than read and set a few members by name. Until then ents has only the members that were set, and the tables that were
// read.

// A Loader reads the source of a pending table.
type Loader interface {
	// Load fills t with all members of the source, by Add and Append.
	Load(t *Table, source string)
	// Find returns a member of the source by its name, Nil if there is none.
	Find(source, name string) Value
}

const (
	peeksBeforeLoad = 6 // lookups in the source; the next one loads the table
	pokesBeforeLoad = 6 // members in ents; the next one loads the table
)

// NewPending makes a pending table, which l reads from source. origin says what the table was, and isn't 0; only a map's members are
// looked up by name.
func NewPending(l Loader, source string, origin uint8) *Table {
	return &Table{pending: l, source: source, Origin: origin}
}

// Source returns the source of a table. used reports whether the table may differ from it.
func (t *Table) Source() (source string, used bool) {
	return t.source, t.pending == nil || len(t.ents) > 0
}

// Poked returns the number of members in ents of a pending table: members that differ from the source, or may differ. ok is false if
// the table is loaded.
func (t *Table) Poked() (n int, ok bool) { return len(t.ents), t.pending != nil }

// PokedMember returns member i of those that Poked counts. A nil value is a member that was removed.
func (t *Table) PokedMember(i int) (key, val Value) { return t.ents[i].key, t.ents[i].val }

// load fills a pending table.
func (t *Table) load() {
	l := t.pending
	if l == nil {
		return
	}
	poked := t.ents
	t.pending, t.ents = nil, nil
	l.Load(t, t.source)
	t.trim()
	for _, e := range poked {
		t.set(e.key, e.val)
	}
}

// peek returns a member of a pending table.
func (t *Table) peek(key Value) Value {
	if i := t.scan(key); i >= 0 {
		return t.ents[i].val
	}
	if t.reads++; t.reads > peeksBeforeLoad {
		t.load()
		return t.getStr(key)
	}
	v := t.pending.Find(t.source, key.str())
	if v.k == KindTable && !t.poke(key, v) { // the next read must return the same table
		t.load()
		return t.getStr(key)
	}
	return v
}

// poke sets a member of a pending table; it returns false if the table has to be loaded first.
func (t *Table) poke(key, val Value) bool {
	if i := t.scan(key); i >= 0 {
		t.ents[i].val = val
		return true
	}
	if len(t.ents) >= pokesBeforeLoad {
		return false
	}
	if t.ents == nil {
		t.ents = make([]entry, 0, 2)
	}
	t.ents = append(t.ents, entry{key, val})
	return true
}
