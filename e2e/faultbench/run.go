package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/firelane/firelane/internal/freeport"
)

// A run is one router in one scenario.
type run struct {
	scenario
	router  router
	dir     string
	dest    *destination
	twin    *destination // of the second output; nil: there is none
	copies  []*destination
	pages   *pages  // that the load is; nil: it is sent to the socket
	group   *cgroup // nil: none
	mounts  bool    // the router's process has mounts of its own
	before  string  // shell commands that the router's process executes first, if there is a group; each ends with ;
	socket  string
	config  string
	loaded  chan struct{} // closed when the load has been sent
	port    int           // of firelane's HTTP server; 0: it has none
	outputs []map[string]string

	mu      sync.Mutex
	err     error
	process *process
	used    usage // by the processes that have ended
	remarks []string
}

// usage is the cost of processes.
type usage struct {
	cpu  time.Duration
	peak int64         // VmHWM, bytes
	stop time.Duration // from the last signal to the exit
}

// A router is a program to be measured.
type router struct {
	name    string
	binary  string
	args    []string          // before the configuration file
	input   map[string]string // options of the input
	output  map[string]string // options of the output, without which it can't be compared
	retries map[string]string // those of them that every output has
	queue   bool              // it has a queue on disk, in the run's folder
}

// product is the name of the router that must keep the promises.
const product = "firelane"

// A result is a row of the table.
type result struct {
	outcome
	usage
	router, scenario  string
	sent, dead        int
	mayLose           int
	mayDuplicate      int           // records that the sender itself sent twice
	took              time.Duration // from the first record to the last document
	bound             time.Duration
	scrape            *scrape // before the last stop; nil: the router has no /metrics
	scrapes           int     // in which the accounts were checked
	err               error
	problems, remarks []string
}

// After quietEnd without new records, the missing ones count as lost: it is longer than any router waits after a failure of
// its destination. If that never fails, noFaultsEnd is long enough.
const (
	quietEnd    = 100 * time.Second
	noFaultsEnd = 10 * time.Second
)

// inFlight is the most records that are in requests which a kill interrupts.
const inFlight = 4 * 5000

// execute runs one scenario in the folder dir.
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
	endWatch := r.watch(ctx, &res)
	if s.during != nil {
		wg.Go(func() { s.during(ctx, r) })
	}
	send := &sender{load: s.load, socket: r.socket, pages: r.pages}
	r.fail(send.run(ctx))
	send.close()
	close(r.loaded)
	wg.Wait()
	res.sent, res.mayDuplicate = int(send.sent.Load()), int(send.unsure.Load())
	if s.dead != nil {
		res.dead = s.dead(res.sent)
	}
	for _, d := range append(r.copies, r.dest) {
		r.await(ctx, d, res.sent-res.dead)
	}
	res.took = r.dest.last().Sub(begin)
	if s.stopWithin > 0 {
		sleep(ctx, time.Second)
	}
	endWatch()
	r.stop(syscall.SIGTERM)
	r.settle(ctx)
	res.mayLose = r.lossLimit()
	res.usage, res.err, res.remarks = r.used, r.err, r.remarks
	res.outcome = r.dest.result(res.sent, res.dead)
	if s.service != nil {
		res.mayDuplicate += r.mayComeTwice()
	}
	for _, d := range r.copies {
		res.outcome.add(d.result(res.sent, res.dead))
	}
	if r.group != nil {
		res.remarks = append(res.remarks, r.group.used())
	}
	if r.dest.upstream != nil && res.err == nil {
		res.err = r.dest.upstream.compare(&res)
	}
	return res
}

// lossLimit returns how many records may be lost until now.
func (r *run) lossLimit() int {
	if r.mayLose == nil {
		return 0
	}
	return r.mayLose(r)
}

// mayComeTwice returns how many records a service may have twice: most services can't tell a record that comes again.
func (r *run) mayComeTwice() int {
	n := r.dest.unconfirmed()
	if r.killed {
		n += kills * inFlight
	}
	return n
}

// settle waits until what the destination has is counted.
func (r *run) settle(ctx context.Context) {
	if r.dest.topic != nil {
		r.fail(r.dest.topic.settle(ctx))
	}
	r.fail(r.dest.failed)
}

// watch begins to read firelane's /metrics. end reads it for the last time, and stores what was found in res.
func (r *run) watch(ctx context.Context, res *result) (end func()) {
	if r.port == 0 {
		return func() {}
	}
	w := newWatcher(r.port, r.dest)
	watching, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { w.run(watching) })
	return func() {
		cancel()
		wg.Wait()
		if r.process.running() {
			res.scrape = w.last(ctx)
		}
		res.problems, res.scrapes = append(res.problems, w.problems...), w.scrapes
	}
}

func (r *run) prepare(ctx context.Context) error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	var err error
	if r.router.name == product && !r.noFaults {
		if r.port, err = freeport.Next(); err != nil {
			return err
		}
	}
	if r.dest, err = newService(r.load.records, r.faults, r.service, r.dir); err != nil {
		return err
	}
	if r.real {
		if r.dest.upstream, err = startUpstream(r.dir); err != nil {
			return err
		}
	}
	if r.service != nil && r.service.metrics {
		if r.pages, err = newPages(r.load.records); err != nil {
			return err
		}
	}
	outputs := []map[string]string{r.output(r.dest)}
	for range r.scenario.copies {
		d, err := newService(r.load.records, r.faults, r.service, r.dir)
		if err != nil {
			return err
		}
		r.copies = append(r.copies, d)
		outputs = append(outputs, r.output(d))
	}
	for _, svc := range r.beside {
		d, err := newService(r.load.records, r.faults, svc, r.dir)
		if err != nil {
			return err
		}
		r.copies = append(r.copies, d)
		outputs = append(outputs, r.output(d))
	}
	if r.deadTwin {
		if r.twin, err = newService(r.load.records, faults{hang: 1, hangFor: time.Hour}, r.scenario.twin, r.dir); err != nil {
			return err
		}
		outputs = append(outputs, r.output(r.twin))
	}
	if r.memory > 0 {
		if r.group, err = newCgroup(filepath.Base(filepath.Dir(r.dir))+"-"+r.router.name, r.memory); err != nil {
			return err
		}
	}
	r.outputs = outputs
	if err := r.configure(); err != nil {
		return err
	}
	r.start(ctx)
	return r.err
}

// configure writes the configuration.
func (r *run) configure() (err error) {
	if r.outputs[0]["@type"] != "" {
		r.config, err = r.writeFluentd(r.outputs[0])
	} else {
		r.config, err = writeConfig(r.dir, r.socket, r.outputs, r.router.input, r.external())
	}
	return err
}

func (r *run) output(d *destination) map[string]string {
	if svc := d.service; svc != nil {
		options := maps.Clone(svc.options)
		svc.address(options, d.port())
		if d.topic != nil {
			options["topics"] = d.topic.name
		}
		maps.Copy(options, r.router.retries)
		maps.Copy(options, r.options)
		return options
	}
	options := map[string]string{
		"Name": "es", "Host": "127.0.0.1", "Port": strconv.Itoa(d.port()), "Logstash_Format": "On", "Logstash_Prefix": "web",
		"Logstash_DateFormat": "%Y-%m-%d",
	}
	maps.Copy(options, r.router.output)
	maps.Copy(options, r.options)
	return options
}

// withTLS reports whether a destination speaks TLS.
func (r *run) withTLS() bool {
	return slices.ContainsFunc(append([]*service{r.service, r.scenario.twin}, r.beside...), func(s *service) bool { return s != nil && s.tls })
}

func (r *run) close() {
	for _, d := range append(r.copies, r.dest, r.twin) {
		if d != nil {
			d.close()
		}
	}
	if r.dest != nil && r.dest.upstream != nil {
		r.dest.upstream.Stop()
	}
	if r.pages != nil {
		r.pages.close()
	}
	r.group.remove()
}

// external returns the configuration that a user would add to the one that ECS writes.
func (r *run) external() string {
	text := "[SERVICE]\n"
	if r.port > 0 {
		text += fmt.Sprintf("    HTTP_Server On\n    HTTP_Listen 127.0.0.1\n    HTTP_Port %d\n", r.port)
	}
	if r.router.queue {
		text += "    storage.path " + filepath.Join(r.dir, "queue") + "\n"
	}
	switch {
	case r.grace > 0:
		text += fmt.Sprintf("    Grace %d\n", int(r.grace.Seconds()))
	case r.router.name == product: // its default on ECS, which this isn't
		text += "    Grace 25\n"
	}
	if r.parse || r.filters != "" {
		text += "    Parsers_File " + filepath.Join(r.dir, parsersFile) + "\n"
	}
	if r.parse {
		text += "[FILTER]\n    Name parser\n    Match *\n    Key_Name log\n    Parser json\n    Reserve_Data True\n"
	}
	if r.pages != nil {
		text += r.pages.input()
	}
	return text + r.filters
}

// await waits until want records have arrived at d, or no new one has for quietEnd (or noFaultsEnd; or 5 s if no more are missing
// than may be lost).
func (r *run) await(ctx context.Context, d *destination, want int) {
	seen, since := 0, time.Now()
	end := quietEnd
	if r.noFaults {
		end = noFaultsEnd
	}
	for ctx.Err() == nil {
		n := d.distinct()
		if n != seen {
			seen, since = n, time.Now()
		}
		quiet := time.Since(since)
		if n >= want || quiet > end || quiet > 5*time.Second && n >= want-r.lossLimit() || !r.process.running() {
			return
		}
		sleep(ctx, 20*time.Millisecond)
	}
}

// fail records an error of the run itself. Only the first one is kept.
func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

// remark adds a line to be printed after the row. Only scenario.during calls it.
func (r *run) remark(format string, args ...any) {
	r.remarks = append(r.remarks, fmt.Sprintf(format, args...))
}

// stop sends sig to the router, and waits until it has ended.
func (r *run) stop(sig syscall.Signal) {
	p := r.process
	if !p.running() {
		r.fail(errors.New("the router exited unexpectedly"))
	} else if r.pages != nil {
		r.fail(r.pages.hold(newWatcher(r.port, r.dest)))
	}
	took, err := p.stop(sig)
	r.fail(err)
	r.used.stop = took
	r.used.cpu += p.cpu()
	r.used.peak = max(r.used.peak, p.peak.Load())
}

// start starts the router.
func (r *run) start(ctx context.Context) {
	cmd := command(r.router, r.config, r.group, r.before)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret", "AWS_EC2_METADATA_DISABLED=true")
	if r.withTLS() {
		trust(cmd, filepath.Join(r.dir, authorities))
	}
	if r.mounts {
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	}
	p, err := start(ctx, cmd, r.socket, filepath.Join(r.dir, "log"))
	if err != nil {
		r.fail(fmt.Errorf("start: %w", err))
		return
	}
	r.process = p
	if r.pages != nil {
		r.pages.release()
	}
}
