package sample

import (
	"bytes"
	"time"

	"github.com/firelane/firelane/record"
)

// A Member is a member of an event: its value is JSON.
type Member struct {
	Key   string
	Value []byte
}

// A Diff is how a step changed an event.
type Diff struct {
	Added   []Member
	Changed []Member // with their new values
	Old     [][]byte // of Changed
	Removed []string
	Time    time.Time // the new one; zero if it stays
}

func (d *Diff) empty() bool {
	return len(d.Added) == 0 && len(d.Changed) == 0 && len(d.Removed) == 0 && d.Time.IsZero()
}

// size is about how many bytes d takes.
func (d *Diff) size() (n int) {
	for _, list := range [][]Member{d.Added, d.Changed} {
		for _, m := range list {
			n += len(m.Key) + len(m.Value)
		}
	}
	for _, old := range d.Old {
		n += len(old)
	}
	return n
}

// diffOf compares the members of two events. Of several members with the same name the last one counts.
func diffOf(before, after *record.Event) (d Diff) {
	if before.Time != after.Time {
		d.Time = timeOf(after.Time)
	}
	if bytes.Equal(before.Body, after.Body) {
		return d
	}
	old, new := membersOf(before.Body), membersOf(after.Body)
	for _, name := range new.names {
		value := new.values[name]
		switch was, ok := old.values[name]; {
		case !ok:
			d.Added = append(d.Added, Member{name, record.AppendJSON(nil, value)})
		case !bytes.Equal(was, value):
			d.Changed = append(d.Changed, Member{name, record.AppendJSON(nil, value)})
			d.Old = append(d.Old, record.AppendJSON(nil, was))
		}
	}
	for _, name := range old.names {
		if _, ok := new.values[name]; !ok {
			d.Removed = append(d.Removed, name)
		}
	}
	return d
}

// members are the members of a map: values by name, and names in order.
type members struct {
	names  []string
	values map[string][]byte
}

func membersOf(body []byte) members {
	m := members{values: make(map[string][]byte)}
	for f := record.FieldsOf(body); f.Next(); {
		name := string(f.Key())
		if _, ok := m.values[name]; !ok {
			m.names = append(m.names, name)
		}
		m.values[name] = f.Value()
	}
	return m
}

func timeOf(t record.Time) time.Time { return time.Unix(int64(t.Sec), int64(t.Nsec)).UTC() }
