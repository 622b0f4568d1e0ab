// Command faultbench sends numbered records to a log router's socket, acts as a destination with faults, and prints a row
// for each scenario: records sent, delivered, lost and duplicated, latency, CPU and memory.
//
// It runs firelane and, if a fluent-bit is on PATH, Fluent Bit in turns, both with the configuration that the ECS agent
// writes. With -attack it attacks firelane beside a client that does nothing wrong, a row for each attack; with -soak it runs
// many attacks and faults together.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/firelane/firelane/e2e/servers"
)

func main() {
	if err := bench(); err != nil {
		fmt.Fprintln(os.Stderr, "faultbench:", err)
		os.Exit(1)
	}
}

type flags struct {
	firelane string
	only     string
	routers  string
	records  int
	runs     int
	cost     bool
	short    bool
	attack   bool
	outage   time.Duration
	soak     time.Duration
	services bool

	consumers bool
	parallel  int
	viewers   int
	keep      bool
	profile   string
	profiled  string
	cluster   *cluster // of Kafka
}

func bench() error {
	var f flags
	flag.StringVar(&f.firelane, "firelane", "bin/firelane", "the firelane binary")
	flag.StringVar(&f.only, "only", "", "scenarios, separated by commas (default: all)")
	flag.StringVar(&f.routers, "routers", "", "routers, separated by commas: firelane, fluent-bit, fluent-bit-50, fluent-bit-fs (default: all that are installed)")
	flag.IntVar(&f.records, "records", 0, "records of a scenario (default 300000; with -short 60000)")
	flag.IntVar(&f.runs, "runs", 1, "runs of each scenario; the table shows the median and the range")
	flag.BoolVar(&f.cost, "cost", false, "run the scenarios that measure cost instead of those with faults")
	flag.BoolVar(&f.short, "short", false, "small scenarios: the whole table in some minutes")
	flag.BoolVar(&f.attack, "attack", false, "attack firelane in a cgroup of 64 MiB, beside a neighbour that does nothing wrong; a row for each attack (needs root)")
	flag.DurationVar(&f.outage, "outage", 0, "run one scenario only: the destination is down for this long under 5 MB/s, with the router in a cgroup of 64 MiB (needs root)")
	flag.DurationVar(&f.soak, "soak", 0, "run many attacks and faults together for this long, with ten outputs, in a cgroup of 64 MiB, with a restart every minute of the first half (needs root)")
	flag.BoolVar(&f.services, "services", false, "run the scenarios with faults against every destination but _bulk")
	flag.BoolVar(&f.consumers, "consumers", false, "run one, two and three routers that consume a topic of Kafka, and compare what a record costs each")
	flag.IntVar(&f.parallel, "parallel", 1, "scenarios that run at the same time; more than one for rows of which times don't matter")
	flag.IntVar(&f.viewers, "viewers", 0, "rounds in which to measure what the status page and live tails cost a router at 10,000 records a second; 0: don't")
	flag.BoolVar(&f.keep, "keep", false, "keep the folders of the runs (configuration, log, queue)")
	flag.StringVar(&f.profile, "profile", "", "write a CPU profile of all runs of firelane to this file; cmd/firelane/default.pgo is one, for the compiler")
	flag.StringVar(&f.profiled, "profiled", "", "run as firelane with this configuration file; used by -profile")
	flag.Parse()
	if f.profiled != "" {
		return runProfiled(f.profiled)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // so that no router and no broker is left
	defer stop()
	root, err := os.MkdirTemp("", "faultbench")
	if err != nil {
		return err
	}
	if f.keep {
		fmt.Println("folders:", root)
	} else {
		defer os.RemoveAll(root)
	}
	f.cluster = &cluster{dir: filepath.Join(root, "kafka")}
	defer f.cluster.stop()
	routers, err := f.pick()
	if err != nil {
		return err
	}
	if f.attack {
		return f.attackTable(ctx, root, routers[0])
	}
	if f.consumers {
		return f.consumerTable(ctx, root, routers[0], f.recordsOf(300_000, 60_000))
	}
	if f.viewers > 0 {
		return f.viewersTable(ctx, root, routers[0], f.viewers)
	}
	if f.soak > 0 {
		return soak(ctx, f.soak, routers[0], filepath.Join(root, "soak"))
	}
	err = f.table(ctx, root, routers, f.rows())
	if f.profile != "" { // also of runs with broken promises: a router that is profiled takes more memory
		err = errors.Join(err, mergeProfiles(ctx, root, f.profile))
	}
	return err
}

// recordsOf is the number of records of a row, of which these are the defaults.
func (f *flags) recordsOf(full, short int) int {
	switch {
	case f.records > 0:
		return f.records
	case f.short:
		return short
	}
	return full
}

// rows returns the scenarios that the flags select.
func (f *flags) rows() []scenario {
	sc := fullScale
	if f.short {
		sc = shortScale
	}
	sc.records = f.recordsOf(300_000, 60_000)
	switch {
	case f.cost:
		return costs(sc.records)
	case f.outage > 0:
		return outage(f.outage)
	}
	rows := append(scenarios(sc), reloadScenarios(sc)...)
	if f.services {
		rows = serviceScenarios(sc, f.cluster)
	}
	for n := range rows {
		rows[n].slack = sc.slack
	}
	return rows
}

// pick returns the routers that the flags select.
func (f *flags) pick() ([]router, error) {
	binary, err := filepath.Abs(f.firelane)
	if err != nil {
		return nil, err
	}
	all := []router{{name: product, binary: binary, args: []string{"run", "-c"}, queue: true}}
	if f.profile != "" {
		if all[0].binary, err = os.Executable(); err != nil {
			return nil, err
		}
		all[0].args = []string{"-profiled"}
		return all, nil
	}
	if other, err := exec.LookPath("fluent-bit"); err == nil {
		// By default Retry_Limit is 1, and without Suppress_Type_Name current versions of OpenSearch refuse every request.
		output, retries := map[string]string{"Suppress_Type_Name": "On", "Retry_Limit": "50"}, map[string]string{"Retry_Limit": "50"}
		all = append(all,
			router{name: "fluent-bit", binary: other, args: []string{"-c"}, output: output, retries: retries, input: map[string]string{"Mem_Buf_Limit": "100MB"}},
			router{name: "fluent-bit-50", binary: other, args: []string{"-c"}, output: output, retries: retries, input: map[string]string{"Mem_Buf_Limit": "25MB"}},
			router{name: "fluent-bit-fs", binary: other, args: []string{"-c"}, output: output, retries: retries, input: map[string]string{"storage.type": "filesystem"}, queue: true},
		)
	} else {
		fmt.Println("there is no fluent-bit on PATH: firelane runs alone")
	}
	if f.routers == "" {
		return all, nil
	}
	wanted := strings.Split(f.routers, ",")
	return slices.DeleteFunc(all, func(r router) bool { return !slices.Contains(wanted, r.name) }), nil
}

// table runs every scenario with every router once in each round, so that changes of the machine's speed affect all rows,
// and prints the rows during the last round. It returns an error if firelane broke a promise.
func (f *flags) table(ctx context.Context, root string, routers []router, rows []scenario) error {
	rows = slices.DeleteFunc(rows, func(s scenario) bool { return !f.wants(&s) })
	fmt.Printf("| scenario | router | sent | delivered | lost | duplicated | items sent | records/s | p50 | p99 | CPU s/M | peak MiB | bound | stop |\n")
	fmt.Printf("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	broken := 0
	latest := make(map[string]*result)       // firelane's last result, by scenario
	results := make([][][]result, len(rows)) // by row and router
	for i := range results {
		results[i] = make([][]result, len(routers))
	}
	if f.parallel > 1 {
		return f.sideBySide(ctx, root, routers[0], rows)
	}
	for n := range f.runs {
		for i, s := range rows {
			for j, rt := range routers {
				if (s.real || s.own) && rt.name != product || !rt.has(s.filter) {
					continue
				}
				dir := filepath.Join(root, fmt.Sprintf("%s-%s-%d", s.name, rt.name, n))
				res := execute(ctx, rt, s, dir)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if rt.name == product {
					res.check(&s, dir, latest[s.compareWith])
					latest[s.name] = &res
					broken += len(res.problems)
				}
				results[i][j] = append(results[i][j], res)
				if n == f.runs-1 {
					printRow(results[i][j])
				}
			}
		}
	}
	if broken > 0 {
		return fmt.Errorf("firelane broke %d promises", broken)
	}
	return nil
}

// sideBySide runs every scenario once, several at a time, and prints the rows as they end.
func (f *flags) sideBySide(ctx context.Context, root string, rt router, rows []scenario) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	broken := 0
	next := make(chan scenario)
	for range f.parallel {
		wg.Go(func() {
			for s := range next {
				dir := filepath.Join(root, s.name)
				res := execute(ctx, rt, s, dir)
				res.check(&s, dir, nil)
				mu.Lock()
				broken += len(res.problems)
				printRow([]result{res})
				mu.Unlock()
			}
		})
	}
	for _, s := range rows {
		next <- s
	}
	close(next)
	wg.Wait()
	if broken > 0 {
		return fmt.Errorf("firelane broke %d promises", broken)
	}
	return ctx.Err()
}

// wants reports whether the flags select the scenario, and it can be run.
func (f *flags) wants(s *scenario) bool {
	if f.only != "" && !slices.Contains(strings.Split(f.only, ","), s.name) {
		return false
	}
	if s.real && !servers.OpenSearch2().Installed() {
		fmt.Printf("  %s: skipped because %s is not installed; run e2e/setup\n", s.name, servers.OpenSearch2().Name)
		return false
	}
	if s.service != nil && s.service.cluster != nil && !servers.KafkaInstalled() {
		fmt.Printf("  %s: skipped because %s is not installed; run e2e/setup\n", s.name, servers.KafkaName)
		return false
	}
	return true
}

func printRow(rs []result) {
	r := rs[0]
	rate := func(r result) float64 { return r.rate() }
	cpu := func(r result) float64 { return r.cpu.Seconds() * 1e6 / float64(max(r.sent, 1)) }
	peak := func(r result) float64 { return float64(r.peak) / (1 << 20) }
	ms := func(get func(result) time.Duration) func(result) float64 {
		return func(r result) float64 { return float64(get(r).Microseconds()) / 1000 }
	}
	sum := func(get func(result) int) (n int) {
		for _, r := range rs {
			n += get(r)
		}
		return n
	}
	fmt.Printf("| %s | %s | %d | %d | %d | %d | %d | %s | %s ms | %s ms | %s | %s | %s ms | %s ms |\n", r.scenario, r.router,
		sum(func(r result) int { return r.sent }), sum(func(r result) int { return r.documents }),
		sum(func(r result) int { return r.lost }), sum(func(r result) int { return r.duplicates }), sum(func(r result) int { return r.items }),
		spread(rs, "%.0f", rate), spread(rs, "%.0f", ms(func(r result) time.Duration { return r.p50 })),
		spread(rs, "%.0f", ms(func(r result) time.Duration { return r.p99 })), spread(rs, "%.2f", cpu), spread(rs, "%.1f", peak),
		spread(rs, "%.1f", ms(func(r result) time.Duration { return r.bound })),
		spread(rs, "%.0f", ms(func(r result) time.Duration { return r.stop })))
	for _, r := range rs {
		for _, text := range r.remarks {
			fmt.Printf("  %s: %s\n", r.scenario, text)
		}
		for _, text := range r.problems {
			fmt.Printf("  BROKEN: %s: %s\n", r.scenario, text)
		}
		if r.err != nil && r.router != product {
			fmt.Printf("  %s, %s: %v\n", r.scenario, r.router, r.err)
		}
	}
}

// spread formats the median and, if there are several runs, the range.
func spread(rs []result, format string, get func(result) float64) string {
	values := make([]float64, len(rs))
	for i, r := range rs {
		values[i] = get(r)
	}
	slices.Sort(values)
	n := len(values)
	median := fmt.Sprintf(format, (values[(n-1)/2]+values[n/2])/2)
	if n == 1 {
		return median
	}
	return fmt.Sprintf("%s ("+format+"–"+format+")", median, values[0], values[n-1])
}
