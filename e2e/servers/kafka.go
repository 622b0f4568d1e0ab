package servers

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// KafkaName is Apache Kafka's folder in the cache.
const KafkaName = "kafka-4.3.1"

// Kafka is a running broker of a cluster of one, which is also its controller (KRaft). It makes missing topics, of three
// partitions.
type Kafka struct {
	*Process
	Port int
	dir  string
}

const (
	kafkaLimit = 2 * time.Minute // how long a broker's start may take; with one core to itself it takes 4 s, after kill -9 15 s
	readLimit  = 2 * time.Minute // for reading a topic
)

// KafkaInstalled reports whether Kafka is in the cache.
func KafkaInstalled() bool {
	_, err := os.Stat(filepath.Join(cache(), KafkaName))
	return err == nil
}

// StartKafka starts a broker with a heap of 256 MiB. Its data is in dir, and is reused if there is any. port 0 means a free one.
func StartKafka(dir string, port int) (*Kafka, error) {
	if !KafkaInstalled() {
		return nil, fmt.Errorf("%s is not installed: run e2e/setup", KafkaName)
	}
	k := &Kafka{Port: port, dir: dir}
	config := filepath.Join(dir, "kraft.properties")
	if port == 0 {
		if err := k.format(config); err != nil {
			return nil, err
		}
	}
	cmd := k.java("-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "kafka.Kafka", config)
	p, err := start(filepath.Join(dir, "kafka.log"), cmd)
	if err != nil {
		return nil, err
	}
	k.Process = p
	return k, p.ready(kafkaLimit, k.answers)
}

// format chooses the ports, and makes the folder of the data.
func (k *Kafka) format(config string) (err error) {
	if k.Port, err = FreePort(19100, 19199); err != nil {
		return err
	}
	controller, err := FreePort(k.Port+100, 19399)
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:%[2]d
listeners=PLAINTEXT://127.0.0.1:%[1]d,CONTROLLER://127.0.0.1:%[2]d
advertised.listeners=PLAINTEXT://127.0.0.1:%[1]d
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=%[3]s/data
offsets.topic.num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
num.partitions=3
`, k.Port, controller, k.dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	id, err := k.java("kafka.tools.StorageTool", "random-uuid").Output()
	if err != nil {
		return fmt.Errorf("kafka.tools.StorageTool random-uuid: %w", err)
	}
	out, err := k.java("kafka.tools.StorageTool", "format", "-t", strings.TrimSpace(string(id)), "-c", config).CombinedOutput()
	if err != nil {
		return fmt.Errorf("kafka.tools.StorageTool format: %w: %s", err, out)
	}
	return nil
}

// java is a command with Kafka's jars. Options of the virtual machine come before the class.
func (k *Kafka) java(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(cache(), "java17/bin/java"), append([]string{"-cp", filepath.Join(cache(), KafkaName, "*")}, args...)...)
	cmd.Dir = k.dir
	return cmd
}

// Addr is where clients connect.
func (k *Kafka) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(k.Port)) }

func (k *Kafka) answers() bool {
	c, err := net.DialTimeout("tcp", k.Addr(), time.Second)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// Stop ends the broker, and leaves its data in its folder.
func (k *Kafka) Stop() { k.Process.Stop(20 * time.Second) }

// CreateTopic makes a topic with that many partitions.
func (k *Kafka) CreateTopic(name string, partitions int) error {
	out, err := k.java("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", k.Addr(), "--create", "--topic", name,
		"--partitions", strconv.Itoa(partitions), "--replication-factor", "1").CombinedOutput()
	if err != nil {
		return fmt.Errorf("creating topic %s: %w: %s", name, err, out)
	}
	return nil
}

// Messages returns how many messages a topic has.
func (k *Kafka) Messages(topic string) (n int, err error) {
	out, err := k.java("org.apache.kafka.tools.GetOffsetShell", "--bootstrap-server", k.Addr(), "--topic", topic).Output()
	if err != nil {
		return 0, fmt.Errorf("counting the messages of topic %s: %w: %s", topic, err, out)
	}
	for line := range strings.Lines(string(out)) { // topic:partition:offset
		parts := strings.Split(strings.TrimSpace(line), ":")
		end, err := strconv.Atoi(parts[len(parts)-1])
		if err != nil {
			return 0, fmt.Errorf("counting the messages of topic %s: got %q", topic, line)
		}
		n += end
	}
	return n, nil
}

// Read reads all messages of a topic with Kafka's own console consumer, and calls each with every value. Newlines in values are
// not supported.
func (k *Kafka) Read(topic string, each func(value []byte)) error {
	n, err := k.Messages(topic)
	if err != nil || n == 0 {
		return err
	}
	cmd := k.java("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", k.Addr(), "--topic", topic,
		"--from-beginning", "--max-messages", strconv.Itoa(n), "--timeout-ms", strconv.FormatInt(readLimit.Milliseconds(), 10))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := time.AfterFunc(readLimit, func() { cmd.Process.Kill() })
	defer stop.Stop()
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		each(lines.Bytes())
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("reading topic %s: %w: %s", topic, err, errs.String())
	}
	return lines.Err()
}
