package lua

import (
	"errors"
	"fmt"
	"math"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/lua/vm"
	"github.com/firelane/firelane/record"
)

// The codes that a script may return.
const (
	codeDrop   = -1
	codeKeep   = 0
	codeBoth   = 1
	codeRecord = 2
)

// results are what a call returned. They are read while the script's values are valid.
type results struct {
	s       *step
	out     *enrich.Out
	was     record.Time // of the event
	changed bool        // emit first and more instead of the event (none of them drops it); false: emit the event unchanged
	time    record.Time
	first   []byte // body; more has the others
	more    [][]byte
}

// take reads what the function returned: code, timestamp and record, or with five parameters code, timestamp, metadata and
// record. A code that isn't a number counts as 0, as in Fluent Bit.
func (r *results) take(values []vm.Value) error {
	get := func(n int) vm.Value {
		if n < len(values) {
			return values[n]
		}
		return vm.Nil
	}
	code, _ := get(0).ToNumber()
	switch int64(max(min(code, math.MaxInt32), math.MinInt32)) {
	case codeDrop:
		r.changed = true
		return nil
	case codeKeep:
		return nil
	case codeBoth:
		r.time = r.timeOf(get(1))
	case codeRecord:
	default:
		return fmt.Errorf("it returned the code %v; want -1, 0, 1 or 2", code)
	}
	r.changed = true
	last := 2
	if r.s.params == 5 {
		last = 3
	}
	t := get(last).Table()
	if t == nil {
		return fmt.Errorf("it returned a %s as the record; want a table", get(last).Kind())
	}
	return r.records(t)
}

// timeOf converts a returned timestamp. If the script returns the timestamp that it got, the event keeps its time to
// the nanosecond. It also keeps its time if the timestamp is invalid.
func (r *results) timeOf(v vm.Value) record.Time {
	var sec, nsec float64
	if t := v.Table(); t != nil && r.s.opts.TimeAsTable {
		sec, _ = t.Get(vm.String("sec")).ToNumber()
		nsec, _ = t.Get(vm.String("nsec")).ToNumber()
	} else if r.s.opts.TimeAsTable {
		r.s.log.Warn().Str("script", r.s.name).Msg("the script returned a timestamp that isn't a table with sec and nsec: the record keeps its time")
		return r.was
	} else {
		f, _ := v.ToNumber()
		if f == r.s.timestamp(r.was).Float() {
			return r.was
		}
		sec = math.Floor(f)
		nsec = math.Floor((f - sec) * 1e9)
	}
	if !(sec >= 0 && sec <= math.MaxUint32 && nsec >= 0 && nsec < 1e9) {
		r.s.log.Warn().Str("script", r.s.name).Float64("timestamp_s", sec).Msg("the script returned a timestamp out of range: the record keeps its time")
		return r.was
	}
	return record.Time{Sec: uint32(sec), Nsec: uint32(nsec)}
}

var errNoRecord = errors.New("it returned an array whose elements aren't all tables with names")

// records makes a body from a table, or from each element of an array of tables.
func (r *results) records(t *vm.Table) error {
	types := &r.s.types
	w := writer{types: types, convert: len(types.ints)+len(types.arrays) > 0, nulls: r.s.opts.FlbNull, left: maxOutput}
	n, array := w.arrayLen(t)
	if !array {
		return r.body(&w, t)
	}
	if n > 1 {
		w.left = maxSplit
	}
	if n > maxRecords {
		return fmt.Errorf("it returned %d records; want at most %d", n, maxRecords)
	}
	for i := range n {
		e := t.Get(vm.Number(float64(i + 1))).Table()
		if e == nil {
			return errNoRecord
		}
		if _, array := w.arrayLen(e); array {
			return errNoRecord
		}
		if err := r.body(&w, e); err != nil {
			return err
		}
	}
	return nil
}

func (r *results) body(w *writer, t *vm.Table) error {
	dst, err := w.table(r.out.Take(), t, 1)
	if err != nil {
		return err
	}
	if _, err := record.Check(dst); err != nil {
		return errTooDeep // copied values may be nested deeper in their new place
	}
	w.left -= len(dst)
	if dst = r.out.Keep(dst); r.first == nil {
		r.first = dst
	} else {
		r.more = append(r.more, dst)
	}
	return nil
}
