package lua_test

import (
	"syscall"
	"testing"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/lua"
	"github.com/firelane/firelane/record"
)

const typical = `{"log":"a log line that is somewhat long, about eighty characters of text in all, as usual","container_id":"abcdefabcdefabcdefabcdef",` +
	`"container_name":"/web","source":"stdout","ecs_cluster":"prod","ecs_task_arn":"arn:aws:ecs:eu-central-1:123456789012:task/x/y","ecs_task_definition":"web:17","level":"info"}`

func BenchmarkSmallScript(b *testing.B) {
	for name, code := range map[string]string{
		"keep": `function cb(tag, ts, record) return 0, ts, record end`,
		"drop": `function cb(tag, ts, record) if record["level"] == "info" then return -1, 0, 0 end return 0, ts, record end`,
		"set": `function cb(tag, ts, record) record["tag"] = tag; if record["level"] == "debug" then return -1, 0, 0 end
			record["level"] = string.upper(record["level"]) return 2, ts, record end`,
		"pairs": `function cb(tag, ts, record) local new = {} for k, v in pairs(record) do new[k:gsub("%.", "_")] = v end return 1, ts, new end`,
	} {
		b.Run(name, func(b *testing.B) {
			f := newFilter(b, lua.Options{Code: code, Call: "cb"})
			f.out = enrich.NewOut(func(*record.Event, int) {}, nil)
			f.out.Scratch = new(enrich.Scratch)
			body, _ := record.AppendFromJSON(nil, []byte(typical))
			b.ReportAllocs()
			begun := cpuTime()
			for b.Loop() {
				f.out.Reset()
				f.step.Apply(&record.Event{Tag: "app", Time: noon, Body: body}, f.out)
			}
			b.ReportMetric(float64(cpuTime()-begun)/float64(b.N), "cpu-ns/op") // includes the garbage collector; wall time would depend on other processes
		})
	}
}

// cpuTime returns the CPU time that the process has used, in nanoseconds.
func cpuTime() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}
