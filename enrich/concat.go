package enrich

import (
	"bytes"
	lists "container/list"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/record"
)

// Limits of what a filter concat holds.
const (
	maxConcat      = 8 << 20          // bytes of the parts of all streams
	minConcat      = maxConcatText    // bytes that may always be held, even if the budget has none left
	maxConcatText  = 4 << 20          // bytes of text of one joined record
	maxConcatLines = 20_000           // parts of one joined record
	maxConcatAdded = 256              // fields of a last part; if it has more, none of them is added to the joined record
	maxConcatFlush = 10 * time.Minute // maximum of flush_interval
)

// ConcatOptions are those of Fluentd's concat.
type ConcatOptions struct {
	Key        string        `fluentd:"key" required:"true" help:"field that has a part of the text"`
	Separator  string        `fluentd:"separator" default:"\n" help:"text between two parts"`
	Lines      int           `fluentd:"n_lines" help:"join this many records"`
	Start      string        `fluentd:"multiline_start_regexp" help:"pattern of a text that begins a record"`
	End        string        `fluentd:"multiline_end_regexp" help:"pattern of a text that ends a record"`
	Continuous string        `fluentd:"continuous_line_regexp" help:"pattern of a text that goes on with the record before; any other text ends that, and stays alone"`
	Identity   string        `fluentd:"stream_identity_key" help:"field by whose values streams are told apart; those of different tags always are"`
	Flush      time.Duration `fluentd:"flush_interval" default:"60s" help:"how long an unfinished record waits for its next part; at most 10 minutes, which is also what 0 means"`
	Label      string        `fluentd:"timeout_label" help:"label to which unfinished records go after flush_interval; default: @ERROR, and on to the next filter if there is no such label"`
	FirstTime  bool          `fluentd:"use_first_timestamp" default:"false" help:"the joined record has the time of the first part, not of the last"`

	PartialKey   string  `fluentd:"partial_key" help:"field that says whether more parts follow"`
	PartialValue *string `fluentd:"partial_value" help:"value of partial_key of all parts but the last"`
	KeepPartial  bool    `fluentd:"keep_partial_key" default:"false" help:"keep partial_key, or partial_cri_logtag_key, in the joined record"`

	Metadata     bool   `fluentd:"use_partial_metadata" default:"false" help:"join the parts of lines that Docker split. The router has done that already for Docker's fluentd driver"`
	Format       string `fluentd:"partial_metadata_format" oneof:"docker-fluentd,docker-journald,docker-journald-lowercase" default:"docker-fluentd" help:"which of Docker's log drivers has added the fields"`
	KeepMetadata bool   `fluentd:"keep_partial_metadata" default:"false" help:"keep Docker's fields in the joined record"`

	CRI       bool   `fluentd:"use_partial_cri_logtag" default:"false" help:"join the parts of lines that Kubernetes' container runtime split"`
	CRITag    string `fluentd:"partial_cri_logtag_key" help:"field that has the P or F of the container runtime"`
	CRIStream string `fluentd:"partial_cri_stream_key" default:"stream" help:"field that has stdout or stderr; it is not in the joined record"`

	Limit    config.Size `fluentd:"buffer_limit_size" default:"500k" help:"bytes of the parts of one record, with partial_key and buffer_overflow_method new, truncate or drop"`
	Overflow string      `fluentd:"buffer_overflow_method" oneof:"ignore,truncate,drop,new" default:"ignore" help:"what happens at buffer_limit_size: nothing (ignore), or a new record begins (all others: nothing is dropped here)"`
}

// UsesLabels implements config.LabelUser.
func (o *ConcatOptions) UsesLabels() []config.OptionError {
	if o.Label == "" {
		return nil
	}
	return []config.OptionError{{Option: "timeout_label", Reason: o.Label}}
}

// Check implements config's check after binding.
func (o *ConcatOptions) Check(config.Dialect) error {
	_, err := NewConcat(o, config.Fluentd, Env{})
	return err
}

// mode returns the option that says how parts are joined, and all such options that are set.
func (o *ConcatOptions) mode() (mode string, given []string) {
	for _, m := range []struct {
		name string
		set  bool
	}{
		{"n_lines", o.Lines != 0}, {"partial_key", o.PartialKey != ""}, {"use_partial_metadata", o.Metadata}, {"use_partial_cri_logtag", o.CRI},
		{"multiline_start_regexp", o.Start != "" || o.End != ""},
	} {
		if m.set {
			given = append(given, m.name)
		}
	}
	if len(given) > 0 {
		mode = given[0]
	}
	return mode, given
}

// concat is the filter's Holder.
type concat struct {
	o        *ConcatOptions
	mode     string
	start    *pattern.Pattern
	end      *pattern.Pattern
	goesOn   *pattern.Pattern
	flush    time.Duration
	label    string // to which unfinished records go; "": to the next filter
	metadata partialFields
	share    *budget.Share // nil: none

	mu      sync.Mutex
	streams map[string]*concatStream
	oldest  *lists.List // of *concatStream, in the order of their last parts, oldest first
	key     []byte
	bytes   int // in memory, of all streams
	held    int // events
}

// partialFields are the names of the fields that Docker's log driver adds to the parts of a split line.
type partialFields struct{ message, id, ordinal, last, indicator string }

// A concatStream is a stream with parts that wait for more.
type concatStream struct {
	concatBlock
	key     string
	size    int       // bytes counted in concat.bytes
	begun   time.Time // when its first part was added
	touched time.Time
	element *lists.Element
}

// A concatBlock is the parts that become one record.
type concatBlock struct {
	tag        string
	first      []byte // the first part's record
	time, last record.Time
	parts      []heldPart
	bytes      int  // of text in parts
	unfinished bool // flush_interval passed before its last part came
	whole      bool // the current event is its last part
	lot        Lot
}

// NewConcat makes the step of a concat. It returns an error if options are missing, invalid, or exclude each other.
func NewConcat(o *ConcatOptions, _ config.Dialect, env Env) (Holder, error) {
	c := &concat{o: o, flush: o.Flush, label: o.Label, share: env.Share, streams: map[string]*concatStream{}, oldest: lists.New()}
	mode, given := o.mode()
	switch {
	case mode == "":
		return nil, &config.OptionError{Option: "key", Reason: "says what is joined, but not how; want multiline_start_regexp, multiline_end_regexp, n_lines, partial_key, use_partial_metadata or use_partial_cri_logtag"}
	case len(given) > 1:
		return nil, &config.OptionError{Option: given[1], Reason: "excludes " + given[0] + "; want one of them"}
	case o.Lines < 0:
		return nil, &config.OptionError{Option: "n_lines", Reason: "is negative; want a number of records"}
	case o.PartialKey != "" && o.PartialValue == nil:
		return nil, &config.OptionError{Option: "partial_key", Reason: "needs partial_value, too, such as true"}
	case o.CRI && o.CRITag == "":
		return nil, &config.OptionError{Option: "use_partial_cri_logtag", Reason: "needs partial_cri_logtag_key, too, such as logtag"}
	}
	if c.mode = mode; c.flush <= 0 || c.flush > maxConcatFlush {
		c.flush = maxConcatFlush
	}
	if c.label == "" && env.Errors {
		c.label = ErrorLabel
	}
	c.metadata = partialFields{"partial_message", "partial_id", "partial_ordinal", "partial_last", "partial_message"}
	if o.Format == "docker-journald" || o.Format == "docker-journald-lowercase" {
		c.metadata = partialFields{"CONTAINER_PARTIAL_MESSAGE", "CONTAINER_PARTIAL_ID", "CONTAINER_PARTIAL_ORDINAL", "CONTAINER_PARTIAL_LAST", "CONTAINER_PARTIAL_ID"}
		if o.Format == "docker-journald-lowercase" {
			for _, name := range []*string{&c.metadata.message, &c.metadata.id, &c.metadata.ordinal, &c.metadata.last, &c.metadata.indicator} {
				*name = strings.ToLower(*name)
			}
		}
	}
	return c, c.compile(env)
}

// compile compiles the patterns.
func (c *concat) compile(env Env) (err error) {
	for _, p := range []struct {
		option, source string
		into           **pattern.Pattern
	}{
		{"multiline_start_regexp", c.o.Start, &c.start}, {"multiline_end_regexp", c.o.End, &c.end}, {"continuous_line_regexp", c.o.Continuous, &c.goesOn},
	} {
		if p.source == "" {
			continue
		}
		*p.into, err = pattern.CompileRuby(p.source, func() {
			env.Log.Warn().Str("pattern", p.source).Float64("limit_s", pattern.MatchTimeout.Seconds()).Int("limit_bytes", pattern.MaxBacktrack).
				Msg("a text is too long for the pattern, or took too long, and was not matched; the text counts as not matching; simplify the pattern")
		})
		if err != nil {
			return &config.OptionError{Option: p.option, Reason: err.Error()}
		}
	}
	return nil
}

// A concatPart is what concat needs of an event. Its slices alias the record.
type concatPart struct {
	text     []byte
	identity []byte // of its stream
	id       []byte // of the line, with use_partial_metadata
	ordinal  int
	last     bool // no parts follow
	first    bool // multiline_start_regexp matches
	alone    bool // continuous_line_regexp doesn't match
}

// read reads an event. ok is false if the event isn't a part; it then passes unchanged.
func (c *concat) read(ev *record.Event) (p concatPart, ok bool) {
	value, ok := record.Find(ev.Body, c.o.Key)
	if ok {
		p.text, ok = record.Text(value)
	}
	if !ok || strings.HasPrefix(ev.Tag, "fluent.") {
		return p, false
	}
	if c.o.Identity != "" {
		if value, found := record.Find(ev.Body, c.o.Identity); found {
			p.identity = value
		}
	}
	switch c.mode {
	case "multiline_start_regexp":
		p.first = c.start != nil && c.start.Match(p.text)
		p.last = c.end != nil && c.end.Match(p.text)
		p.alone = c.goesOn != nil && !p.first && !p.last && !c.goesOn.Match(p.text)
	case "partial_key":
		value, ok = record.Find(ev.Body, c.o.PartialKey)
		if ok {
			var room [64]byte
			p.last = string(record.AppendText(room[:0], value)) != *c.o.PartialValue
		}
	case "use_partial_metadata":
		if _, ok = record.Find(ev.Body, c.metadata.indicator); ok {
			p.id, _ = textOf(ev.Body, c.metadata.id)
			last, _ := record.Find(ev.Body, c.metadata.last)
			p.last = len(last) > 0 && isTrue(last)
			ordinal, _ := textOf(ev.Body, c.metadata.ordinal)
			p.ordinal, _ = strconv.Atoi(string(ordinal))
		}
	case "use_partial_cri_logtag":
		var tag []byte
		if tag, ok = textOf(ev.Body, c.o.CRITag); ok {
			flag, _, _ := bytes.Cut(tag, []byte{':'})
			p.last = string(flag) == "F"
		}
	}
	return p, ok
}

// textOf returns the text of a field; ok is false if the field is missing or isn't a string.
func textOf(body []byte, name string) ([]byte, bool) {
	value, ok := record.Find(body, name)
	if !ok {
		return nil, false
	}
	return record.Text(value)
}
