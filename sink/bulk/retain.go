package bulk

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// RetainOptions are about how the cluster keeps the documents: package retain carries them out.
type RetainOptions struct {
	Bootstrap    bool           `fluentbit:"firelane_bootstrap" fluentd:"firelane_bootstrap" default:"false" help:"install an index template and, with firelane_days, a policy that deletes old indices; see docs/retention.md"`
	Days         int            `fluentbit:"firelane_days" fluentd:"firelane_days" default:"0" strict:"true" help:"with firelane_bootstrap: days after which an index is deleted; 0: never"`
	Shards       int            `fluentbit:"firelane_shards" fluentd:"firelane_shards" default:"1" strict:"true" help:"with firelane_bootstrap: primary shards of an index"`
	Replicas     *int           `fluentbit:"firelane_replicas" fluentd:"firelane_replicas" strict:"true" help:"with firelane_bootstrap: replicas of a shard; default: the cluster's"`
	Refresh      *time.Duration `fluentbit:"firelane_refresh_interval" fluentd:"firelane_refresh_interval" strict:"true" help:"with firelane_bootstrap: how long a document takes to be found, such as 10s; 0: it is not refreshed; default: the cluster's, 1s"`
	Priority     int            `fluentbit:"firelane_priority" fluentd:"firelane_priority" default:"300" strict:"true" help:"with firelane_bootstrap: priority of the template and the policy over others that match; Elasticsearch's own have up to 200"`
	IndexPattern string         `fluentbit:"firelane_index_pattern" fluentd:"firelane_index_pattern" help:"with firelane_bootstrap: patterns of the indices, separated by commas; default: from the index's name, such as web-*"`
	Dashboards   string         `fluentbit:"firelane_dashboards" fluentd:"firelane_dashboards" help:"with firelane_bootstrap: URL of OpenSearch Dashboards or Kibana, which gets an index pattern, such as http://dashboards:5601 or https://DOMAIN/_dashboards"`
	DataStream   bool           `fluentbit:"firelane_data_stream" fluentd:"firelane_data_stream" default:"false" help:"with firelane_bootstrap: the index is a data stream, made by the template"`
	RolloverDays int            `fluentbit:"firelane_rollover_days" fluentd:"firelane_rollover_days" default:"1" strict:"true" help:"with firelane_data_stream: days after which the stream begins another index"`
	RolloverSize string         `fluentbit:"firelane_rollover_size" fluentd:"firelane_rollover_size" default:"30gb" help:"with firelane_data_stream: size of an index at which the stream begins another one: a number and mb, gb or tb"`
}

// dashboardsURL is the URL of Dashboards, without a slash at its end.
func (o *RetainOptions) dashboardsURL() string {
	return strings.TrimRight(strings.TrimSpace(o.Dashboards), "/")
}

// checkDashboards reports a URL that isn't one of Dashboards.
func (o *RetainOptions) checkDashboards() error {
	if o.Dashboards == "" {
		return nil
	}
	u, err := url.Parse(o.dashboardsURL())
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return &config.OptionError{Option: "firelane_dashboards", Reason: "isn't a URL without user, password and query; want, for example, " +
			"http://dashboards:5601 or https://search-web-….es.amazonaws.com/_dashboards; the output's user and password, or signature, are used"}
	}
	return nil
}

// Bounds of RetainOptions. Elasticsearch allows 1024 shards an index by default.
const (
	maxDays     = 36_500
	maxShards   = 1024
	maxReplicas = 100
	maxPriority = 1_000_000_000
	// maxPatterns is how many patterns firelane_index_pattern may have.
	maxPatterns = 20
)

// checkRetain reports mistakes in RetainOptions and TemplateOptions.
func checkRetain(o *Options, d config.Dialect) error {
	if err := o.checkTemplates(); err != nil {
		return err
	}
	for _, n := range []struct {
		option           string
		value, low, high int
	}{
		{"firelane_days", o.Days, 0, maxDays},
		{"firelane_shards", o.Shards, 1, maxShards},
		{"firelane_priority", o.Priority, 0, maxPriority},
		{"firelane_rollover_days", o.RolloverDays, 1, maxDays},
	} {
		if o.Bootstrap && (n.value < n.low || n.value > n.high) {
			return &config.OptionError{Option: n.option, Reason: fmt.Sprintf("%d is out of range; want %d to %d", n.value, n.low, n.high)}
		}
	}
	if r := o.Replicas; r != nil && (*r < 0 || *r > maxReplicas) {
		return &config.OptionError{Option: "firelane_replicas", Reason: fmt.Sprintf("%d is out of range; want 0 to %d", *r, maxReplicas)}
	}
	if o.Bootstrap && !isServerSize(o.RolloverSize) {
		return &config.OptionError{Option: "firelane_rollover_size", Reason: fmt.Sprintf("%q is not a size; want, for example, 30gb", o.RolloverSize)}
	}
	if !o.Bootstrap {
		return nil
	}
	if err := o.checkDashboards(); err != nil {
		return err
	}
	if err := o.checkPatterns(d); err != nil {
		return err
	}
	return o.checkStream(d)
}

// isServerSize reports whether s is a size as servers read it, of 1 MB at least.
func isServerSize(s string) bool {
	for _, unit := range []string{"mb", "gb", "tb"} {
		if digits, ok := strings.CutSuffix(strings.ToLower(strings.TrimSpace(s)), unit); ok {
			n, err := strconv.ParseUint(digits, 10, 16)
			return err == nil && n > 0
		}
	}
	return false
}

// checkStream reports what doesn't go together with a data stream, or with indices that are deleted.
func (o *Options) checkStream(d config.Dialect) error {
	n, err := newIndexNames(o, d, "create")
	if err != nil {
		return err
	}
	switch {
	case !o.DataStream:
		if o.Days > 0 && n.undated() {
			return &config.OptionError{Option: "firelane_days", Reason: "the index has no date in its name, so that all of it would be deleted, new records, too; " +
				"want logstash_format On, a date such as web-%Y.%m.%d, or firelane_data_stream On"}
		}
	case o.Logstash:
		return &config.OptionError{Option: "firelane_data_stream", Reason: "doesn't go together with logstash_format: a data stream has no date in its name"}
	case o.WriteOp != nil && *o.WriteOp != "create" || d == config.Fluentd && o.IDKey != "" && o.WriteOp == nil:
		return &config.OptionError{Option: "firelane_data_stream", Reason: "a data stream takes only write_operation create"}
	case !n.undated():
		return &config.OptionError{Option: "firelane_data_stream", Reason: "a data stream has no date in its name; want a name without one"}
	}
	return nil
}

// undated reports whether names don't depend on the time.
func (n *indexNames) undated() bool {
	first, year := time.Unix(0, 0), time.Unix(0, 0).AddDate(1, 1, 1)
	r := &sink.Record{}
	return !n.verbatim && string(n.makeName(n.name, r, first)) == string(n.makeName(n.name, r, year))
}

// retainWarnings tells of options that have no effect, or an effect that might surprise.
func (o *Options) retainWarnings() (w []string) {
	if !o.Bootstrap {
		set := o.Days != 0 || o.Replicas != nil || o.Refresh != nil || o.IndexPattern != "" || o.DataStream || o.Dashboards != ""
		if set {
			w = append(w, "firelane_bootstrap is Off: the other options firelane_… have no effect")
		}
	} else if o.serverless() && o.Days > 0 {
		w = append(w, "firelane_days has no effect on OpenSearch Serverless, which has no index policies; make a data lifecycle policy of the collection")
	}
	return append(w, o.templateWarnings()...)
}

// patterns are those of the indices that the records go to.
func (o *Options) patterns(d config.Dialect) ([]string, error) {
	if text := o.IndexPattern; text != "" {
		var list []string
		for p := range strings.SplitSeq(text, ",") {
			if p = strings.TrimSpace(p); p != "" {
				list = append(list, p)
			}
		}
		return list, nil
	}
	n, err := newIndexNames(o, d, "create")
	if err != nil {
		return nil, err
	}
	literal := fixedStart(n.literal)
	switch {
	case o.LogstashPrefixKey != "" && o.Logstash:
		return nil, nil
	case o.Logstash && !n.name.Dynamic() && literal == n.literal:
		return []string{literal + string(sanitiseTail([]byte(o.LogstashSeparator))) + "*"}, nil
	case !n.name.Dynamic() && n.undated():
		return []string{literal}, nil
	}
	return []string{literal + "*"}, nil
}

// fixedStart is the start of a name before its first conversion of strftime, or before date math.
func fixedStart(name string) string {
	name, _, _ = strings.Cut(name, "%")
	name, _, _ = strings.Cut(name, "{")
	return name
}

// checkPatterns reports patterns that would match what isn't the output's.
func (o *Options) checkPatterns(d config.Dialect) error {
	list, err := o.patterns(d)
	if err != nil {
		return err
	}
	if len(list) > maxPatterns {
		return &config.OptionError{Option: "firelane_index_pattern", Reason: fmt.Sprintf("has %d patterns; want %d at most", len(list), maxPatterns)}
	}
	for _, p := range list {
		start, _, _ := strings.Cut(p, "*")
		legal := string(sanitise([]byte(strings.ReplaceAll(p, "*", "x")))) == strings.ReplaceAll(p, "*", "x")
		switch {
		case strings.Trim(start, "-_+.") == "" && o.IndexPattern == "":
			list = nil
		case strings.Trim(start, "-_+.") == "" || slices.ContainsFunc(systemNames, func(s string) bool { return strings.HasPrefix(p, s) }):
			return &config.OptionError{Option: "firelane_index_pattern", Reason: fmt.Sprintf("%q would match other indices, too; want the start of a name, such as web-*", p)}
		case !legal:
			return &config.OptionError{Option: "firelane_index_pattern", Reason: fmt.Sprintf("%q matches no index; want lower case, and none of %s", p, strings.ReplaceAll(illegal, "*", ""))}
		}
	}
	if len(list) == 0 {
		return &config.OptionError{Option: "firelane_bootstrap", Reason: "the names of the indices begin with a field of the record, so that the pattern isn't known; want firelane_index_pattern, such as web-*"}
	}
	return nil
}

// ownRetention is what firelane_bootstrap asks for, nil for nothing.
func (o *Options) ownRetention(d config.Dialect) (*sink.OwnRetention, error) {
	if !o.Bootstrap {
		return nil, nil
	}
	patterns, err := o.patterns(d)
	if err != nil {
		return nil, err
	}
	n, err := newIndexNames(o, d, "create")
	if err != nil {
		return nil, err
	}
	if len(patterns) == 0 {
		return nil, errors.New("no index pattern") // Check says more
	}
	start, _, _ := strings.Cut(patterns[0], "*")
	r := &sink.OwnRetention{
		Name: "firelane-" + strings.Trim(start, "-_."), Patterns: patterns, Days: o.Days, Shards: o.Shards, Replicas: o.Replicas, Priority: o.Priority,
		DataStream: o.DataStream, RolloverDays: o.RolloverDays, RolloverSize: strings.ToLower(strings.TrimSpace(o.RolloverSize)),
		Current: func(now time.Time) string {
			if n.dynamic || n.verbatim {
				return ""
			}
			return string(n.makeName(n.name, &sink.Record{}, now))
		},
	}
	if o.Refresh != nil {
		if r.Refresh = *o.Refresh; r.Refresh <= 0 {
			r.Refresh = -1
		}
	}
	return r, nil
}

// dashboardsPattern is the index pattern that Dashboards gets, nil for none.
func (o *Options) dashboardsPattern(own *sink.OwnRetention, d config.Dialect) (*sink.DashboardsPattern, error) {
	if own == nil || o.Dashboards == "" {
		return nil, nil
	}
	s, err := newStamp(o, d)
	if err != nil {
		return nil, err
	}
	return &sink.DashboardsPattern{URL: o.dashboardsURL(), ID: own.Name, Title: strings.Join(own.Patterns, ","), TimeField: s.key}, nil
}
