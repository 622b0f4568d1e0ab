package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// A run is one router under one scenario.
type run struct {
	scenario
	router router
	dir    string
	dest   *destination
	twin   *destination // of the second output, nil without one
	group  *cgroup      // nil without one
	socket string
	config string
	loaded chan struct{} // closed when the load has been sent

	mu      sync.Mutex
	err     error
	process *process
	used    usage // by processes that have ended
	remarks []string
}

// usage is what processes have used.
type usage struct {
	cpu  time.Duration
	peak int64         // VmHWM, bytes
	stop time.Duration // from the last SIGTERM to the end
}

// A router is what is tested.
type router struct {
	name   string
	binary string
	args   []string          // before the configuration file
	input  map[string]string // options of the input
	output map[string]string // options of the output that it needs to take part at all
	queue  bool              // a queue on disk, in the run's own folder
}

// own is the router that the promises are made for.
const own = "firelane"

// result is a row of the table.
type result struct {
	outcome
	usage
	router, scenario  string
	sent, dead        int
	mayLose           int
	mayDouble         int           // records that the load itself sent twice
	took              time.Duration // from the first record to the last document
	bound             time.Duration
	err               error
	problems, remarks []string
}

// quietEnd is how long nothing new may arrive before what is missing is called lost: longer than any wait of a router
// whose destination fails. Where it doesn't, calmEnd is long enough.
const (
	quietEnd = 100 * time.Second
	calmEnd  = 10 * time.Second
)

// execute runs one scenario in a folder of its own.
func execute(ctx context.Context, rt router, s scenario, dir string) result {
	if s.timeout == 0 {
		s.timeout = 10 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	res := result{router: rt.name, scenario: s.name}
	r := &run{scenario: s, router: rt, dir: dir, socket: filepath.Join(dir, "in.sock"), loaded: make(chan struct{})}
	defer r.close()
	if res.err = r.prepare(ctx); res.err != nil {
		return res
	}
	res.bound = r.process.bound

	begin := time.Now()
	var wg sync.WaitGroup
	if s.during != nil {
		wg.Go(func() { s.during(ctx, r) })
	}
	send := &sender{load: s.load, socket: r.socket}
	r.fail(send.run(ctx))
	close(r.loaded)
	wg.Wait()
	res.sent, res.mayDouble = int(send.sent.Load()), int(send.unsure.Load())
	if s.dead != nil {
		res.dead = s.dead(res.sent)
	}
	if s.mayLose != nil {
		res.mayLose = s.mayLose(r)
	}
	r.await(ctx, res.sent-res.dead, res.mayLose)
	res.took = r.dest.last().Sub(begin)
	if s.stopWithin > 0 {
		sleep(ctx, time.Second)
	}
	r.stop(syscall.SIGTERM)
	res.usage, res.err, res.remarks = r.used, r.err, r.remarks
	res.outcome = r.dest.result(res.sent, res.dead)
	if r.group != nil {
		res.remarks = append(res.remarks, r.group.used())
	}
	if r.dest.behind != nil && res.err == nil {
		res.err = r.dest.behind.settle(&res)
	}
	return res
}

func (r *run) prepare(ctx context.Context) error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	var err error
	if r.dest, err = newDestination(r.load.records, r.faults); err != nil {
		return err
	}
	if r.real {
		if r.dest.behind, err = startBehind(r.dir); err != nil {
			return err
		}
	}
	outputs := []map[string]string{r.output(r.dest)}
	if r.deadTwin {
		if r.twin, err = newDestination(r.load.records, faults{hang: 1, hangFor: time.Hour}); err != nil {
			return err
		}
		outputs = append(outputs, r.output(r.twin))
	}
	if r.memory > 0 {
		if r.group, err = newCgroup(filepath.Base(filepath.Dir(r.dir))+"-"+r.router.name, r.memory); err != nil {
			return err
		}
	}
	if r.config, err = writeConfig(r.dir, r.socket, outputs, r.router.input, r.external()); err != nil {
		return err
	}
	r.start(ctx)
	return r.err
}

func (r *run) output(d *destination) map[string]string {
	options := map[string]string{
		"Name": "es", "Host": "127.0.0.1", "Port": strconv.Itoa(d.port()), "Logstash_Format": "On", "Logstash_Prefix": "web",
		"Logstash_DateFormat": "%Y-%m-%d",
	}
	maps.Copy(options, r.router.output)
	maps.Copy(options, r.options)
	return options
}

func (r *run) close() {
	for _, d := range []*destination{r.dest, r.twin} {
		if d != nil {
			d.close()
		}
	}
	if r.dest != nil && r.dest.behind != nil {
		r.dest.behind.Stop()
	}
	r.group.remove()
}

// external is the file that a user would add to what ECS writes.
func (r *run) external() string {
	text := "[SERVICE]\n"
	if r.router.queue {
		text += "    storage.path " + filepath.Join(r.dir, "queue") + "\n"
	}
	if r.grace > 0 {
		text += fmt.Sprintf("    Grace %d\n", int(r.grace.Seconds()))
	}
	if r.parse {
		text += "    Parsers_File " + filepath.Join(r.dir, parsersFile) + "\n"
		text += "[FILTER]\n    Name parser\n    Match *\n    Key_Name log\n    Parser json\n    Reserve_Data True\n"
	}
	return text
}

// await waits until so many numbers have arrived, or nothing new has for a while: that of a router's wait, and a short
// one where no more than mayLose are missing.
func (r *run) await(ctx context.Context, want, mayLose int) {
	seen, since := 0, time.Now()
	end := quietEnd
	if r.calm {
		end = calmEnd
	}
	for ctx.Err() == nil {
		n := r.dest.distinct()
		if n != seen {
			seen, since = n, time.Now()
		}
		quiet := time.Since(since)
		if n >= want || quiet > end || n >= want-mayLose && quiet > 5*time.Second || !r.process.running() {
			return
		}
		sleep(ctx, 20*time.Millisecond)
	}
}

// fail notes what went wrong with the run itself; the first error counts.
func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

// remark notes what the table's columns don't say. It is called by what is done during the run.
func (r *run) remark(format string, args ...any) {
	r.remarks = append(r.remarks, fmt.Sprintf(format, args...))
}

// stop ends the router with sig.
func (r *run) stop(sig syscall.Signal) {
	p := r.process
	if !p.running() {
		r.fail(errors.New("the router ended by itself"))
	}
	took, err := p.stop(sig)
	r.fail(err)
	r.used.stop = took
	r.used.cpu += p.cpu()
	r.used.peak = max(r.used.peak, p.peak.Load())
}

// start starts the router.
func (r *run) start(ctx context.Context) {
	p, err := start(ctx, command(r.router, r.config, r.group), r.socket, filepath.Join(r.dir, "log"))
	if err != nil {
		r.fail(fmt.Errorf("start: %w", err))
		return
	}
	r.process = p
}
