package sink

import (
	"context"
	"time"
)

// A Retainer is a Destination whose cluster keeps documents in indices, by index templates and policies that package retain
// installs.
type Retainer interface {
	// Retention is what the options ask for; nil: nothing. It never changes.
	Retention() *Retention
	// Administer makes one request to the cluster. path begins with a slash, and may have a query; body is JSON, nil for none.
	// The error is that there was no reply; a refusal has a status. The answer ends after MaxAdminAnswer bytes.
	Administer(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error)
	// Dashboards is the same for a request to the Dashboards of Retention's Pattern. It is called only if there is one.
	Dashboards(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error)
}

// MaxAdminAnswer is how much of the answer to an administrative request is read, in bytes.
const MaxAdminAnswer = 1 << 20

// Retention is how a cluster is to keep what a destination writes.
type Retention struct {
	Own       *OwnRetention   // firelane's own template and policy; nil: none
	Templates []IndexTemplate // the user's own
	Policies  []IndexPolicy   // the user's own, of Elasticsearch
	Alias     *WriteAlias     // an alias to write to, whose index is made before the first record; nil: none
	Pattern   *DashboardsPattern
	// Serverless is a collection of OpenSearch Serverless, which has templates and no policies.
	Serverless bool
}

// OwnRetention is firelane's own index template and policy.
type OwnRetention struct {
	Name       string   // of both
	Patterns   []string // of indices
	Days       int      // after which an index is deleted; 0: never
	Shards     int
	Replicas   *int          // nil: the cluster's default
	Refresh    time.Duration // 0: the cluster's default; negative: never
	Priority   int
	DataStream bool // documents are written to a data stream, called Patterns[0] if it has no wildcard
	// RolloverDays and RolloverSize, such as 30gb, are when a data stream begins another index.
	RolloverDays int
	RolloverSize string
	// Current is the index of records of that time; "" if it depends on the record.
	Current func(now time.Time) string
}

// A DashboardsPattern is an index pattern of OpenSearch Dashboards or Kibana, by which people find the documents.
type DashboardsPattern struct {
	URL       string // of Dashboards, without a slash at its end
	ID        string
	Title     string // the indices' patterns: web-*
	TimeField string // "" for none
}

// An IndexTemplate is the user's own.
type IndexTemplate struct {
	Name      string
	Body      []byte // a JSON object
	Err       error  // why there is no Body
	Legacy    bool   // _template, not _index_template
	Overwrite bool   // replace one that is there
	// Policy and Patterns are put into Body if they aren't empty: the policy of the indices, with their rollover alias if
	// Alias isn't empty.
	Policy, Alias string
	Patterns      []string
}

// An IndexPolicy is the user's own, of Elasticsearch's index lifecycle management.
type IndexPolicy struct {
	Name      string
	Body      []byte // a JSON object with the member policy
	Overwrite bool
	Patterns  []string // of the indices that it is for
	Alias     string   // that is written to; "": its indices have a date, and a rollover is left out
}

// A WriteAlias is an alias with one index that is written to.
type WriteAlias struct {
	Name  string
	Index string // its first index; may be date math
}
