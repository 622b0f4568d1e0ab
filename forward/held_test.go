package forward

import (
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/config"
)

const ackOfID = "\x81\xa3ack\xa2id"

// withHeld serves stream while a step holds events for so many flushes, on a clock of its own. The client then waits for
// the server to hang up, or hangs up after a minute and a half.
func withHeld(t *testing.T, held int, stream ...[]byte) (k *sink, answer, log string, took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		out := new(lines)
		k = &sink{held: held}
		s := newServer(noListener{&net.TCPAddr{}}, nil, testEnv(out))
		s.rules, s.handle = defaults(config.FluentBit).rules(config.FluentBit), (*conn).forward
		client, server := net.Pipe()
		begun := time.Now()
		go serveOne(s, server, k)
		go func() {
			for _, b := range stream {
				client.Write(b)
				synctest.Wait()
			}
		}()
		client.SetReadDeadline(begun.Add(90 * time.Second))
		b := make([]byte, 100)
		for {
			n, err := client.Read(b)
			if n > 0 || err == io.EOF {
				took = time.Since(begun)
			}
			answer += string(b[:n])
			if err != nil {
				break
			}
		}
		client.Close()
		synctest.Wait()
		log = out.String()
	})
	return k, answer, log, took
}

func TestAckWaitsUntilNoStepHoldsEvents(t *testing.T) {
	for name, m := range map[string][]byte{
		"message": pack(arr{"app", 1, obj{}, obj{"chunk": "id"}}),
		"entries": pack(arr{"app", arr{arr{1, obj{}}}, obj{"chunk": "id"}}),
	} {
		k, answer, log, took := withHeld(t, 3, m)
		if answer != ackOfID || took != 3*heldRetry || len(k.events) != 1 || log != "" {
			t.Errorf("%s: got answer %q after %v, events %q and log %s, want the ack after %v", name, answer, took, k.events, log, 3*heldRetry)
		}
	}
}

// TestAckWaitsForEventsOfEarlierFlushes: a message without events of its own is no reason to forget those before it.
func TestAckWaitsForEventsOfEarlierFlushes(t *testing.T) {
	k, answer, log, took := withHeld(t, 3, pack(arr{"app", 1, obj{}}), pack(arr{"app", arr{}, obj{"chunk": "id"}}))
	if answer != ackOfID || took != 2*heldRetry || len(k.events) != 1 || log != "" {
		t.Errorf("got answer %q after %v, events %q and log %s, want the ack after %v", answer, took, k.events, log, 2*heldRetry)
	}
}

func TestHeldEventsWithoutAckDelayNothing(t *testing.T) {
	m := pack(arr{"app", 1, obj{}})
	k, answer, log, _ := withHeld(t, 1000, m, m, pack(arr{"app", arr{arr{1, obj{}}}}))
	if k.flushes != 3 || answer != "" || log != "" { // one for each message
		t.Errorf("got %d flushes, answer %q and log %s, want 3 flushes and nothing else", k.flushes, answer, log)
	}
}

func TestEventsHeldTooLongAreNotAcknowledged(t *testing.T) {
	k, answer, log, took := withHeld(t, 1<<30, pack(arr{"app", 1, obj{}, obj{"chunk": "id"}}))
	if answer != "" || took != heldTime || !slices.Equal(k.rejects, []string{"1 held too long"}) {
		t.Errorf("got answer %q after %v and rejects %q, want no ack after %v and one reject", answer, took, k.rejects, heldTime)
	}
	if !strings.Contains(log, "a step held events of a message for 1m0s; no ack is sent: connection closed") {
		t.Errorf("got log %s, want why there is no ack", log)
	}
}

// TestHeldEventsDelayNeitherOthersNorTheEnd: one connection that waits is one connection that waits.
func TestHeldEventsDelayNeitherOthersNorTheEnd(t *testing.T) {
	log := new(lines)
	s, err := listen(defaults(config.FluentBit), config.FluentBit, testEnv(log))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, s, log, &sink{held: 1 << 30})
	waiting := r.dial(t)
	waiting.Write(pack(arr{"app", 1, obj{}, obj{"chunk": "id"}}))
	eventually(t, "a flush", func() bool { return r.sink.flushed() > 0 })
	before := r.sink.flushed()
	r.send(t, pack(arr{"app", 2, obj{}}))
	if r.sink.flushed() == before {
		t.Error("got the other connection not flushed, want it flushed")
	}
	r.Close()
	if err := r.end(); err != nil {
		t.Error(err)
	}
	if answer, _ := io.ReadAll(waiting); len(answer) > 0 {
		t.Errorf("got answer %q, want none", answer)
	}
}
