package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/servers"
)

// useKafka is a broker with no topics.
func useKafka(t *testing.T) *servers.Kafka {
	t.Helper()
	dir := filepath.Join(world.dir, fmt.Sprintf("kafka%d", time.Now().UnixNano()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	k, err := servers.StartKafka(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		k.Kill()
		os.RemoveAll(dir)
	})
	return k
}

// restartKafka kills a broker, and starts it again with its data and at its port.
func restartKafka(t *testing.T, k *servers.Kafka) {
	t.Helper()
	k.Kill()
	again, err := servers.StartKafka(filepath.Dir(k.LogFile()), k.Port)
	if err != nil {
		t.Fatal(err)
	}
	*k = *again
}

// numberOf is the number of a record that program.send has sent, of any text that it is in; -1 if there is none.
func numberOf(text []byte) int {
	_, rest, _ := bytes.Cut(text, []byte("n="))
	digits, _, _ := bytes.Cut(rest, []byte("."))
	n, err := strconv.Atoi(string(digits))
	if err != nil {
		return -1
	}
	return n
}

// A broker that is killed with kill -9 under load, and is started again, has each record once: read back by Kafka's own
// console consumer.
func TestABrokerThatIsKilledUnderLoadHasEachRecordOnce(t *testing.T) {
	const total, kills = 150_000, 2
	k := useKafka(t)
	dir := t.TempDir()
	output := fmt.Sprintf("    Name kafka\n    Match *\n    brokers %s\n    topics lines\n    rdkafka.compression.codec lz4\n", k.Addr())
	p := startProgram(t, dir, kafkaConfig(dir, output), "")
	var sent atomic.Int64
	ended := make(chan error, 1)
	begun := time.Now()
	go func() { ended <- p.send(0, total, 200, func(n int) { sent.Store(int64(n)) }) }()
	for i := range kills {
		part := int64(total * (i + 1) / (kills + 2))
		eventually(t, 2*time.Minute, func() (bool, string) { return sent.Load() > part, fmt.Sprintf("%d records sent", sent.Load()) })
		restartKafka(t, k)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	p.stop(t)
	t.Logf("%d records in %v, %d restarts", total, time.Since(begun).Round(time.Second), kills)
	seen := make([]bool, total)
	got, twice := 0, 0
	err := k.Read("lines", func(value []byte) {
		n := numberOf(value)
		switch {
		case n < 0 || n >= total:
			t.Errorf("got the message %.100s", value)
		case seen[n]:
			twice++
		default:
			seen[n] = true
			got++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got != total || twice != 0 {
		t.Errorf("got %d records of %d, and %d twice", got, total, twice)
	}
}

// kafkaConfig is a configuration with an input at dir/in.sock, and an output.
func kafkaConfig(dir, output string) string {
	return fmt.Sprintf("[SERVICE]\n    storage.path %[1]s/queue\n    grace 60\n[INPUT]\n    Name forward\n    unix_path %[1]s/in.sock\n[OUTPUT]\n%[2]s", dir, output)
}
