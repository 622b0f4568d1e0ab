package parse

import (
	"strings"
	"testing"

	"github.com/firelane/firelane/record"
)

func TestAnArrayOfSeparatorsTakesNoMoreThanItsItems(t *testing.T) {
	value := record.AppendStr(nil, strings.Repeat(",", 1<<20))
	dst := make([]byte, 0, 2<<20)
	if n := testing.AllocsPerRun(3, func() { toArray(",")(dst, value) }); n > 3 {
		t.Errorf("got %v allocations, want none for the parts", n)
	}
}
