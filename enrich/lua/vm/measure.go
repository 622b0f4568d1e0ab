package vm

import "unsafe"

// longString is the length in bytes from which on a string that several values share is counted only once.
const longString = 128

// A measurer adds up the size of the values that a script can reach.
type measurer struct {
	epoch   uint32
	todo    []Value
	strings map[unsafe.Pointer]struct{}
	bytes   int
}

// measure measures how many bytes the script keeps, and throws if they are too many.
func (st *State) measure() {
	st.live = st.Measure()
	st.measureAt = st.allocated + measureEvery
	if st.live > MaxMemory || st.cfg.Charge != nil && !st.cfg.Charge(st.live) {
		panic(&thrown{limit: LimitMemory})
	}
}

// Measure returns how many bytes the script's values take.
func (st *State) Measure() int {
	st.epoch++
	m := &measurer{epoch: st.epoch, strings: map[unsafe.Pointer]struct{}{}}
	m.add(TableValue(st.Globals))
	m.add(TableValue(st.stringMeta))
	m.thread(st.main)
	for _, th := range st.threads {
		m.thread(th)
	}
	for len(m.todo) > 0 {
		v := m.todo[len(m.todo)-1]
		m.todo = m.todo[:len(m.todo)-1]
		switch v.k {
		case KindTable:
			m.table((*Table)(v.p))
		case KindFunction:
			m.function(v.function())
		}
	}
	return m.bytes
}

// add counts a value.
func (m *measurer) add(v Value) {
	switch v.k {
	case KindString:
		m.string(v.str())
	case KindTable:
		if t := (*Table)(v.p); t.mark != m.epoch {
			t.mark = m.epoch
			m.todo = append(m.todo, v)
		}
	case KindFunction:
		if f := v.function(); f.mark != m.epoch {
			f.mark = m.epoch
			m.todo = append(m.todo, v)
		}
	case kindFile:
		v.file().mark = m.epoch
	case kindCell:
		m.bytes += valueBytes
		m.add(v.cell().v)
	}
}

func (m *measurer) string(s string) {
	if len(s) >= longString {
		p := unsafe.Pointer(unsafe.StringData(s))
		if _, ok := m.strings[p]; ok {
			return
		}
		m.strings[p] = struct{}{}
	}
	m.bytes += len(s)
}

func (m *measurer) table(t *Table) {
	m.bytes += tableBytes + cap(t.arr)*valueBytes + cap(t.ents)*entryBytes + len(t.source)
	if t.Meta != nil {
		m.add(TableValue(t.Meta))
	}
	for _, v := range t.arr {
		m.add(v)
	}
	for i := range t.ents {
		m.add(t.ents[i].key)
		m.add(t.ents[i].val)
	}
}

func (m *measurer) function(f *Function) {
	m.bytes += functionBytes
	if f.env != nil {
		m.add(TableValue(f.env))
	}
	for _, c := range f.ups {
		m.bytes += valueBytes
		m.add(c.v)
	}
}

func (m *measurer) thread(th *Thread) {
	for _, fr := range th.frames[:th.active] {
		m.bytes += len(fr.slots) * valueBytes
		for _, v := range fr.slots {
			m.add(v)
		}
		for _, v := range fr.varargs {
			m.add(v)
		}
	}
	for _, v := range th.ret {
		m.add(v)
	}
}
