package main

import (
	"context"
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
	router  router
	dir     string
	dest    *destination
	socket  string
	config  string
	err     error
	mu      sync.Mutex
	process *process
	used    usage // by processes that have ended
}

// A router is what is tested.
type router struct {
	name   string
	binary string
	input  map[string]string // options of the input
	output map[string]string // options of the output that it needs to take part at all
	queue  bool              // a queue on disk, in the run's own folder
}

// result is a row of the table.
type result struct {
	outcome
	router, scenario string
	sent             int
	cpu              time.Duration
	peak             int64
	took             time.Duration // from the first record to the last document
	bound            time.Duration
	err              error
}

// quietEnd is how long nothing new may arrive before what is missing is called lost.
const quietEnd = 20 * time.Second

// execute runs one scenario in a folder of its own.
func execute(ctx context.Context, rt router, s scenario, dir string) result {
	if s.timeout == 0 {
		s.timeout = 10 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	res := result{router: rt.name, scenario: s.name}
	r := &run{scenario: s, router: rt, dir: dir, socket: filepath.Join(dir, "in.sock")}
	if res.err = r.prepare(ctx); res.err != nil {
		return res
	}
	defer r.dest.close()
	res.bound = r.process.bound

	begin := time.Now()
	var wg sync.WaitGroup
	if s.during != nil {
		wg.Go(func() { s.during(ctx, r) })
	}
	send := &sender{load: s.load, socket: r.socket}
	res.err = send.run(ctx)
	wg.Wait()
	res.sent = int(send.sent.Load())
	dead := 0
	if s.dead != nil {
		dead = s.dead(res.sent)
	}
	r.await(ctx, res.sent-dead)
	res.took = r.dest.last().Sub(begin)

	r.mu.Lock()
	used := r.process.usage()
	r.mu.Unlock()
	res.cpu, res.peak = r.used.cpu+used.cpu, max(r.used.peak, used.peak)
	if err := r.process.stop(syscall.SIGTERM); err != nil && res.err == nil {
		res.err = err
	}
	if res.err == nil {
		res.err = r.err
	}
	res.outcome = r.dest.result(res.sent, dead)
	return res
}

func (r *run) prepare(ctx context.Context) error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	parsers := []byte("[PARSER]\n    Name json\n    Format json\n")
	err := os.WriteFile(filepath.Join(r.dir, "parsers.conf"), parsers, 0o644)
	if err != nil {
		return err
	}
	if r.dest, err = newDestination(r.load.records, r.faults); err != nil {
		return err
	}
	options := map[string]string{
		"Name": "es", "Host": "127.0.0.1", "Port": strconv.Itoa(r.dest.port()), "Logstash_Format": "On", "Logstash_Prefix": "web",
		"Logstash_DateFormat": "%Y-%m-%d",
	}
	maps.Copy(options, r.router.output)
	maps.Copy(options, r.options)
	if r.config, err = writeConfig(r.dir, r.socket, options, r.router.input, r.external()); err != nil {
		return err
	}
	r.process, err = start(ctx, r.router.binary, r.config, r.socket, filepath.Join(r.dir, "log"))
	return err
}

// external is the file that a user would add to what ECS writes.
func (r *run) external() string {
	text := ""
	if r.router.queue {
		text = "[SERVICE]\n    storage.path " + filepath.Join(r.dir, "queue") + "\n"
	}
	if r.parse {
		text += "[SERVICE]\n    Parsers_File " + filepath.Join(r.dir, "parsers.conf") + "\n[FILTER]\n    Name parser\n    Match *\n    Key_Name log\n    Parser json\n    Reserve_Data True\n"
	}
	return text
}

// await waits until so many numbers have arrived, or nothing new has for quietEnd.
func (r *run) await(ctx context.Context, want int) {
	for ctx.Err() == nil {
		n, quiet := r.dest.distinct()
		if n >= want || quiet > quietEnd {
			return
		}
		sleep(ctx, 20*time.Millisecond)
	}
}

// restart ends the router with sig and starts it again.
func (r *run) restart(ctx context.Context, sig syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	used := r.process.usage()
	if err := r.process.stop(sig); err != nil {
		r.err = err
	}
	r.used.cpu += used.cpu
	r.used.peak = max(r.used.peak, used.peak)
	p, err := start(ctx, r.router.binary, r.config, r.socket, filepath.Join(r.dir, "log"))
	if err != nil {
		r.err = fmt.Errorf("restart: %w", err)
		return
	}
	r.process = p
}
