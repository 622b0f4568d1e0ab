package check

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// queueingRules are about retries, queues, the time that a stop takes and the answer to health checks: F409 to F413.
func queueingRules() []Rule {
	return []Rule{
		{"F409", "retry-limit", Note, "records that the destination refuses that often go to the dead letter", eachOutlet(retryLimit)},
		{"F410", "queue-full", Warning, "when the queue is full, the oldest records are dropped", eachOutlet(queueFull)},
		{"F411", "queue-volatile", Warning, "the queue is in memory or in a folder that a restart empties", queueVolatile},
		{"F412", "grace-too-long", Warning, "a stop may take longer than ECS waits before it kills the router", graceTooLong},
		{"F413", "health-of-outputs", Note, "health_check has no effect: the health page doesn't answer 500 for errors of outputs", healthOfOutputs},
	}
}

func (o *outlet) options() *sink.OutputOptions {
	if with, ok := o.Options.(sink.OutputOptioner); ok {
		return with.Output()
	}
	return nil
}

func retryLimit(o *outlet) {
	opts := o.options()
	if opts == nil || opts.Retry().Limit == sink.Unlimited {
		return
	}
	g, ok := o.given("retry_limit", "buffer.retry_max_times")
	if !ok {
		return
	}
	times := fmt.Sprintf("%d times", opts.Retry().Limit+1)
	if opts.Retry().Limit == 0 {
		times = "once"
	}
	o.tell(o.found(Note, g.Pos, nil, "", "A record that the destination refuses %s goes to the dead letter: %s. Time-outs, throttling and a destination that is down don't count", times, o.deadLetter(opts)))
}

// deadLetter says where an output's dead letter is.
func (o *outlet) deadLetter(opts *sink.OutputOptions) string {
	q := o.queueOf(o.Output)
	dir := opts.DeadLetterPath
	if dir == "" && !q.inMemory() {
		dir = path.Join(q.dir, "dead")
	}
	switch {
	case opts.DeadLetter == "index":
		return "the index " + opts.DeadLetterIndex + " of the same cluster"
	case opts.DeadLetter == "log" || dir == "":
		return "the router's own log"
	}
	return "a file in " + dir + ", which the command firelane dead list reads"
}

// smallQueue is the size of a queue, in bytes, that a burst of a few seconds fills.
const smallQueue = 5 << 20

func queueFull(o *outlet) {
	opts := o.options()
	if opts == nil {
		return
	}
	q := opts.Queue()
	g, ok := o.given("when_full", "storage.total_limit_size", "buffer.overflow_action", "buffer.total_limit_size")
	if !ok {
		return
	}
	size := "the queue"
	if q.TotalLimit > 0 {
		size = "the queue of " + sizeText(q.TotalLimit)
	}
	small := q.TotalLimit > 0 && q.TotalLimit < smallQueue
	switch {
	case q.WhenFull == sink.DropOldest && small:
		o.tell(o.found(Warning, o.spot("storage.total_limit_size", "buffer.total_limit_size"), nil, "100M or more",
			"When %s is full, the oldest records are dropped: so few bytes are seconds of a busy application", size))
	case q.WhenFull == sink.DropOldest:
		o.tell(o.found(Note, g.Pos, nil, optionIn(o, "when_full", "overflow_action")+" block, if new records should wait instead; but when the log driver's buffer is full, too, the driver drops new lines, which the router can't count", "When %s is full, the oldest records are dropped", size))
	case q.WhenFull == sink.Block:
		o.tell(o.found(Note, g.Pos, nil, "", "When %s is full, the router stops reading until there is room. Clients wait; Docker's log driver (awsfirelens) never makes the application wait, but drops new lines when its own buffer is full", size))
	}
}

// sizeText is a size for people, as the configuration has it and in binary units: 500M (476 MiB).
func sizeText(n config.Size) string {
	binary := bytesText(int(n))
	for _, unit := range []struct {
		name string
		size config.Size
	}{{"G", 1_000_000_000}, {"M", 1_000_000}, {"k", 1000}} {
		if n > 0 && n%unit.size == 0 {
			return fmt.Sprintf("%d%s (%s)", n/unit.size, unit.name, binary)
		}
	}
	return binary
}

// volatile are folders that are in memory, or that a restart empties.
var volatile = []string{"/tmp", "/var/tmp", "/dev/shm", "/run", "/var/run"}

// queueVolatile tells of queues that don't outlive the router. What a task definition says of its volumes is F530's.
func queueVolatile(s *Subject, tell func(Finding)) {
	p := s.usable()
	if s.Task != nil {
		return
	}
	for _, g := range p.Settings {
		if name := strings.ToLower(g.Name); name != "storage.path" && name != "root_dir" {
			continue
		}
		for _, folder := range volatile {
			if at := path.Clean(g.Value); at == folder || strings.HasPrefix(at, folder+"/") {
				tell(s.found(Warning, g.Pos, nil, "a folder on a volume", "The queues are in %s, which a restart of the host or of the container empties: records that wait there are lost", g.Value))
				break
			}
		}
	}
	for i := range p.Outputs {
		in := &p.Outputs[i].Instance
		if g, ok := firstGiven(in, "buffer.@type", "buffer_type"); ok && g.Value == "memory" {
			tell(s.found(Note, g.Pos, nil, "no @type, or @type file: firelane's default, which needs no path (in Fluentd the default is memory, and @type file needs a path or root_dir)", "The queue of %s is in memory: what waits there is lost when the router ends or is killed", in.Name))
		}
	}
}

// killAfter is how long ECS waits after SIGTERM, unless stopTimeout says otherwise ("Amazon ECS task definition parameters").
const killAfter = 30 * time.Second

// graceTooLong tells of a grace period that ECS doesn't grant. With a task definition, whose stopTimeout counts, that is F523's.
func graceTooLong(s *Subject, tell func(Finding)) {
	p := s.usable()
	if s.Task != nil || p.Service.Grace < killAfter {
		return
	}
	for _, g := range p.Settings {
		if strings.EqualFold(g.Name, "grace") {
			severity, than := Warning, "longer than"
			if p.Service.Grace == killAfter {
				severity, than = Note, "as long as"
			}
			tell(s.found(severity, g.Pos, s.rewrite(g.Pos, g.Value, "25"), "25 or less, or a stopTimeout of more",
				"A stop may take %s, %s ECS waits before it kills the router (30s, unless the task's stopTimeout is longer): what is being sent then is sent again after the next start, and the last lines of the router's log are lost", inSeconds(p.Service.Grace), than))
		}
	}
}

// healthOfOutputs tells of a health check that answers 500 for errors of outputs in Fluent Bit, and never does here.
func healthOfOutputs(s *Subject, tell func(Finding)) {
	p := s.usable()
	if !p.Service.HealthCheck {
		return
	}
	for _, g := range p.Settings {
		if strings.EqualFold(g.Name, "health_check") {
			tell(s.found(Note, g.Pos, nil, "/api/v1/health/delivery, for an alarm",
				"/api/v1/health answers 200 as long as the router runs. In Fluent Bit this option makes it answer 500 after errors of outputs; here a destination that is away doesn't make ECS end the task"))
			return
		}
	}
}

// inSeconds is a time for people: 60 s.
func inSeconds(d time.Duration) string { return fmt.Sprintf("%.4g s", d.Seconds()) }
