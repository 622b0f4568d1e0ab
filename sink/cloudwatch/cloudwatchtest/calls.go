package cloudwatchtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Limits of PutLogEvents ("PutLogEvents - Amazon CloudWatch Logs").
const (
	maxEvents = 10_000
	maxBatch  = 1 << 20
	maxEvent  = 1 << 20
	overhead  = 26 // bytes added to the size of each message
	maxAge    = 14 * 24 * time.Hour
	maxAhead  = 2 * time.Hour
	maxSpan   = 24 * time.Hour
)

// Names ("CreateLogGroup" and "CreateLogStream - Amazon CloudWatch Logs": 1 to 512 characters).
var (
	groupName  = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)
	streamName = regexp.MustCompile(`^[^:*]{1,512}$`)
)

// retentions are those that PutRetentionPolicy takes ("PutRetentionPolicy - Amazon CloudWatch Logs").
var retentions = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// A request is that of any of the calls.
type request struct {
	LogGroupName, LogStreamName, LogGroupClass, SequenceToken string

	Tags            map[string]string
	RetentionInDays int
	LogEvents       []struct {
		Timestamp *int64
		Message   *string
	}
}

// read reads a request, and checks the names in it.
func read(body []byte, stream bool) (q request, no *refusal) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return q, &refusal{code: "SerializationException", message: err.Error()}
	}
	if !groupName.MatchString(q.LogGroupName) {
		return q, invalid("1 validation error detected: Value '%s' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+", q.LogGroupName)
	}
	if stream && !streamName.MatchString(q.LogStreamName) {
		return q, invalid("1 validation error detected: Value '%s' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*", q.LogStreamName)
	}
	return q, nil
}

func missing(what string) *refusal {
	return &refusal{code: "ResourceNotFoundException", message: "The specified log " + what + " does not exist."}
}

func exists(what string) *refusal {
	return &refusal{code: "ResourceAlreadyExistsException", message: "The specified log " + what + " already exists"}
}

func (s *Server) createLogGroup(body []byte) (any, *refusal) {
	q, no := read(body, false)
	switch {
	case no != nil:
		return nil, no
	case s.groups[q.LogGroupName] != nil:
		return nil, exists("group")
	case len(q.Tags) > 50:
		return nil, invalid("too many tags")
	case !slices.Contains([]string{"", "STANDARD", "INFREQUENT_ACCESS", "DELIVERY"}, q.LogGroupClass):
		return nil, invalid("1 validation error detected: Value '%s' at 'logGroupClass' failed to satisfy constraint", q.LogGroupClass)
	}
	s.groups[q.LogGroupName] = &Group{Name: q.LogGroupName, Tags: q.Tags, Class: q.LogGroupClass, streams: map[string]*stream{}}
	return struct{}{}, nil
}

func (s *Server) createLogStream(body []byte) (any, *refusal) {
	q, no := read(body, true)
	if no != nil {
		return nil, no
	}
	g := s.groups[q.LogGroupName]
	switch {
	case g == nil:
		return nil, missing("group")
	case g.streams[q.LogStreamName] != nil:
		return nil, exists("stream")
	}
	g.streams[q.LogStreamName] = &stream{}
	return struct{}{}, nil
}

func (s *Server) putRetentionPolicy(body []byte) (any, *refusal) {
	q, no := read(body, false)
	if no != nil {
		return nil, no
	}
	g := s.groups[q.LogGroupName]
	switch {
	case g == nil:
		return nil, missing("group")
	case !slices.Contains(retentions, q.RetentionInDays):
		return nil, invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint", q.RetentionInDays)
	}
	g.Retention = q.RetentionInDays
	return struct{}{}, nil
}

// A rejection is RejectedLogEventsInfo. The ends are exclusive, the start is inclusive.
type rejection struct {
	TooNew  *int `json:"tooNewLogEventStartIndex,omitempty"`
	TooOld  *int `json:"tooOldLogEventEndIndex,omitempty"`
	Expired *int `json:"expiredLogEventEndIndex,omitempty"`
}

// An answer is PutLogEvents's.
type answer struct {
	Next     string     `json:"nextSequenceToken"`
	Rejected *rejection `json:"rejectedLogEventsInfo,omitempty"`
}

func (s *Server) putLogEvents(body []byte) (any, *refusal) {
	if s.opts.Discard {
		return s.countEvents(body)
	}
	q, no := read(body, true)
	if no != nil {
		return nil, no
	}
	if no := s.checkBatch(&q); no != nil {
		return nil, no
	}
	g := s.groups[q.LogGroupName]
	if g == nil {
		return nil, missing("group")
	}
	st := g.streams[q.LogStreamName]
	if st == nil {
		return nil, missing("stream")
	}
	if want := fmt.Sprintf("%056d", st.token); s.opts.Tokens && st.token > 0 && q.SequenceToken != want {
		return nil, &refusal{
			code: "InvalidSequenceTokenException", message: "The given sequenceToken is invalid. The next expected sequenceToken is: " + want,
			more: map[string]string{"expectedSequenceToken": want},
		}
	}
	first, end, rejected := s.accepted(g, &q)
	if no := checkSpan(&q, first, end); no != nil {
		return nil, no
	}
	for _, e := range q.LogEvents[first:end] {
		st.events = append(st.events, Event{*e.Timestamp, *e.Message})
	}
	st.count += end - first
	s.stored += end - first
	st.token++
	return answer{fmt.Sprintf("%056d", st.token), rejected}, nil
}

// checkBatch checks what makes the service refuse all events.
func (s *Server) checkBatch(q *request) *refusal {
	if n := len(q.LogEvents); n < 1 || n > maxEvents {
		return invalid("1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length between 1 and %d", maxEvents)
	}
	size, last := 0, int64(0)
	for i, e := range q.LogEvents {
		switch {
		case e.Timestamp == nil || e.Message == nil || *e.Timestamp < 0:
			return invalid("1 validation error detected: Value at 'logEvents.%d.member' failed to satisfy constraint", i+1)
		case *e.Message == "": // "InputLogEvent - Amazon CloudWatch Logs": minimum length of 1
			return invalid("1 validation error detected: Value '' at 'logEvents.%d.member.message' failed to satisfy constraint: Member must have length greater than or equal to 1", i+1)
		case len(*e.Message)+overhead > s.opts.MaxEvent:
			return invalid("Log event too large: %d bytes exceeds limit of %d", len(*e.Message)+overhead, s.opts.MaxEvent)
		case *e.Timestamp < last:
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
		last = *e.Timestamp
		size += len(*e.Message) + overhead
	}
	if size > maxBatch {
		return invalid("Upload too large: %d bytes exceeds limit of %d", size, maxBatch)
	}
	return nil
}

// accepted returns which events, from first to before end, are neither too old nor too new.
func (s *Server) accepted(g *Group, q *request) (first, end int, rejected *rejection) {
	now := s.opts.Now()
	before := func(t time.Time) int {
		n, _ := slices.BinarySearchFunc(q.LogEvents, t.UnixMilli(), func(e struct {
			Timestamp *int64
			Message   *string
		}, at int64) int {
			if *e.Timestamp < at {
				return -1
			}
			return 1
		})
		return n
	}
	r := rejection{}
	if n := before(now.Add(-maxAge)); n > 0 {
		r.TooOld, first = &n, n
	}
	if g.Retention > 0 {
		if n := before(now.AddDate(0, 0, -g.Retention)); n > first {
			r.Expired, first = &n, n
		}
	}
	if end = before(now.Add(maxAhead + time.Millisecond)); end < len(q.LogEvents) {
		r.TooNew = &end
	}
	if r == (rejection{}) {
		return first, end, nil
	}
	return first, end, &r
}

func checkSpan(q *request, first, end int) *refusal {
	if end > first && *q.LogEvents[end-1].Timestamp-*q.LogEvents[first].Timestamp >= maxSpan.Milliseconds() {
		return invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return nil
}

// countEvents counts the events of a request without reading them.
func (s *Server) countEvents(body []byte) (any, *refusal) {
	name := func(key string) string {
		_, rest, _ := bytes.Cut(body[:min(len(body), 4<<10)], []byte(strconv.Quote(key)+":"))
		var text string
		_ = json.NewDecoder(bytes.NewReader(rest)).Decode(&text)
		return text
	}
	g := s.groups[name("logGroupName")]
	if g == nil {
		return nil, missing("group")
	}
	st := g.streams[name("logStreamName")]
	if st == nil {
		return nil, missing("stream")
	}
	n := bytes.Count(body, []byte(`{"timestamp":`))
	st.count += n
	s.stored += n
	return answer{Next: "1"}, nil
}
