package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestTmp(t *testing.T) {
	files, _ := filepath.Glob("/tmp/systemd/j/*.journal")
	for _, path := range files {
		out, err := exec.Command("journalctl", "--file", path, "-o", "json", "--all").Output()
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(strings.NewReader(string(out)))
		r, _ := os.Open(path)
		f, err := Open(r, new(Decoder))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; ; n++ {
			e, err := f.Peek()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]any{}
			if err := dec.Decode(&want); err != nil {
				t.Fatal(err)
			}
			got := map[string]any{"__REALTIME_TIMESTAMP": fmt.Sprint(e.Realtime), "__MONOTONIC_TIMESTAMP": fmt.Sprint(e.Monotonic)}
			for _, at := range e.Data {
				k, v, err := f.Field(at)
				if err != nil {
					t.Fatal(err)
				}
				got[string(k)] = string(v)
			}
			for k, v := range want {
				if s, ok := v.(string); ok && k != "__CURSOR" && got[k] != s {
					t.Errorf("%s: got %v, want %v", k, got[k], v)
				}
			}
			f.Skip()
		}
		t.Log(path, n)
	}
}
