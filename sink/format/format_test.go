package format

import "testing"

func TestCSVIsQuotedInPlace(t *testing.T) {
	for _, c := range [][2]string{{"", `""`}, {"a", `"a"`}, {`"`, `""""`}, {`a"b""c`, `"a""b""""c"`}} {
		if got := quoteCSV(append([]byte("x,"), c[0]...), 2); string(got) != "x,"+c[1] {
			t.Errorf("%q: got %q, want %q after the comma", c[0], got, c[1])
		}
	}
}
