package monitor

import (
	"bytes"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

// chunkSize is what Fluentd's chunks have at most by default, in bytes: the length of a queue is reported in such chunks.
const chunkSize = 8 << 20

// describe returns a part as Fluentd reports it ("monitor_agent" in its documentation). What isn't counted here is 0: emit_size, which
// is 0 in Fluentd, too, unless it is switched on; and counts of slow flushes, of flush times and of the secondary output.
func describe(p *input.Part, withConfig, withRetry bool) []byte {
	var o object
	o.text("plugin_id", p.ID)
	o.text("plugin_category", p.Kind.String())
	o.text("type", p.Type)
	if withConfig {
		o.add("config", options(p))
	}
	o.add("output_plugin", record.AppendBool(nil, p.Output != nil))
	if p.Output == nil {
		o.null("retry_count")
		if p.Kind == config.KindInput || p.Kind == config.KindFilter {
			o.int("emit_records", p.Records)
			o.int("emit_size", 0)
		}
		return o.body()
	}
	out := p.Output
	o.int("buffer_queue_length", (out.QueueBytes+chunkSize-1)/chunkSize)
	o.add("buffer_timekeys", record.AppendArrayHeader(nil, 0))
	o.int("buffer_total_queued_size", out.QueueBytes)
	o.int("retry_count", out.Failed)
	o.int("emit_records", p.Records)
	o.int("emit_size", 0)
	o.int("write_count", out.Requests)
	o.int("write_secondary_count", 0)
	o.int("rollback_count", out.Failed)
	o.int("slow_flush_count", 0)
	o.int("flush_time_count", 0)
	o.int("drop_oldest_chunk_count", out.Dropped)
	o.int("buffer_stage_length", 0)
	o.int("buffer_stage_byte_size", 0)
	o.int("buffer_queue_byte_size", out.QueueBytes)
	o.add("buffer_available_buffer_space_ratios", record.AppendFloat(nil, free(out)))
	if withRetry {
		o.add("retry", retry(out))
	}
	return o.body()
}

// free is the free part of a queue in percent, with one digit after the point.
func free(out *input.OutputPart) float64 {
	if out.QueueLimit <= 0 {
		return 100
	}
	return float64(max(out.QueueLimit-out.QueueBytes, 0)*1000/out.QueueLimit) / 10
}

func options(p *input.Part) []byte {
	var o object
	o.text("@type", p.Type)
	o.text("@id", p.ID)
	for _, pair := range p.Options {
		o.text(pair.Key, pair.Value)
	}
	return o.body()
}

// retry has since when the output fails; it is empty if it doesn't.
func retry(out *input.OutputPart) []byte {
	var o object
	if !out.FailingSince.IsZero() {
		o.text("start", out.FailingSince.UTC().Format("2006-01-02 15:04:05 +0000"))
	}
	return o.body()
}

// An object is a map of MessagePack.
type object struct {
	n       int
	members []byte
}

func (o *object) add(key string, value []byte) {
	o.n++
	o.members = append(record.AppendStr(o.members, key), value...)
}

func (o *object) text(key, value string)  { o.add(key, record.AppendStr(nil, value)) }
func (o *object) int(key string, n int64) { o.add(key, record.AppendInt(nil, n)) }
func (o *object) null(key string)         { o.add(key, record.AppendNil(nil)) }

func (o *object) textOrNull(key, value string) {
	if value == "" {
		o.null(key)
		return
	}
	o.text(key, value)
}

func (o *object) body() []byte { return append(record.AppendMapHeader(nil, o.n), o.members...) }

func pluginsJSON(list [][]byte) []byte {
	b := []byte(`{"plugins":[`)
	for i, body := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = record.AppendJSON(b, body)
	}
	return append(b, "]}"...)
}

// appendLTSV appends each map as a line; members that are maps are left out. Fluentd joins an array by commas: here all are empty.
func appendLTSV(dst []byte, list ...[]byte) []byte {
	if dst == nil {
		dst = []byte{}
	}
	for _, body := range list {
		start := len(dst)
		for f := record.FieldsOf(body); f.Next(); {
			kind := record.KindOf(f.Value()[0])
			if kind == record.KindMap {
				continue
			}
			if len(dst) > start {
				dst = append(dst, '\t')
			}
			dst = append(append(dst, f.Key()...), ':')
			if kind != record.KindNil && kind != record.KindArray {
				text := record.AppendText(nil, f.Value())
				dst = append(dst, bytes.Map(withoutControls, text)...)
			}
		}
		dst = append(dst, '\n')
	}
	return dst
}

func withoutControls(r rune) rune {
	if r < ' ' {
		return ' '
	}
	return r
}
