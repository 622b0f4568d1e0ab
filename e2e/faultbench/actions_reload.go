package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// reloadTimeout is how long a reload may take.
const reloadTimeout = 30 * time.Second

// A variant is a change of the configuration that a reload brings.
type variant struct {
	input, output map[string]string // options that are added
	external      string            // added to the user's file
	more          []map[string]string
	first         bool // the further outputs come first
	wrong         bool
}

// variants are configurations, right and wrong. used is a port that is in use.
func variants(used int) []variant {
	null := map[string]string{"Name": "null", "Match": "app*"}
	return []variant{
		{},
		{external: "[FILTER]\n    Name record_modifier\n    Match *\n    Record reloaded yes\n"},
		{output: map[string]string{"Workers": "2"}},
		{input: map[string]string{"Buffer_Max_Size": "4M"}},
		{wrong: true, more: []map[string]string{{"Name": "nosuch"}}},
		{more: []map[string]string{null}},
		{more: []map[string]string{null}, first: true},
		{external: "[INPUT]\n    Name dummy\n    Tag dummy\n", more: []map[string]string{{"Name": "null", "Match": "dummy"}}},
		{wrong: true, external: fmt.Sprintf("[INPUT]\n    Name tcp\n    Listen 127.0.0.1\n    Port %d\n", used)},
		{external: "[FILTER]\n    Name multiline\n    Match *\n    multiline.key_content log\n    multiline.parser java\n"},
		{output: map[string]string{"Retry_Limit": "no_limits", "Alias": "renamed"}},
		{wrong: true, external: "[INPUT]\n    Name tcp\n    Port 0\n    tls on\n    tls.crt_file /nosuch\n    tls.key_file /nosuch\n"},
	}
}

// reload reloads the router n times under load, with changing configurations. The destination is down for a tenth of them.
func reload(n int, pause time.Duration) func(context.Context, *run) {
	return func(ctx context.Context, r *run) {
		sleep(ctx, pause)
		before := r.process.descriptors()
		all := variants(r.dest.port())
		begin, longest, refused := time.Now(), time.Duration(0), 0
		for i := range n {
			r.dest.setDown(i >= n*4/10 && i < n*5/10)
			v := all[i%len(all)]
			took, err := r.reload(ctx, v)
			if err != nil {
				r.fail(err)
				return
			}
			longest = max(longest, took)
			if v.wrong {
				refused++
			}
			sleep(ctx, pause/20)
		}
		r.dest.setDown(false)
		spent := time.Since(begin)
		if _, err := r.reload(ctx, variant{}); err != nil {
			r.fail(err)
		}
		sleep(ctx, pause)
		r.remark("%d reloads in %v, %d of them refused, the longest %d ms; %d descriptors before, %d after",
			n, spent.Round(time.Second), refused, longest.Milliseconds(), before, r.process.descriptors())
	}
}

// reload writes a variant of the configuration, and returns when the router has said what becomes of it.
func (r *run) reload(ctx context.Context, v variant) (time.Duration, error) {
	outputs := make([]map[string]string, len(r.outputs))
	for i, o := range r.outputs {
		outputs[i] = maps.Clone(o)
		maps.Copy(outputs[i], v.output)
	}
	if v.first {
		outputs = slices.Concat(v.more, outputs)
	} else {
		outputs = slices.Concat(outputs, v.more)
	}
	input := maps.Clone(r.router.input)
	if input == nil {
		input = make(map[string]string)
	}
	maps.Copy(input, v.input)
	if _, err := writeConfig(r.dir, r.socket, outputs, input, r.external()+v.external); err != nil {
		return 0, err
	}
	done, not := r.reloads()
	begin := time.Now()
	if err := r.process.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return 0, err
	}
	for ctx.Err() == nil {
		switch d, n := r.reloads(); {
		case d > done && !v.wrong, n > not && v.wrong:
			return time.Since(begin), nil
		case d > done || n > not:
			return 0, fmt.Errorf("a reload: got another outcome than the configuration says; see the log in %s", r.dir)
		case time.Since(begin) > reloadTimeout:
			return 0, fmt.Errorf("a reload took more than %v", reloadTimeout)
		}
		sleep(ctx, time.Millisecond)
	}
	return 0, ctx.Err()
}

// reloads counts the reloads that the router's log has, and those that were refused.
func (r *run) reloads() (done, not int) {
	log, err := os.ReadFile(filepath.Join(r.dir, "log"))
	if err != nil {
		r.fail(err)
	}
	return bytes.Count(log, []byte("the configuration was reloaded")), bytes.Count(log, []byte("the configuration was not reloaded"))
}

// descriptors counts the open files of the process.
func (p *process) descriptors() int {
	files, err := os.ReadDir("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/fd")
	if errors.Is(err, os.ErrNotExist) || strings.Contains(p.cmd.Path, "sh") {
		return 0
	}
	return len(files)
}

// reloadScenarios returns the rows of reloads: without acks, with acks, and to a service that can't tell a record that comes again.
func reloadScenarios(sc scale) []scenario {
	steady := at20k(sc.records)
	single, acked := steady, steady
	single.batch, acked.acks = false, true
	n := 100
	if sc.outage < time.Minute {
		n = 24
	}
	rows := []scenario{
		{name: "reload", help: fmt.Sprintf("SIGHUP %d times, configurations right and wrong, without acks", n), load: single},
		{name: "reload-acks", help: "the same, with acks", load: acked},
		{name: "reload-splunk", help: "the same without acks, to a service that can't tell a record that comes again", load: single, service: serviceNamed("splunk")},
	}
	for i := range rows {
		rows[i].during, rows[i].own = reload(n, sc.pause), true
	}
	return rows
}
