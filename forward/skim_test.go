package forward

import (
	"bytes"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
)

// byteByByte serves stream in pieces of one byte and returns how much CPU time that took.
func byteByByte(d config.Dialect, handle func(*conn) error, stream []byte) (*counter, time.Duration) {
	s := newServer(noListener{&net.TCPAddr{}}, nil, input.Env{Log: zerolog.Nop()})
	s.rules, s.handle = defaults(d).rules(d), handle
	s.rules.separator = []byte("\n")
	k := new(counter)
	c := newConn(s, &endless{stream: stream, left: len(stream), size: 1}, func() input.Receiver { return k })
	s.conns[c] = struct{}{}
	s.idle = make(chan struct{})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begun := threadTime()
	c.serve()
	return k, threadTime() - begun
}

// threadTime returns the CPU time of the thread. How busy the machine is doesn't change it.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// TestWorkPerByteIsConstant: eight times the bytes are eight times the work, however small the pieces are that a value
// comes in. Work that is done again for each piece would be 64 times as much.
func TestWorkPerByteIsConstant(t *testing.T) {
	pack32 := func(n int) []byte {
		return join([]byte{0x81, 0xa1, 'a', 0xdd, 0, byte(n >> 16), byte(n >> 8), byte(n)}, make([]byte, n))
	}
	list := func(n int) string { return strings.Repeat("0,", n/2) + "0" }
	for name, c := range map[string]struct {
		d      config.Dialect
		handle func(*conn) error
		stream func(n int) []byte
		events int
	}{
		"message": {config.FluentBit, (*conn).forward, func(n int) []byte { return join([]byte("\x93\xa1t\x01"), pack32(n)) }, 1},
		"nested": {config.FluentBit, (*conn).forward, func(n int) []byte {
			return join([]byte("\x93\xa1t\x01\x81\xa1a"), bytes.Repeat([]byte{0x91}, n), []byte{0})
		}, 0},
		"option":          {config.FluentBit, (*conn).forward, func(n int) []byte { return join([]byte("\x94\xa1t\x01\x80"), pack32(n)) }, 1},
		"entries":         {config.FluentBit, (*conn).forward, func(n int) []byte { return join([]byte("\x92\xa1t\x91\x92\x01"), pack32(n)) }, 1},
		"payload":         {config.FluentBit, (*conn).forward, func(n int) []byte { return pack(arr{"t", join([]byte("\x92\x01"), pack32(n))}) }, 1},
		"entries' option": {config.FluentBit, (*conn).forward, func(n int) []byte { return join([]byte("\x93\xa1t\x91\x92\x01\x80"), pack32(n)) }, 1},
		"no message":      {config.Fluentd, (*conn).forward, func(n int) []byte { return join(pack32(n), pack(arr{"t", 1, obj{}})) }, 1},
		"JSON":            {config.FluentBit, (*conn).forward, func(n int) []byte { return []byte(`["t",1,{"a":[` + list(n) + `]}]`) }, 1},
		"JSON line":       {config.FluentBit, (*conn).jsonLines, func(n int) []byte { return []byte(`{"a":[` + list(n) + "]}\n") }, 1},
		"no JSON":         {config.FluentBit, (*conn).jsonLines, func(n int) []byte { return []byte(strings.Repeat("]{", n/2) + "\n{}") }, 1},
		"JSON on lines":   {config.FluentBit, (*conn).jsonLines, func(n int) []byte { return []byte("{\"a\":[\n" + strings.Repeat("0,\n", n/3) + "0]}\n") }, 1},
		"[ on each line":  {config.FluentBit, (*conn).jsonLines, func(n int) []byte { return []byte(strings.Repeat("[\n", n/2) + "x\n{}") }, 1},
		"wide [":          {config.FluentBit, (*conn).jsonLines, func(n int) []byte { return []byte(strings.Repeat("["+strings.Repeat(" ", n/90)+"\n", 90) + "x\n{}") }, 1},
		"open text":       {config.FluentBit, (*conn).jsonLines, func(n int) []byte { return []byte("{\"a\":\"" + strings.Repeat("[\n", n/2) + "\" x\n{}") }, 1},
		"line":            {config.FluentBit, (*conn).rawLines, func(n int) []byte { return []byte(strings.Repeat("x", n) + "\n") }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var ratios []float64
			for range 9 { // what the runtime does meanwhile, such as collecting garbage, counts as well
				few, short := byteByByte(c.d, c.handle, c.stream(16<<10))
				many, long := byteByByte(c.d, c.handle, c.stream(128<<10))
				if few.events != c.events || many.events != c.events {
					t.Fatalf("got %d and %d events, want %d", few.events, many.events, c.events)
				}
				if ratios = append(ratios, float64(long)/float64(short)); slices.Min(ratios) < 24 {
					return
				}
			}
			t.Errorf("got %.0f times the work for 8 times the bytes, want 8", ratios)
		})
	}
}
