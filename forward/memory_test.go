package forward

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
)

// TestSilentConnectionsHoldNoReadBuffer: on the kind of connection that Docker makes.
func TestSilentConnectionsHoldNoReadBuffer(t *testing.T) {
	o := defaults(config.FluentBit)
	o.UnixPath = t.TempDir() + "/f.sock"
	s, err := listen(o, config.FluentBit, testEnv(new(lines)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	k := new(counter)
	ended := make(chan error)
	go func() { ended <- s.Run(ctx, func() input.Receiver { return k }) }()
	c, err := net.Dial("unix", o.UnixPath)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	message := dockerMessage(1)
	for n := 1; n <= 300; n++ { // whole messages, and then a part of one
		c.Write(message)
	}
	c.Write(message[:40])
	for range 1000 {
		if time.Sleep(10 * time.Millisecond); s.reads.Load() > 0 && s.memory.Reading.Lent() == 0 {
			break
		}
	}
	if n := s.memory.Reading.Lent(); n > 0 {
		t.Errorf("got %d bytes of read buffers for a silent client, want none", n)
	}
	c.Write(message[40:])
	c.Close()
	s.WaitIdle(ctx)
	cancel()
	<-ended
	if k.events != 301 {
		t.Errorf("got %d events, want 301", k.events)
	}
}

// TestUnfinishedMessagesKeepNobodyOut: 300 clients send 31 KB of a record each and nothing more; another one goes on.
func TestUnfinishedMessagesKeepNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, k, b := new(lines), new(sink), budget.New(budget.Default)
		memory := input.NewMemory(b)
		honest := shared(memory, log, k)
		message := pack(arr{"app", 1, obj{"log": strings.Repeat("x", 20_000)}})
		honest.Write(message)
		long := pack(arr{"app", 1, obj{"log": strings.Repeat("x", 60_000)}})
		for range 300 {
			c := shared(memory, log, new(sink))
			go func() {
				c.Write(long[:31_000])
				c.Read(make([]byte, 1)) // until it is closed
				c.Close()
			}()
		}
		synctest.Wait()
		if n := memory.Reading.Lent(); n < 1<<20 || n > 3<<20 {
			t.Errorf("got %d bytes of read buffers, want some, and 3 MiB at most", n)
		}
		begun := time.Now()
		for range 100 {
			honest.Write(message)
		}
		synctest.Wait()
		if took := time.Since(begun); took > 0 || len(k.events) != 101 {
			t.Errorf("got %d events after %v, want 101 at once", len(k.events), took)
		}
		honest.Close()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if n, free := memory.Reading.Lent(), b.Free(); n != 0 || free != budget.Default-6<<20 {
			t.Errorf("got %d bytes held and %d free in the end, want all returned", n, free)
		}
	})
}

// TestUnfinishedPayloadsHoldNoDecompressor: nothing of a frame's window is allocated before its bytes are there, and then for
// one at a time.
func TestUnfinishedPayloadsHoldNoDecompressor(t *testing.T) {
	var random []byte
	for n := range 100_000 {
		random = fmt.Append(random, n*7919, " ")
	}
	payload := zst(pack(arr{1, obj{"log": random}}))
	message := pack(arr{"app", payload})
	for _, sent := range []int{516, 40_000} {
		synctest.Test(t, func(t *testing.T) {
			log, k, memory := new(lines), new(sink), input.NewMemory(budget.New(budget.Default))
			for range 50 {
				c := shared(memory, log, new(sink))
				go func() {
					c.Write(message[:sent])
					c.Read(make([]byte, 1))
					c.Close()
				}()
			}
			synctest.Wait()
			if n := memory.Zstd.Lent(); sent < unzipFrom && n > 0 || n > zstdCost {
				t.Errorf("got %d bytes for decompressors after %d of a payload, want %d at most", n, sent, zstdCost)
			}
			honest := shared(memory, log, k)
			honest.Write(pack(arr{"app", 1, obj{"log": "known"}}))
			begun := time.Now()
			go func() {
				honest.Write(message)
				honest.Close()
			}()
			time.Sleep(time.Second)
			synctest.Wait()
			if len(k.events) != 2 {
				t.Errorf("got %d events after %v, want 2: the slow ones give way; log %s", len(k.events), time.Since(begun), log)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if n := memory.Zstd.Lent() + memory.Reading.Lent(); n != 0 {
				t.Errorf("got %d bytes held in the end, want none", n)
			}
		})
	}
}

// TestUnreadAcksAreBounded: clients that never read their acks are closed after 10 s, and hold little until then.
func TestUnreadAcksAreBounded(t *testing.T) {
	message := pack(arr{"app", 1, obj{"log": "x"}, obj{"chunk": strings.Repeat("c", 4000)}})
	synctest.Test(t, func(t *testing.T) {
		log, b := new(lines), budget.New(budget.Default)
		memory := input.NewMemory(b)
		for range 200 {
			c := shared(memory, log, new(sink))
			go func() {
				c.Write(bytes.Repeat(message, 20))
				time.Sleep(time.Minute)
				c.Close()
			}()
		}
		time.Sleep(ackTime / 2)
		if held := budget.Default - 6<<20 - b.Free(); held > 0 || memory.Reading.Lent() > 3<<20 {
			t.Errorf("got %d bytes beyond what inputs have, want none", held)
		}
		if memory.TakeUnsent(1 << 20) {
			t.Error("got room for 1 MiB of acks, want those charged that nobody reads")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := memory.Reading.Lent(); n != 0 || !strings.Contains(log.String(), "did not read its acks") {
			t.Errorf("got %d bytes held after all, want none; log %s", n, log)
		}
	})
}
