package logmetrics

import (
	"math"
	"slices"
	"strings"

	one "github.com/firelane/firelane/metric"
)

// Changes implements enrich.Metric.
func (m *metric) Changes() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changes
}

// Samples implements enrich.Metric. see may take its time: it is called with copies.
func (m *metric) Samples(see func(*one.Sample)) {
	for _, s := range m.copies() {
		see(&s)
	}
}

// copies returns the samples of all sets, in the order of the page.
func (m *metric) copies() []one.Sample {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := make([]string, 0, len(m.sets))
	for key := range m.sets {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	list := make([]one.Sample, 0, len(keys)+1)
	for _, key := range keys {
		list = append(list, m.sample(m.sets[key], m.labelsOf(key)))
	}
	if m.overflow != nil {
		list = append(list, m.sample(m.overflow, []one.Label{{Name: "overflow", Value: "true"}}))
	}
	return list
}

// labelsOf returns the labels of a set, also those without a value, as Fluent Bit does.
func (m *metric) labelsOf(key string) (labels []one.Label) {
	for _, name := range m.labels {
		size := int(key[0])
		labels = append(labels, one.Label{Name: name, Value: strings.ToValidUTF8(key[1:1+size], "\uFFFD")})
		key = key[1+size:]
	}
	return labels
}

func (m *metric) sample(s *set, labels []one.Label) one.Sample {
	out := one.Sample{Name: m.name, Help: m.help, Kind: one.Kind(m.kind), Labels: labels, Value: float64(s.count)}
	switch m.kind {
	case "gauge":
		out.Value = s.sum
	case "histogram":
		out.Value, out.Sum, out.Count = 0, s.sum, float64(s.count)
		total := uint64(0)
		for n, limit := range m.buckets {
			total += s.buckets[n]
			if !math.IsInf(limit, 0) {
				out.Points = append(out.Points, one.Point{At: limit, Value: float64(total)})
			}
		}
	}
	return out
}
