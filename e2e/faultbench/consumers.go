package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firelane/firelane/e2e/servers"
)

// The consumers' table: a topic of a real broker becomes documents, through one router, two and three. The load grows with them, so
// that each has the same to do.
const (
	consumerParts  = 12 // partitions: as many for each router, whether there are one, two or three
	maxConsumers   = 3
	consumerSize   = 250 // bytes of a message
	stableTime     = time.Minute
	consumerTime   = 10 * time.Minute // for all records of a row
	consumerSettle = 2 * time.Second  // after the last record, for one that comes twice
	// consumerSpread is how much more CPU time a record may cost with several consumers than with one: they share the caches of the
	// machine's cores with each other, the broker and the load.
	consumerSpread = 1.25
	// consumerRate is what each consumer gets a second in the rows in which the load isn't as fast as possible: what is left of the
	// machine is enough for three. They must keep up with consumerKept of it.
	consumerRate = 20_000
	consumerKept = 0.9
)

// A consumerRow is a run with some consumers.
type consumerRow struct {
	consumers, sent  int
	rate             int // of the load; 0: full speed
	lost, duplicates int
	took             time.Duration
	each             []consumerShare
}

// A consumerShare is what one consumer has done.
type consumerShare struct {
	delivered   int
	before, cpu time.Duration // CPU time until the group was complete, and since then
}

// end stops the consumer, and notes what it has done.
func (s *consumerShare) end(p *process, log string) error {
	used, err := cpuOf(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	s.cpu = used - s.before
	if _, err := p.stop(syscall.SIGTERM); err != nil {
		return err
	}
	s.delivered, err = deliveredBy(log)
	return err
}

// cost is the CPU time of a record in µs.
func (r *consumerRow) cost() float64 {
	cpu, n := time.Duration(0), 0
	for _, s := range r.each {
		cpu, n = cpu+s.cpu, n+s.delivered
	}
	return float64(cpu.Microseconds()) / float64(max(n, 1))
}

// consumerTable runs one, two and three consumers in turn, at full speed and at a rate, and prints a row for each.
func (f *flags) consumerTable(ctx context.Context, root string, rt router, records int) error {
	if !servers.KafkaInstalled() {
		return fmt.Errorf("%s is not installed; run e2e/setup", servers.KafkaName)
	}
	fmt.Println("| consumers | load | records | lost | duplicated | records/s together | records/s each | records per CPU second, each consumer |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	costs := make([][]float64, maxConsumers+1)
	broken := 0
	for n := range f.runs {
		for consumers := 1; consumers <= maxConsumers; consumers++ {
			for _, rate := range []int{0, consumerRate * consumers} {
				row, err := f.consume(ctx, filepath.Join(root, fmt.Sprintf("consumers-%d-%d-%d", consumers, rate, n)), rt, consumers, records*consumers, rate)
				if err != nil {
					return err
				}
				if rate == 0 {
					costs[consumers] = append(costs[consumers], row.cost())
				}
				row.print()
				broken += len(row.check(f.short))
			}
		}
	}
	one := slices.Min(costs[1]) // the least: what else runs on the machine only adds to it
	for consumers := 2; consumers <= maxConsumers; consumers++ {
		if many := slices.Min(costs[consumers]); !f.short && many > one*consumerSpread {
			fmt.Printf("  BROKEN: a record costs %.2f µs of CPU with %d consumers, %.2f µs with one\n", many, consumers, one)
			broken++
		}
	}
	if broken > 0 {
		return fmt.Errorf("firelane broke %d promises", broken)
	}
	return nil
}

// check returns the promises that a row breaks. A short one is not checked for how fast it was.
func (r *consumerRow) check(short bool) (problems []string) {
	if r.lost != 0 || r.duplicates != 0 {
		problems = append(problems, fmt.Sprintf("%d records lost and %d duplicated, by %d consumers", r.lost, r.duplicates, r.consumers))
	}
	if rate := float64(r.sent) / r.took.Seconds(); !short && r.rate > 0 && rate < consumerKept*float64(r.rate) {
		problems = append(problems, fmt.Sprintf("%.0f records/s, of %d that were produced", rate, r.rate))
	}
	for _, text := range problems {
		fmt.Printf("  BROKEN: %s\n", text)
	}
	return problems
}

func (r *consumerRow) print() {
	rate := float64(r.sent) / r.took.Seconds()
	text := ""
	for _, s := range r.each {
		text += fmt.Sprintf(" %.0f", float64(s.delivered)/max(s.cpu.Seconds(), 1e-3))
	}
	load := "full speed"
	if r.rate > 0 {
		load = fmt.Sprintf("%d/s", r.rate)
	}
	fmt.Printf("| %d | %s | %d | %d | %d | %.0f | %.0f |%s |\n", r.consumers, load, r.sent, r.lost, r.duplicates, rate, rate/float64(r.consumers), text)
}

// consume runs a row.
func (f *flags) consume(ctx context.Context, dir string, rt router, consumers, records, rate int) (*consumerRow, error) {
	ctx, cancel := context.WithTimeout(ctx, consumerTime)
	defer cancel()
	d, err := newDestination(records, faults{})
	if err != nil {
		return nil, err
	}
	defer d.close()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	broker, topic, err := f.cluster.start()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if err := makeTopic(ctx, client, topic, consumerParts); err != nil {
		return nil, err
	}
	group := make([]*process, consumers)
	for i := range group {
		if group[i], err = startConsumer(ctx, rt, filepath.Join(dir, fmt.Sprint(i)), broker.Addr(), topic, d.port()); err != nil {
			return nil, err
		}
		defer group[i].stop(syscall.SIGKILL) // nothing, unless the row has failed
	}
	if err := awaitGroup(ctx, client, topic, consumers); err != nil {
		return nil, err
	}
	row := &consumerRow{consumers: consumers, sent: records, rate: rate, each: make([]consumerShare, consumers)}
	for i, p := range group {
		if row.each[i].before, err = cpuOf(p.cmd.Process.Pid); err != nil {
			return nil, err
		}
	}
	begin := time.Now()
	if err := produceAll(ctx, client, records, rate); err != nil {
		return nil, err
	}
	for ctx.Err() == nil && d.distinct() < records {
		sleep(ctx, stallLook)
	}
	row.took = d.last().Sub(begin)
	sleep(ctx, consumerSettle)
	for i, p := range group {
		if err := row.each[i].end(p, filepath.Join(dir, fmt.Sprint(i), "log")); err != nil {
			return nil, err
		}
	}
	o := d.result(records, 0)
	row.lost, row.duplicates = o.lost, o.duplicates
	return row, ctx.Err()
}

// startConsumer starts a router that consumes a topic, as a member of a group of that name.
func startConsumer(ctx context.Context, rt router, dir, broker, topic string, port int) (*process, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	socket, file := filepath.Join(dir, "in.sock"), filepath.Join(dir, "firelane.conf")
	text := fmt.Sprintf(`[SERVICE]
    storage.path %[1]s/queue
    Grace 25
[INPUT]
    Name forward
    unix_path %[2]s
[INPUT]
    Name kafka
    Tag web
    brokers %[3]s
    topics %[4]s
    group_id %[4]s
    rdkafka.auto.offset.reset earliest
[OUTPUT]
    Name opensearch
    Match web
    Host 127.0.0.1
    Port %[5]d
    Logstash_Format On
    Logstash_Prefix web
`, dir, socket, broker, topic, port)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return start(ctx, command(rt, file, nil, ""), socket, filepath.Join(dir, "log"))
}

// awaitGroup waits until the group has so many members, each with as many partitions as the others.
func awaitGroup(ctx context.Context, client *kgo.Client, group string, members int) error {
	ctx, cancel := context.WithTimeout(ctx, stableTime)
	defer cancel()
	last := "nothing"
	for ctx.Err() == nil {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups = []string{group}
		resp, err := req.RequestWith(ctx, client)
		if err == nil && len(resp.Groups) == 1 {
			g := &resp.Groups[0]
			last = fmt.Sprintf("%d members, %s", len(g.Members), g.State)
			if g.State == "Stable" && len(g.Members) == members && evenly(g.Members) {
				return nil
			}
		}
		sleep(ctx, 10*stallLook)
	}
	return fmt.Errorf("the group %s: want %d members with the same number of partitions, got %s", group, members, last)
}

// evenly reports whether all members have the same number of partitions.
func evenly(members []kmsg.DescribeGroupsResponseGroupMember) bool {
	for _, m := range members {
		var has kmsg.ConsumerMemberAssignment
		if has.ReadFrom(m.MemberAssignment) != nil {
			return false
		}
		n := 0
		for _, t := range has.Topics {
			n += len(t.Partitions)
		}
		if n != consumerParts/len(members) {
			return false
		}
	}
	return true
}

// produceAll produces numbered records to all partitions in turn, so many a second; 0: as fast as it can.
func produceAll(ctx context.Context, client *kgo.Client, records, rate int) error {
	shape, begin := filler(consumerSize), time.Now()
	failed := make(chan error, 1)
	for n := range records {
		if rate > 0 && n%100 == 0 {
			sleep(ctx, time.Until(begin.Add(time.Duration(n)*time.Second/time.Duration(rate))))
		}
		value := append(slices.Clip(appendPadded([]byte("n="), int64(n))), " t="...)
		value = append(appendPadded(value, time.Now().UnixMicro()), ' ')
		value = append(value, shape[len(value):]...)
		client.Produce(ctx, &kgo.Record{Partition: int32(n % consumerParts), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	err := client.Flush(ctx)
	select {
	case first := <-failed:
		return fmt.Errorf("producing: %w", first)
	default:
		return err
	}
}

// deliveredBy returns how many records a router has delivered, by its log.
func deliveredBy(file string) (int, error) {
	logs, err := readLogs(file)
	if err != nil {
		return 0, err
	}
	if len(logs) != 1 || len(logs[0].outputs) != 1 {
		return 0, errors.New("a consumer's log has no accounts")
	}
	return logs[0].outputs[0].Delivered, nil
}
