// Package logmetrics is Fluent Bit's filter log_to_metrics: it counts and measures records. The metrics are served with the
// router's own, in Prometheus's text format.
package logmetrics

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/pattern"
)

// Options are those of log_to_metrics.
type Options struct {
	Mode        string           `fluentbit:"metric_mode" oneof:"counter,gauge,histogram" default:"counter" help:"count records, keep the last value of a field, or count values by their size"`
	Name        string           `fluentbit:"metric_name" default:"a" help:"name of the metric: the last part of NAMESPACE_SUBSYSTEM_NAME"`
	Namespace   string           `fluentbit:"metric_namespace" default:"log_metric" help:"first part of the name"`
	Subsystem   string           `fluentbit:"metric_subsystem" help:"second part of the name; default: metric_mode"`
	Description string           `fluentbit:"metric_description" help:"the metric's HELP"`
	ValueField  string           `fluentbit:"value_field" help:"gauge, histogram: field with the number; records without one are not counted"`
	Labels      []config.Ordered `fluentbit:"add_label" help:"label, as NAME FIELD"`
	LabelFields []config.Ordered `fluentbit:"label_field" help:"label, named as its field"`
	Kubernetes  bool             `fluentbit:"kubernetes_mode" default:"false" help:"add the labels namespace_name, pod_name, container_name, docker_id and pod_id, of the map kubernetes"`
	Buckets     []string         `fluentbit:"bucket" help:"histogram: upper limit of a bucket; may be repeated. Default: 0.005 to 10"`
	Regex       []config.Ordered `fluentbit:"regex" help:"count only records whose field matches, as KEY PATTERN. Rules of regex and exclude apply in order; the first regex that matches ends them"`
	Exclude     []config.Ordered `fluentbit:"exclude" help:"don't count records whose field matches, as KEY PATTERN"`
	Discard     bool             `fluentbit:"discard_logs" default:"false" help:"drop all records after they were counted"`

	Tag          string `fluentbit:"tag" help:"tag of the metrics, for outputs that take metrics; unless written, they are only on the page of the HTTP server"`
	EmitterName  string `fluentbit:"emitter_name" help:"name of the input that adds them; default: emitter_for_ and the filter's"`
	EmitterLimit string `fluentbit:"emitter_mem_buf_limit" help:"accepted"`
	FlushSec     int64  `fluentbit:"flush_interval_sec" default:"0" help:"seconds between two rounds of metrics, if they have changed; 5 unless written"`
	FlushNsec    int64  `fluentbit:"flush_interval_nsec" default:"0" help:"nanoseconds more"`
}

// Emits implements config.Emitter.
func (o *Options) Emits() (plugin, alias string, options []config.Pair) {
	if o.Tag == "" {
		return "", "", nil
	}
	return "emitter", o.EmitterName, []config.Pair{
		{Key: "tag", Value: o.Tag}, {Key: "flush_interval_sec", Value: strconv.FormatInt(o.FlushSec, 10)}, {Key: "flush_interval_nsec", Value: strconv.FormatInt(o.FlushNsec, 10)},
	}
}

// Limits of a metric.
const (
	maxBuckets = 200
	maxLabels  = 128 // as in Fluent Bit
)

// Check implements config's check after binding.
func (o *Options) Check(d config.Dialect) error {
	_, err := New(o, d, enrich.Env{Log: zerolog.Nop()})
	return err
}

// kubernetesLabels are the labels of kubernetes_mode.
var kubernetesLabels = []string{"namespace_name", "pod_name", "container_name", "docker_id", "pod_id"}

// New makes the step of a log_to_metrics, and adds its metric to env.Metrics. Filters with the same metric name share the metric;
// it is an error if their kind, labels or buckets differ.
func New(o *Options, _ config.Dialect, env enrich.Env) (enrich.Filter, error) {
	f := &filter{discard: o.Discard}
	var err error
	if f.rules, err = rulesOf(o, env.Log); err != nil {
		return nil, err
	}
	names, err := f.addLabels(o)
	if err != nil {
		return nil, err
	}
	if o.Mode != "counter" && o.Mode != "" {
		if o.ValueField == "" {
			return nil, &config.OptionError{Option: "value_field", Reason: "is missing; want the field with the number"}
		}
		if f.value, err = accessor("value_field", o.ValueField); err != nil {
			return nil, err
		}
	}
	buckets, err := bucketsOf(o)
	if err != nil {
		return nil, err
	}
	f.metric = newMetric(o, names, buckets, env.Log)
	if had := env.Metrics.Add(f.metric); had != nil {
		same, ok := had.(*metric)
		if !ok || !same.sameShape(f.metric) {
			return nil, &config.OptionError{Option: "metric_name", Reason: fmt.Sprintf("another filter has %s with another metric_mode, other labels or buckets; want another name", had.Name())}
		}
		f.metric = same
	}
	return f, nil
}

func accessor(option, text string) (field.Accessor, error) {
	if !strings.HasPrefix(text, "$") && strings.Contains(text, "[") {
		text = "$" + text
	}
	at, err := field.ParseAccessor(text, config.FluentBit)
	if err != nil {
		return nil, &config.OptionError{Option: option, Reason: err.Error()}
	}
	return at, nil
}

// addLabels makes the accessors of the labels' values, and returns the labels' names.
func (f *filter) addLabels(o *Options) (names []string, err error) {
	add := func(option, name, text string) error {
		at, err := accessor(option, text)
		f.labels = append(f.labels, at)
		names = append(names, cleanName(name, false))
		return err
	}
	if o.Kubernetes {
		for _, name := range kubernetesLabels {
			if err := add("kubernetes_mode", name, "$kubernetes['"+name+"']"); err != nil {
				return nil, err
			}
		}
	}
	for _, l := range inOrder(o.LabelFields, o.Labels) {
		option, name, text := "label_field", l.Value, l.Value
		if l.second {
			option = "add_label"
			name, text, _ = strings.Cut(l.Value, " ")
			if text = strings.TrimSpace(text); text == "" {
				return nil, &config.OptionError{Option: option, Reason: fmt.Sprintf("%q: want NAME FIELD, as in: status $code", l.Value)}
			}
		}
		if err := add(option, name, text); err != nil {
			return nil, err
		}
	}
	if len(names) > maxLabels {
		return nil, fmt.Errorf("%d labels are too many; want at most %d", len(names), maxLabels)
	}
	for n, name := range names {
		if name == "le" && o.Mode == "histogram" {
			return nil, errors.New("a histogram can't have a label le, which its buckets have; want another name")
		}
		if slices.Contains(names[:n], name) {
			return nil, fmt.Errorf("there are two labels %s; want different ones", name)
		}
	}
	return names, nil
}

// placed is a value of one of two options, with its position in the configuration.
type placed struct {
	config.Ordered
	second bool
}

// inOrder merges the values of two options in the order in which they are written.
func inOrder(first, second []config.Ordered) (list []placed) {
	for _, v := range first {
		list = append(list, placed{v, false})
	}
	for _, v := range second {
		list = append(list, placed{v, true})
	}
	slices.SortStableFunc(list, func(a, b placed) int { return a.Order - b.Order })
	return list
}

// A rule is a regex or an exclude.
type rule struct {
	at      field.Accessor
	pattern *pattern.Pattern
	exclude bool
}

func rulesOf(o *Options, log zerolog.Logger) (rules []rule, err error) {
	for _, r := range inOrder(o.Regex, o.Exclude) {
		option := "regex"
		if r.second {
			option = "exclude"
		}
		key, source, _ := strings.Cut(r.Value, " ")
		if source == "" {
			return nil, &config.OptionError{Option: option, Reason: fmt.Sprintf("%q: want KEY PATTERN, as in: log ^ERROR", r.Value)}
		}
		at, err := accessor(option, key)
		if err != nil {
			return nil, err
		}
		p, err := pattern.CompileFluentBit(source, func() {
			log.Warn().Str("pattern", source).Float64("limit_s", pattern.MatchTimeout.Seconds()).Int("limit_bytes", pattern.MaxBacktrack).
				Msg("a text is too long for the pattern, or took too long, and was not matched; simplify the pattern")
		})
		if err != nil {
			return nil, &config.OptionError{Option: option, Reason: err.Error()}
		}
		rules = append(rules, rule{at, p, r.second})
	}
	return rules, nil
}

// defaultBuckets are Prometheus's default buckets.
var defaultBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// bucketsOf returns the upper limits of a histogram's buckets, sorted, each once; nil for other metrics.
func bucketsOf(o *Options) ([]float64, error) {
	if o.Mode != "histogram" {
		return nil, nil
	}
	if len(o.Buckets) == 0 {
		return defaultBuckets, nil
	}
	var list []float64
	for _, text := range o.Buckets {
		b, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(b) {
			return nil, &config.OptionError{Option: "bucket", Reason: fmt.Sprintf("%q is not a number; want, for example, 0.5", text)}
		}
		if !math.IsInf(b, 1) { // the +Inf bucket is always there
			list = append(list, b)
		}
	}
	slices.Sort(list)
	if list = slices.Compact(list); len(list) > maxBuckets {
		return nil, &config.OptionError{Option: "bucket", Reason: fmt.Sprintf("%d are too many; want at most %d", len(list), maxBuckets)}
	}
	return list, nil
}
