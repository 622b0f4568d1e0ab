package admin

import (
	"net/http"
	"strings"

	"github.com/firelane/firelane/metric"
)

// fluentBitPages adds Fluent Bit's pages in JSON ("Monitoring" in its documentation).
func fluentBitPages(mux *http.ServeMux, src Source) {
	mux.HandleFunc("GET /api/v1/metrics", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, numbers(src)) })
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

// chunkSize is about what Fluent Bit's chunks have at most, in bytes: queues are reported in such chunks.
const chunkSize = 2 << 20

// storage is /api/v1/storage. Inputs have no chunks here: each output has its queue.
func storage(src Source) map[string]any {
	memory, disk := src.QueueBytes()
	chunks := func(n int64) int64 { return (n + chunkSize - 1) / chunkSize }
	m, d := chunks(memory), chunks(disk)
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
