package enrich

import (
	"runtime"
	"strconv"
	"testing"

	"github.com/firelane/firelane/record"
)

// manyMembers are n members with the names 0, 1 and so on, in an order that isn't sorted.
func manyMembers(n int) (b []byte) {
	for i := range n {
		b = record.AppendInt(record.AppendStr(b, strconv.Itoa(i*7919%n)), 1)
	}
	return b
}

func TestManyNamesAreFoundInLittleMemory(t *testing.T) {
	const n, limit = 65_535, 300 << 10
	names := NamesOf(manyMembers(n), n)
	name := make([]byte, 0, 8)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	found := 0
	for i := range n + 100 {
		if name = strconv.AppendInt(name[:0], int64(i), 10); names.Has(name) {
			found++
		}
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; found != n || took > limit {
		t.Errorf("got %d of %d names, in %d bytes; want all, in %d", found, n, took, limit)
	}
}
