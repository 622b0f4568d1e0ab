package logmetrics

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/rs/zerolog"
)

// maxMetricBytes limits the memory for the label sets of one metric, and for its text, in bytes. Beyond it, new label values are
// counted in one set with the label overflow="true". setCost is the approximate overhead of a set besides its labels and buckets, and
// sampleCost that of a line of text besides its name and labels.
const (
	maxMetricBytes = 2 << 20
	setCost        = 160
	sampleCost     = 32
)

// A metric is a counter, a gauge or a histogram, with a value for each set of label values.
type metric struct {
	name, kind, help string
	labels           []string
	buckets          []float64 // upper limits, sorted; nil unless it is a histogram
	log              zerolog.Logger

	mu       sync.Mutex
	sets     map[string]*set // by the labels' values, as appendLabel writes them
	bytes    int
	changes  uint64
	overflow *set // nil until it is needed
}

// A set has the counts for one set of label values.
type set struct {
	count   uint64
	sum     float64  // a gauge's value; a histogram's sum
	buckets []uint64 // not cumulative
}

func newMetric(o *Options, labels []string, buckets []float64, log zerolog.Logger) *metric {
	subsystem := o.Subsystem
	if subsystem == "" {
		subsystem = o.Mode
	}
	var parts []string
	for _, p := range []string{o.Namespace, subsystem, o.Name} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return &metric{
		name: cleanName(strings.Join(parts, "_"), true), kind: o.Mode, help: o.Description, labels: labels, buckets: buckets, log: log,
		sets: make(map[string]*set),
	}
}

// cleanName makes a text a valid Prometheus name. It replaces everything but letters, digits, _ and, with colons, : by _.
func cleanName(name string, colons bool) string {
	clean := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', colons && c == ':':
			return c
		}
		return '_'
	}, strings.TrimPrefix(name, "$"))
	if clean == "" || clean[0] >= '0' && clean[0] <= '9' {
		clean = "_" + clean
	}
	return clean
}

// Name implements enrich.Metric.
func (m *metric) Name() string { return m.name }

// sameShape reports whether o has the kind, labels and buckets of m, so that its filter can count in m.
func (m *metric) sameShape(o *metric) bool {
	return m.kind == o.kind && slices.Equal(m.labels, o.labels) && slices.Equal(m.buckets, o.buckets)
}

// observe counts a record. key is the labels' values.
func (m *metric) observe(key []byte, value float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sets[string(key)]
	if s == nil {
		s = m.newSet(key)
	}
	s.count++
	m.changes++
	switch m.kind {
	case "gauge":
		s.sum = value
	case "histogram":
		s.sum += value
		if n := sort.SearchFloat64s(m.buckets, value); n < len(s.buckets) {
			s.buckets[n]++
		}
	}
}

// newSet makes the set for new label values, or returns the overflow set if there is no room.
func (m *metric) newSet(key []byte) *set {
	line := sampleCost + len(m.name) + len(key)
	for _, label := range m.labels {
		line += len(label) + len(`="",`)
	}
	cost := setCost + len(key) + line
	if m.kind == "histogram" {
		cost += (len(m.buckets) + 2) * (line + 8)
	}
	if m.bytes+cost <= maxMetricBytes {
		s := &set{buckets: make([]uint64, len(m.buckets))}
		m.sets[string(key)] = s
		m.bytes += cost
		return s
	}
	m.log.Warn().Str("metric", m.name).Int("label_sets", len(m.sets)).Int("limit_bytes", maxMetricBytes).
		Msg("the metric has too many sets of label values: new ones are counted together, with the label overflow=\"true\"; use labels with fewer values")
	if m.overflow == nil {
		m.overflow = &set{buckets: make([]uint64, len(m.buckets))}
	}
	return m.overflow
}

// AppendText implements enrich.Metric.
func (m *metric) AppendText(dst []byte) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	dst = fmt.Appendf(dst, "# HELP %s %s\n# TYPE %s %s\n", m.name, strings.NewReplacer("\\", `\\`, "\n", `\n`).Replace(m.help), m.name, m.kind)
	keys := make([]string, 0, len(m.sets))
	for key := range m.sets {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		dst = m.appendSet(dst, m.sets[key], m.labelText(key))
	}
	if m.overflow != nil {
		dst = m.appendSet(dst, m.overflow, `overflow="true"`)
	}
	return dst
}

// labelText returns the labels of a set as label="value",…
func (m *metric) labelText(key string) string {
	var b []byte
	for n, label := range m.labels {
		if n > 0 {
			b = append(b, ',')
		}
		size := int(key[0])
		b = append(append(b, label...), `="`...)
		b = appendEscaped(b, strings.ToValidUTF8(key[1:1+size], "\uFFFD"))
		b = append(b, '"')
		key = key[1+size:]
	}
	return string(b)
}

// appendEscaped appends a label's value, escaped.
func appendEscaped(dst []byte, value string) []byte {
	for i := range len(value) {
		switch c := value[i]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendSet appends the samples of a set.
func (m *metric) appendSet(dst []byte, s *set, labels string) []byte {
	switch m.kind {
	case "gauge":
		return appendSample(dst, m.name, labels, s.sum)
	case "histogram":
		total := uint64(0)
		for n, limit := range m.buckets {
			total += s.buckets[n]
			dst = appendSample(dst, m.name+"_bucket", withLE(labels, limit), float64(total))
		}
		dst = appendSample(dst, m.name+"_bucket", withLE(labels, math.Inf(1)), float64(s.count))
		dst = appendSample(dst, m.name+"_sum", labels, s.sum)
		return appendSample(dst, m.name+"_count", labels, float64(s.count))
	}
	return appendSample(dst, m.name, labels, float64(s.count))
}

// withLE prepends the label le to others.
func withLE(labels string, limit float64) string {
	le := `le="` + string(appendNumber(nil, limit)) + `"`
	if labels == "" {
		return le
	}
	return le + "," + labels
}

func appendSample(dst []byte, name, labels string, value float64) []byte {
	dst = append(dst, name...)
	if labels != "" {
		dst = append(append(append(dst, '{'), labels...), '}')
	}
	return append(appendNumber(append(dst, ' '), value), '\n')
}

// appendNumber appends a number in Prometheus's format.
func appendNumber(dst []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(dst, "+Inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-Inf"...)
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.AppendInt(dst, int64(v), 10)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}
