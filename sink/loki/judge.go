package loki

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// lastAccepted is the last status that means that entries are stored, as in Fluent Bit. Loki answers 204 then; 260 means that
// ingestion is blocked for the tenant (Loki, "Configuration parameters", block_ingestion_status_code).
const lastAccepted = 205

// judge judges a request that Loki refused.
//
// Loki stores the valid entries of a request that it answers with 400. It names the others, but not all of them: an ingester
// tells about one stream and ten entries, and older versions only about the last error. What it names is never accepted;
// the rest is sent again, at once, and what was stored is ignored there.
func judge(f *httpsend.Failure, req *sink.Request, t *tenant) sink.Reply {
	r := f.Reply()
	switch {
	case r.Split != sink.No:
	case f.Status >= 200 && f.Status < 300: // ingestion is blocked
		r.Cause = sink.Throttled
	case f.Status == http.StatusBadRequest && f.AboutRequest():
		if r.Items = named(f, req, t); len(r.Items) > 0 {
			r.Unjudged = true
		} else if only, ok := t.only(); ok && r.Cause == sink.Answered {
			r.Items = []sink.ItemReply{{Index: only, Verdict: sink.Never, Status: f.Status, Type: "refused", Reason: f.Reason}}
		} else if r.Cause == sink.Answered {
			r.Split = sink.ByItem // an entry that isn't named: halving finds it
		}
	}
	return r
}

// What Loki says about entries and streams (Loki, pkg/validation and pkg/ingester; the first word's case differs between
// versions).
var (
	tooOld    = lazily(`timestamp too old: \S+, oldest acceptable timestamp is: (\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d))`)
	tooNew    = lazily(`timestamp too new: (\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d))`)
	tooLong   = lazily(`(?i)max entry size '(\d+)' bytes exceeded`)
	badStream = lazily(`stream '(\{.*?\})'(?: has \d+ label names| has label name too long| has label value too long| has duplicate label name)`)

	ignored     = lazily(`entry with timestamp (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) ([+-]\d{4}) \S+ ignored, reason: '(entry out of order|entry too far behind)`)
	ignoredIn   = lazily(`for stream: (\{[^\n]*\})`)
	ignoredMany = lazily(`total ignored: (\d+) out of`)
	behind      = lazily(`too far behind, entry timestamp is: \S+, oldest acceptable timestamp is: (\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d))`)
	shards      = lazily(`(?:\{|, )__[a-z_]+__="(?:[^"\\]|\\.)*"`)
	service     = lazily(`(?:\{|, )service_name="(?:[^"\\]|\\.)*"`)
)

// A complaint is what an answer says about the entries of a tenant.
type complaint struct {
	oldest int64 // seconds; entries before it are too old. 0: nothing said
	newest int64 // seconds; entries from then on are too new. 0: nothing said
	line   int   // bytes; longer lines are too long
	labels map[string]bool

	stream  string // the stream that the rest is about
	exact   map[moment]bool
	before  int64  // seconds; entries of the stream before it are too far behind
	through moment // entries of the stream up to it are out of order
}

// named returns the verdicts on the items that the answer names, directly or by a limit that they exceed.
func named(f *httpsend.Failure, req *sink.Request, t *tenant) (items []sink.ItemReply) {
	own := make(names, len(t.streams))
	for _, s := range t.streams {
		own[string(s.labels)] = true
	}
	c := readComplaint(f.Body, own)
	for _, s := range t.streams {
		theirs, about := c.labels[string(s.labels)], c.stream == string(s.labels)
		for _, i := range s.items {
			m := timeOf(req.Item(i))
			why := ""
			switch {
			case theirs:
				why = "invalid_labels"
			case m.sec < c.oldest:
				why = "greater_than_max_sample_age"
			case c.newest > 0 && m.sec >= c.newest:
				why = "too_far_in_future"
			case c.line > 0 && lineLen(req.Item(i)) > c.line:
				why = "line_too_long"
			case about && (c.exact[m] || m.sec < c.before):
				why = "too_far_behind"
			case about && m.compare(c.through) <= 0:
				why = "out_of_order"
			default:
				continue
			}
			items = append(items, sink.ItemReply{Index: i, Verdict: sink.Never, Status: f.Status, Type: why, Reason: f.Reason})
		}
	}
	slices.SortFunc(items, func(a, b sink.ItemReply) int { return a.Index - b.Index })
	return items
}

// names are the labels of a tenant's streams.
type names map[string]bool

// find returns the labels of the stream that Loki calls so: it adds labels for shards, and the service's name where a stream has none.
// "": none of the streams.
func (n names) find(labels string) string {
	whole := without(shards(), labels)
	for _, name := range [...]string{labels, whole, without(service(), labels), without(service(), whole)} {
		if n[name] {
			return name
		}
	}
	return ""
}

// without returns labels without those that match.
func without(which *regexp.Regexp, labels string) string {
	s := which.ReplaceAllStringFunc(labels, func(label string) string { return strings.Trim(label[:1], ",") })
	if rest, first := strings.CutPrefix(s, "{, "); first {
		s = "{" + rest
	}
	return s
}

func readComplaint(body []byte, own names) complaint {
	c := complaint{labels: map[string]bool{}, exact: map[moment]bool{}}
	for _, m := range tooOld().FindAllSubmatch(body, -1) {
		c.oldest = max(c.oldest, seconds(m[1]))
	}
	for _, m := range tooNew().FindAllSubmatch(body, -1) {
		if at := seconds(m[1]); c.newest == 0 || at < c.newest {
			c.newest = at
		}
	}
	for _, m := range tooLong().FindAllSubmatch(body, -1) {
		if n, err := strconv.Atoi(string(m[1])); err == nil && (c.line == 0 || n < c.line) {
			c.line = n
		}
	}
	for _, m := range badStream().FindAllSubmatch(body, -1) {
		c.labels[own.find(string(m[1]))] = true
	}
	c.readIgnored(body, own)
	return c
}

// readIgnored reads an ingester's answer, which is about one stream, and lists some of its entries with their exact times.
func (c *complaint) readIgnored(body []byte, own names) {
	in := ignoredIn().FindSubmatch(body)
	if in == nil {
		return
	}
	c.stream = own.find(string(in[1]))
	var last moment
	unordered := false
	for _, m := range ignored().FindAllSubmatch(body, -1) {
		at, err := time.Parse("2006-01-02 15:04:05.999999999 -0700", string(m[1])+" "+string(m[2]))
		if err != nil {
			continue
		}
		e := moment{at.Unix(), int64(at.Nanosecond())}
		c.exact[e] = true
		if bytes.Equal(m[3], []byte("entry out of order")) {
			unordered = true
			if e.compare(last) > 0 {
				last = e
			}
		}
	}
	many := ignoredMany().FindSubmatch(body)
	if many == nil {
		return
	}
	if n, err := strconv.Atoi(string(many[1])); err != nil || n <= len(c.exact) {
		return // all are listed
	}
	for _, m := range behind().FindAllSubmatch(body, -1) {
		c.before = max(c.before, seconds(m[1]))
	}
	if unordered {
		c.through = last
	}
}

// seconds parses a time in Loki's format, "" for none.
func seconds(text []byte) int64 {
	at, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return 0
	}
	return at.Unix()
}

// merged is the reply to several pushes.
type merged struct {
	items []sink.ItemReply
	sum   sink.Reply
	bad   bool // sum is a push's
}

// unreached reports whether the server didn't answer the last push: the other ones aren't tried.
func (m *merged) unreached() bool { return m.bad && m.sum.Cause == sink.Unreached }

// add adds the reply to a tenant's push.
func (m *merged) add(t *tenant, r sink.Reply) {
	if r.Verdict == sink.Done {
		for _, s := range t.streams {
			for _, i := range s.items {
				m.items = append(m.items, sink.ItemReply{Index: i, Verdict: sink.Done, Status: r.Status})
			}
		}
		return
	}
	m.items = append(m.items, r.Items...)
	wait := max(r.RetryAfter, m.sum.RetryAfter)
	if !m.bad || weight(r) > weight(m.sum) {
		m.sum = r
	}
	m.sum.RetryAfter, m.bad = wait, true
}

// weight orders replies by how much they say about the whole request.
func weight(r sink.Reply) int {
	switch {
	case r.Cause == sink.Unreached:
		return 5
	case r.Cause == sink.Unauthorised:
		return 4
	case r.Cause == sink.Throttled:
		return 3
	case r.Split != sink.No:
		return 2
	case !r.Unjudged:
		return 1
	}
	return 0
}

// reply is the reply to the request as a whole.
func (m *merged) reply(items int) sink.Reply {
	if !m.bad {
		return sink.Reply{Cause: sink.Answered, Status: http.StatusNoContent}
	}
	slices.SortFunc(m.items, func(a, b sink.ItemReply) int { return a.Index - b.Index })
	m.sum.Items = m.items
	return m.sum
}

// lazily compiles an expression when it is first needed, and not at every start of the process.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
