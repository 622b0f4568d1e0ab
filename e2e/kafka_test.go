package e2e

import (
	"fmt"
	"os"
	"path/filepath"
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
		n, ok := numberOf(string(value))
		switch {
		case !ok || n >= total:
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

// kill kills firelane with kill -9.
func (p *program) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// consumerConfig is a configuration that consumes the topic lines into a search server.
func consumerConfig(dir string, k *servers.Kafka, search *servers.Search, more string) string {
	return fmt.Sprintf(`[SERVICE]
    storage.path %[1]s/queue
[INPUT]
    Name forward
    unix_path %[1]s/in.sock
[INPUT]
    Name kafka
    Tag web
    brokers %[2]s
    topics lines
    group_id indexers
    poll_ms 100
    rdkafka.auto.offset.reset earliest
    rdkafka.session.timeout.ms 6000
    rdkafka.heartbeat.interval.ms 1000
%[4]s
[OUTPUT]
    Name opensearch
    Match web
    Host 127.0.0.1
    Port %[3]d
    Logstash_Format On
    Logstash_Prefix web
    Suppress_Type_Name On
`, dir, k.Addr(), search.Port, more)
}

// Three consumers take a topic into OpenSearch while one is stopped, two are killed with kill -9 and started again, and one comes
// in addition: each record is one document. Ids are made of a record's place in Kafka; or, where the router that produces is
// killed, too, and has produced some records twice, of the ids that it has given them.
func TestATopicBecomesOneDocumentForEachRecordWhateverHappensToItsConsumers(t *testing.T) {
	for name, byHeader := range map[string]bool{"ids by offset": false, "ids by header": true} {
		t.Run(name, func(t *testing.T) {
			const total = 30_000
			search, k := useSearch(t, servers.OpenSearch2()), useKafka(t)
			if err := k.CreateTopic("lines", 6); err != nil {
				t.Fatal(err)
			}
			more := "    id_header false\n"
			if byHeader {
				more = ""
			}
			consumer := func(dir string) *program {
				return startProgram(t, dir, consumerConfig(dir, k, search, more), "")
			}
			dir := t.TempDir()
			output := fmt.Sprintf("    Name kafka\n    Match *\n    brokers %s\n    topics lines\n", k.Addr())
			producer := startProgram(t, dir, kafkaConfig(dir, output), "")
			dirs := []string{t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()}
			a, b, c := consumer(dirs[0]), consumer(dirs[1]), consumer(dirs[2])
			begun := time.Now()
			send := func(part int) {
				for n := range 10 { // not all at once: consumers are at work while they are killed
					first := (part*10 + n) * total / 60
					if err := producer.send(first, first+total/60, 200, nil); err != nil {
						t.Fatal(err)
					}
					time.Sleep(100 * time.Millisecond)
				}
			}
			send(0)
			a.kill()
			send(1)
			b.stop(t)
			if byHeader { // its queue is full of what it is sending
				if err := producer.send(2*total/6, 3*total/6, 200, nil); err != nil {
					t.Fatal(err)
				}
				producer.kill()
				producer = startProgram(t, dir, kafkaConfig(dir, output), "")
			} else {
				send(2)
			}
			a = consumer(dirs[0])
			d := consumer(dirs[3])
			send(3)
			c.kill()
			c = consumer(dirs[2])
			send(4)
			b = consumer(dirs[1])
			send(5)
			producer.stop(t)
			eventually(t, 2*time.Minute, func() (ok bool, what string) {
				n, err := search.Count("web-*")
				return err == nil && n >= total, fmt.Sprintf("%d documents of %d, %v", n, total, err)
			})
			for _, p := range []*program{a, b, c, d} {
				p.stop(t)
			}
			t.Logf("%d records in %v", total, time.Since(begun).Round(time.Second))
			docs, err := search.Documents("web-*")
			if err != nil {
				t.Fatal(err)
			}
			seen := make([]int, total)
			for _, doc := range docs {
				if n, ok := numberOf(string(doc.Source)); ok && n < total {
					seen[n]++
				} else {
					t.Errorf("got the document %.200s", doc.Source)
				}
			}
			missing, twice := 0, 0
			for _, n := range seen {
				switch {
				case n == 0:
					missing++
				case n > 1:
					twice++
				}
			}
			if missing > 0 || twice > 0 {
				t.Errorf("got %d documents for %d records: %d are missing, and %d are there more than once", len(docs), total, missing, twice)
			}
			messages, err := k.Messages("lines")
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d messages in the topic", messages)
		})
	}
}
