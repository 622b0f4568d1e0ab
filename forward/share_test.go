package forward

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
)

// manyValues is a message whose length nobody knows before its end.
func manyValues(n int) []byte {
	list := arr{}
	for range n / 1000 {
		list = append(list, bytes.Repeat([]byte("x"), 997))
	}
	return pack(arr{"app", 1, obj{"a": list}})
}

// shared serves a connection of a server of its own, which shares memory with others.
func shared(memory *input.Memory, log *lines, k *sink) net.Conn {
	env := testEnv(log)
	env.Memory = memory
	s := newServer(noListener{&net.TCPAddr{}}, nil, env)
	s.rules, s.handle = defaults(config.Fluentd).rules(config.Fluentd), (*conn).forward
	client, server := net.Pipe()
	go serveOne(s, server, k)
	return client
}

// TestLargeEventsAtOnceAllArrive: none waits for memory that another one has, which waits as well.
func TestLargeEventsAtOnceAllArrive(t *testing.T) {
	text := pack(arr{"app", 1, obj{"log": strings.Repeat("x", 5<<20)}})
	for name, m := range map[string][]byte{
		"known length":   text,
		"unknown length": manyValues(5 << 20),
		"compressed":     pack(arr{"app", gz(pack(arr{1, obj{"log": strings.Repeat("x", 5<<20)}}))}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, k, memory := new(lines), new(sink), input.NewMemory(budget.New(budget.Default))
				begun := time.Now()
				ended := make(chan time.Duration, 4)
				for range cap(ended) {
					go func() {
						c := shared(memory, log, k)
						for rest := m; len(rest) > 0; {
							n, err := c.Write(rest[:min(len(rest), 1<<20)])
							if err != nil {
								break
							}
							rest = rest[n:]
							time.Sleep(time.Millisecond)
						}
						c.Close()
						ended <- time.Since(begun)
					}()
				}
				var took time.Duration
				for range cap(ended) {
					took = max(took, <-ended)
				}
				synctest.Wait()
				if len(k.events) != 4 || took > time.Second {
					t.Errorf("%d events after %v, log %s", len(k.events), took, log)
				}
			})
		})
	}
}

// TestSlowLargeEventsKeepNobodyOut: those who are slow to send theirs give way.
func TestSlowLargeEventsKeepNobodyOut(t *testing.T) {
	slow := pack(arr{"app", 1, obj{"log": strings.Repeat("x", 5<<20)}})
	for _, begin := range []int{40 << 10, 3 << 20} {
		synctest.Test(t, func(t *testing.T) {
			log, k, memory := new(lines), new(sink), input.NewMemory(budget.New(budget.Default))
			for range 8 {
				c := shared(memory, log, new(sink))
				go func() {
					c.Write(slow[:begin])
					for _, b := range slow[begin:] {
						time.Sleep(20 * time.Second)
						if _, err := c.Write([]byte{b}); err != nil {
							break
						}
					}
					c.Close()
				}()
			}
			time.Sleep(10 * time.Millisecond)
			begun := time.Now()
			for _, size := range []int{100 << 10, 5 << 20} {
				c := shared(memory, log, k)
				c.Write(pack(arr{"app", 1, obj{"log": strings.Repeat("x", size)}}))
				c.Close()
				synctest.Wait()
			}
			if took := time.Since(begun); len(k.events) != 2 || took > 28*time.Second {
				t.Errorf("%d events after %v, log %s", len(k.events), took, log)
			}
			time.Sleep(time.Hour)
		})
	}
}
