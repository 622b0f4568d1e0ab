package forward

import (
	"slices"
	"testing"

	"github.com/firelane/firelane/config"
)

// FuzzServer feeds any bytes, cut at any points: the events are the same whatever the cuts, and nothing panics.
func FuzzServer(f *testing.F) {
	entries, _ := two()
	for _, stream := range streams() {
		f.Add(stream[:min(len(stream), 3000)], uint16(7), false)
	}
	for _, seed := range [][]byte{
		pack(arr{"app", arr{arr{arr{1, obj{}}, obj{"a": arr{1, nil, 2.5}}}}, obj{"chunk": "id"}}),
		pack(arr{"app", strHeader(32, entries), obj{"compressed": "text", "size": 2}}),
		pack(arr{"app", join(gz(entries), gz(entries)), obj{"compressed": "gzip"}}),
		pack(arr{"app", zst(entries), obj{"compressed": "zstd"}}),
		[]byte(`["app",1,{"a":1}] ["app",[[1,{}]],{"chunk":"x"}]`),
		[]byte("\xc0\xc0\x93\xa3app\xce\xff\xff\xff\xff\x80\xdd\xff\xff\xff\xff"),
	} {
		f.Add(seed, uint16(1), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16, fluentd bool) {
		d := config.FluentBit
		if fluentd {
			d = config.Fluentd
		}
		o := defaults(d)
		o.DecompressLimit, o.BufferMaxSize = 1<<20, 1<<20
		whole := feed(d, o, b)
		var pieces [][]byte
		for rest, n := b, int(cut)%97+1; len(rest) > 0; n = (n*31+int(cut))%197 + 1 {
			n = min(n, len(rest))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		split := feed(d, o, pieces...)
		if !slices.Equal(whole.rejects, split.rejects) || string(whole.answer) != string(split.answer) || len(whole.events) != len(split.events) {
			t.Fatalf("got %q %q %x in pieces, want what it is as a whole: %q %q %x", split.events, split.rejects, split.answer, whole.events, whole.rejects, whole.answer)
		}
		for i := range whole.events {
			if whole.events[i] != split.events[i] && !isNow(whole.events[i]) {
				t.Fatalf("event %d: got %q in pieces, want %q as it is as a whole", i, split.events[i], whole.events[i])
			}
		}
	})
}

// isNow says that an event has the time of its arrival, roughly: no two runs agree on it.
func isNow(event string) bool {
	other := now()
	for i := range len(event) - 10 {
		if event[i] == ' ' && event[i+1:i+6] == itoa(other.Sec)[:5] {
			return true
		}
	}
	return false
}

func itoa(n uint32) string {
	var b [10]byte
	for i := 9; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return string(b[:])
}

// FuzzHandshake feeds any bytes to both sides of the handshake.
func FuzzHandshake(f *testing.F) {
	h := helo{nonce: []byte("n"), auth: []byte("a")}
	p := ping{hostname: []byte("h"), salt: []byte("s")}
	q := pong{ok: true, hostname: []byte("h")}
	for _, seed := range [][]byte{h.append(nil), p.append(nil), q.append(nil)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		new(helo).read(b)
		new(ping).read(b)
		new(pong).read(b)
		if got := feed(config.FluentBit, secureBit(), b); len(got.events) > 0 {
			t.Errorf("got %q taken without the key, want nothing", got.events)
		}
	})
}
