package enrich

import (
	"slices"
	"strings"
	"sync"

	"github.com/firelane/firelane/metric"
)

// Metrics are what filters count about records, for the admin page. It is safe for concurrent use; nil has none.
type Metrics struct {
	mu   sync.Mutex
	list []Metric
}

// A Metric is a family of Prometheus's text format.
type Metric interface {
	Name() string
	// AppendText appends the family: HELP, TYPE and samples.
	AppendText(dst []byte) []byte
	// Samples calls see for each set of labels. Counting goes on meanwhile.
	Samples(see func(*metric.Sample))
	// Changes returns a number that grows with each change.
	Changes() uint64
}

// A Measurer is a Filter that has a Metric.
type Measurer interface{ Metric() Metric }

// Add adds a metric, unless there is one of that name: it returns that one.
func (m *Metrics) Add(one Metric) (had Metric) {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.list {
		if other.Name() == one.Name() {
			return other
		}
	}
	m.list = append(m.list, one)
	slices.SortFunc(m.list, func(a, b Metric) int { return strings.Compare(a.Name(), b.Name()) })
	return nil
}

// AppendText appends all metrics, sorted by name.
func (m *Metrics) AppendText(dst []byte) []byte {
	if m == nil {
		return dst
	}
	m.mu.Lock()
	list := slices.Clone(m.list)
	m.mu.Unlock()
	for _, one := range list {
		dst = one.AppendText(dst)
	}
	return dst
}
