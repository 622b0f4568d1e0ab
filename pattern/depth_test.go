package pattern

import (
	"bytes"
	"runtime"
	"testing"
)

// apachePath is how Fluentd's pattern apache2 reads a path.
const apachePath = `"(?<method>\S+)(?: +(?<path>(?:[^\"]|\\.)*?)(?: +\S*)?)?" (?<code>[^ ]*)`

func TestALongTextTakesLittleOfTheStack(t *testing.T) {
	path := bytes.Repeat([]byte("x"), 1<<20)
	open := append([]byte(`"GET `), path...)
	closed := append(bytes.Clone(open), `" 200`...)
	c, err := CompileCapture(apachePath, Flags{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(apachePath, Flags{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := stackInUse()
	after := make(chan uint64)
	go func() {
		if _, ok := c.Groups(nil, open); ok {
			t.Error("a path without its quote matches")
		}
		if p.Match(open) {
			t.Error("a path without its quote matches")
		}
		groups, ok := c.Groups(nil, closed)
		if !ok || len(groups) != 3 || !bytes.Equal(groups[1].Text, path) || string(groups[2].Text) != "200" {
			t.Errorf("a long path is not read: %d groups", len(groups))
		}
		after <- stackInUse()
	}()
	if used := <-after - before; int64(used) > 8<<20 {
		t.Errorf("matching took %d MiB of stack; want at most 8", used>>20)
	}
}

func stackInUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.StackInuse
}
