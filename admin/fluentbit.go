package admin

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/router"
)

// fluentBitPages adds Fluent Bit's pages in JSON ("Monitoring" in its documentation).
func fluentBitPages(mux *http.ServeMux, src Source) {
	mux.HandleFunc("GET /api/v1/metrics", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, numbers(src)) })
	mux.HandleFunc("GET /api/v1/plugins", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, map[string]any{"plugins": plugins()}) })
	mux.HandleFunc("GET /api/v2/health", func(w http.ResponseWriter, _ *http.Request) { healthV2(w, src) })
	mux.HandleFunc("GET /api/v1/storage", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, storage(src)) })
}

// numbers is /api/v1/metrics: of each input and output, the metrics fluentbit_input_NAME_total and fluentbit_output_NAME_total.
func numbers(src Source) map[string]map[string]map[string]float64 {
	all := map[string]map[string]map[string]float64{"input": {}, "filter": {}, "output": {}}
	src.Metrics(func(m *metric.Sample) {
		kind, name, ok := strings.Cut(strings.TrimPrefix(m.Name, "fluentbit_"), "_")
		name, total := strings.CutSuffix(name, "_total")
		if !ok || !total || all[kind] == nil {
			return
		}
		for _, l := range m.Labels {
			if l.Name != "name" {
				continue
			}
			if all[kind][l.Value] == nil {
				all[kind][l.Value] = map[string]float64{}
			}
			all[kind][l.Value][name] = m.Value
		}
	})
	return all
}

// plugins is /api/v1/plugins: the names of all plugins that there are, as a configuration in Fluent Bit's dialect writes them.
func plugins() map[string][]string {
	all := map[string][]string{"inputs": {}, "filters": {}, "outputs": {}}
	for _, p := range router.Catalogue() {
		kind := map[config.Kind]string{config.KindInput: "inputs", config.KindFilter: "filters", config.KindOutput: "outputs"}[p.Kind]
		if len(p.FluentBit) > 0 && kind != "" {
			all[kind] = append(all[kind], p.FluentBit[0])
		}
	}
	for _, names := range all {
		slices.Sort(names)
	}
	return all
}

// healthPeriod is for how long an output may fail until it is in trouble, in seconds (router.Healthy).
const healthPeriod = 60

// healthV2 is /api/v2/health, with Fluent Bit's fields. errors are the outputs in trouble. No number of them makes the router
// unhealthy: ECS ends a task whose health check fails, and a destination that is away would be no better for it.
func healthV2(w http.ResponseWriter, src Source) {
	page := struct {
		Status       string `json:"status"`
		Errors       int    `json:"errors"`
		Failed       int    `json:"retries_failed"`
		ErrorLimit   int    `json:"error_limit"`
		FailureLimit int    `json:"retry_failure_limit"`
		Period       int    `json:"period_limit"`
		Reason       string `json:"reason,omitempty"` // of the first error
	}{Status: "ok", Period: healthPeriod}
	s := src.Status()
	page.ErrorLimit = len(s.Outputs)
	for i := range s.Outputs {
		if why := s.Outputs[i].Trouble; why != "" {
			page.Errors++
			page.Reason = cmp.Or(page.Reason, why)
		}
	}
	writeJSON(w, page)
}

// storage is /api/v1/storage. Inputs have no chunks here: each output has its queue.
func storage(src Source) map[string]any {
	memory, disk := src.QueueBytes()
	m, d := router.Chunks(memory), router.Chunks(disk)
	inputs := map[string]any{}
	ins, _ := src.Accounts()
	for _, in := range ins {
		inputs[in.Input] = map[string]any{
			"status": map[string]any{"overlimit": false, "mem_size": "0b", "mem_limit": "0b"},
			"chunks": map[string]any{"total": 0, "up": 0, "down": 0, "busy": 0, "busy_size": "0b"},
		}
	}
	return map[string]any{
		"storage_layer": map[string]any{"chunks": map[string]int64{"total_chunks": m + d, "mem_chunks": m, "fs_chunks": d, "fs_chunks_up": 0, "fs_chunks_down": d}},
		"input_chunks":  inputs,
	}
}
