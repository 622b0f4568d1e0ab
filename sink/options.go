package sink

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field/timefmt"
)

// OutputOptions are the options that every output has. A destination's options struct embeds it.
type OutputOptions struct {
	RetryLimit     string      `fluentbit:"retry_limit" help:"retries of a record that a reachable destination refuses, before it goes to the dead letter: a number, no_limits or no_retries; default no_limits"`
	Workers        int         `fluentbit:"workers" help:"most requests in flight at once; 0: the output's own default"`
	TotalLimitSize config.Size `fluentbit:"storage.total_limit_size" strict:"true" help:"size of the queue; default: 1G, or a quarter of the free space if that is less"`
	WhenFull       string      `fluentbit:"when_full" oneof:"yield,block,drop_oldest" help:"when the queue is full: stop reading, but drop the oldest records if other outputs would wait and nothing is delivered for 10s, or for 3s while the destination is down (yield), stop reading in any case (block), or drop the oldest records at once (drop_oldest); default: drop_oldest with storage.total_limit_size, as in Fluent Bit, else yield"`

	DeadLetter      string      `fluentbit:"dead_letter" fluentd:"dead_letter" oneof:"file,log,index" default:"file" help:"where records go that the destination refuses for good: a file of JSON lines, the router's own log, or an index of the same cluster"`
	DeadLetterIndex string      `fluentbit:"dead_letter.index" fluentd:"dead_letter_index" default:"dead-letter" help:"index for dead_letter index; strftime by the record's date"`
	DeadLetterLimit config.Size `fluentbit:"dead_letter.limit" fluentd:"dead_letter_limit" strict:"true" help:"size of the dead letter's files together; beyond it the oldest file is removed, and its records count as dropped; default: as the queue's limit"`
	DeadLetterPath  string      `fluentbit:"dead_letter.path" fluentd:"dead_letter_path" help:"folder of the dead letter's files; default: beside the queue"`

	Buffer    *BufferOptions `fluentd:"<buffer>" help:"queue and retries"`
	OldBuffer                // the same options, as Fluentd spelled them before 1.0
	Secondary []config.Pair  `fluentd:"<secondary>" help:"accepted; records that are given up go to the dead letter"`
}

// BufferOptions are Fluentd's <buffer>.
type BufferOptions struct {
	Keys                 string         `fluentd:"<>" help:"chunk keys; accepted, the output groups records as it needs"`
	Type                 string         `fluentd:"@type" oneof:"file,memory,file_single" help:"queue on disk or in memory; default: on disk if the folder is writable"`
	Path                 string         `fluentd:"path" help:"folder of the queue"`
	PathSuffix           string         `fluentd:"path_suffix" help:"accepted"`
	TotalLimitSize       config.Size    `fluentd:"total_limit_size" help:"size of the queue at which overflow_action is taken"`
	ChunkLimitSize       config.Size    `fluentd:"chunk_limit_size" help:"size at which a request is sent"`
	ChunkLimitRecords    int            `fluentd:"chunk_limit_records" help:"records at which a request is sent"`
	ChunkFullThreshold   float64        `fluentd:"chunk_full_threshold" help:"accepted"`
	QueueLimitLength     int            `fluentd:"queue_limit_length,queued_chunks_limit_size" help:"accepted"`
	Compress             string         `fluentd:"compress" help:"accepted; the queue is not compressed"`
	FlushAtShutdown      *bool          `fluentd:"flush_at_shutdown" help:"accepted; records that a stop leaves undelivered stay in the queue"`
	FlushMode            string         `fluentd:"flush_mode" oneof:"default,lazy,interval,immediate" help:"immediate: send without waiting for more records"`
	FlushInterval        *time.Duration `fluentd:"flush_interval" help:"how long the first record of a request waits for more"`
	FlushThreadCount     int            `fluentd:"flush_thread_count" help:"most requests in flight at once"`
	FlushThreadInterval  *time.Duration `fluentd:"flush_thread_interval,flush_thread_burst_interval" help:"accepted"`
	DelayedCommitTimeout *time.Duration `fluentd:"delayed_commit_timeout" help:"accepted"`
	OverflowAction       string         `fluentd:"overflow_action" oneof:"throw_exception,block,drop_oldest_chunk" help:"when the queue is full: stop reading, but drop the oldest records if other outputs would wait and nothing is delivered for 10s, or for 3s while the destination is down (throw_exception, the default), stop reading in any case (block), or drop the oldest records at once (drop_oldest_chunk)"`
	RetryForever         bool           `fluentd:"retry_forever" help:"never give up a record"`
	RetryMaxTimes        *int           `fluentd:"retry_max_times" help:"retries of a record that a reachable destination refuses, before it goes to the dead letter"`
	RetryTimeout         *time.Duration `fluentd:"retry_timeout" help:"accepted; no record is given up because of its age"`
	RetrySecondary       float64        `fluentd:"retry_secondary_threshold" help:"accepted"`
	RetryType            string         `fluentd:"retry_type" oneof:"exponential_backoff,periodic" default:"exponential_backoff" help:"how the wait between retries grows"`
	RetryWait            *time.Duration `fluentd:"retry_wait" help:"wait before the first retry, on average"`
	RetryMaxInterval     *time.Duration `fluentd:"retry_max_interval" help:"longest wait between retries"`
	RetryBase            float64        `fluentd:"retry_exponential_backoff_base" default:"2" help:"factor by which the wait grows"`
	RetryRandomize       *bool          `fluentd:"retry_randomize" help:"accepted; waits are always randomized"`
	DisableChunkBackup   *bool          `fluentd:"disable_chunk_backup" help:"accepted"`
	Timekey              string         `fluentd:"timekey" help:"accepted; an index or file name follows each record's own time"`
	TimekeyWait          string         `fluentd:"timekey_wait" help:"accepted"`
	TimekeyUseUTC        *bool          `fluentd:"timekey_use_utc" help:"names with a date are in UTC"`
	TimekeyZone          string         `fluentd:"timekey_zone" help:"zone of names with a date, such as +09:00 or Europe/Berlin; local time where timekey is written, else UTC"`
}

// OldBuffer are the parameters of <buffer> as Fluentd spelled them before 1.0, directly in <match>. Those in <buffer>
// take precedence.
type OldBuffer struct {
	OldType          string         `fluentd:"buffer_type" oneof:"file,memory" help:"old spelling of <buffer> @type"`
	OldPath          string         `fluentd:"buffer_path" help:"old spelling of <buffer> path"`
	OldChunkLimit    config.Size    `fluentd:"buffer_chunk_limit" help:"old spelling of <buffer> chunk_limit_size"`
	OldQueueLimit    int            `fluentd:"buffer_queue_limit" help:"accepted"`
	OldFull          string         `fluentd:"buffer_queue_full_action" oneof:"exception,block,drop_oldest_chunk" help:"old spelling of <buffer> overflow_action"`
	OldFlushInterval *time.Duration `fluentd:"flush_interval" help:"old spelling of <buffer> flush_interval"`
	OldThreads       int            `fluentd:"num_threads" help:"old spelling of <buffer> flush_thread_count"`
	OldRetryLimit    *int           `fluentd:"retry_limit" help:"old spelling of <buffer> retry_max_times"`
	OldNoRetryLimit  bool           `fluentd:"disable_retry_limit" help:"old spelling of <buffer> retry_forever"`
	OldRetryWait     *time.Duration `fluentd:"retry_wait" help:"old spelling of <buffer> retry_wait"`
	OldMaxRetryWait  *time.Duration `fluentd:"max_retry_wait" help:"old spelling of <buffer> retry_max_interval"`
	OldFlushAtEnd    *bool          `fluentd:"flush_at_shutdown" help:"accepted"`
}

// Output implements OutputOptioner.
func (o *OutputOptions) Output() *OutputOptions { return o }

// CheckOutput reports the mistakes that binding can't find. An options struct with its own Check calls it from there.
func (o *OutputOptions) CheckOutput(config.Dialect) error {
	if _, err := o.retryLimit(); err != nil {
		return &config.OptionError{Option: "retry_limit", Reason: err.Error(), Instead: leadingNumber(o.RetryLimit)}
	}
	b := o.buffer()
	if b.FlushThreadCount < 0 {
		return &config.OptionError{Option: "flush_thread_count", Reason: "must not be negative"}
	}
	if b.RetryMaxTimes != nil && *b.RetryMaxTimes < 0 {
		return &config.OptionError{Option: "retry_max_times", Reason: "must not be negative"}
	}
	if b.RetryBase != 0 && b.RetryBase < 1 {
		return &config.OptionError{Option: "retry_exponential_backoff_base", Reason: "must be 1 or more"}
	}
	if _, err := o.TimekeyZone(); err != nil {
		return &config.OptionError{Option: "timekey_zone", Reason: err.Error()}
	}
	return nil
}

// leadingNumber is the whole number at the beginning of a text, as Fluent Bit reads it; without one the option counts as not written.
func leadingNumber(text string) string {
	text = strings.TrimSpace(text)
	digits := text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
	if n, err := strconv.Atoi(digits); err != nil || n < 1 {
		return config.NotWritten
	}
	return digits
}

// Warnings returns a line for each option that was set and does not do here what its name promises.
func (o *OutputOptions) Warnings() []string {
	var w []string
	warn := func(set bool, text string) {
		if set {
			w = append(w, text)
		}
	}
	if n, err := strconv.Atoi(strings.TrimSpace(o.RetryLimit)); err == nil && n < 1 {
		warn(true, "retry_limit "+o.RetryLimit+" means no limit: records are never given up; use no_retries to give them up at the first refusal")
	}
	warn(o.Workers < 0, "workers must not be negative; the output's own default is used")
	b := o.buffer()
	warn(b.RetryTimeout != nil, "retry_timeout has no effect here: no record is given up because of its age; use retry_max_times")
	warn(b.QueueLimitLength != 0 || o.OldQueueLimit != 0, "a limit on the number of chunks has no effect here; use total_limit_size")
	warn(b.Compress != "" && b.Compress != "text", "the queue is not compressed")
	warn(b.FlushMode == "lazy" || b.Timekey != "", "timekey doesn't delay delivery here: index and file names follow each record's own time")
	warn(b.OverflowAction == "throw_exception" && b.TotalLimitSize > 0, "overflow_action throw_exception raises nothing here: a full queue stops reading, and drops its oldest records if nothing is delivered and other outputs would wait")
	warn(len(o.Secondary) > 0, "<secondary> is not used: records that are given up go to the dead letter")
	return w
}

// buffer returns <buffer>, completed from the old spellings.
func (o *OutputOptions) buffer() BufferOptions {
	var b BufferOptions
	if o.Buffer != nil {
		b = *o.Buffer
	}
	fill(&b.Type, o.OldType)
	fill(&b.Path, o.OldPath)
	fill(&b.ChunkLimitSize, o.OldChunkLimit)
	fill(&b.OverflowAction, strings.Replace(o.OldFull, "exception", "throw_exception", 1))
	fill(&b.FlushInterval, o.OldFlushInterval)
	fill(&b.FlushThreadCount, o.OldThreads)
	fill(&b.RetryMaxTimes, o.OldRetryLimit)
	fill(&b.RetryWait, o.OldRetryWait)
	fill(&b.RetryMaxInterval, o.OldMaxRetryWait)
	b.RetryForever = b.RetryForever || o.OldNoRetryLimit
	return b
}

// TimekeyZone returns the time zone of dates in names that Fluentd's <buffer> sets; nil if it sets none.
func (o *OutputOptions) TimekeyZone() (*time.Location, error) {
	b := o.buffer()
	switch {
	case b.TimekeyUseUTC != nil && *b.TimekeyUseUTC:
		return time.UTC, nil
	case b.TimekeyZone != "":
		if zone, ok := timefmt.Offset(b.TimekeyZone); ok {
			return zone, nil
		}
		zone, err := time.LoadLocation(b.TimekeyZone)
		if err != nil {
			return nil, fmt.Errorf("%q is not a zone; want one such as +09:00 or Europe/Berlin", b.TimekeyZone)
		}
		return zone, nil
	case b.Timekey != "" || b.TimekeyUseUTC != nil:
		return time.Local, nil
	}
	return nil, nil
}

// fill sets *p to v if it is zero.
func fill[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// QueueOptions are what the user configured for an output's queue.
type QueueOptions struct {
	Memory     bool        // in memory
	Path       string      // folder; "": not set
	TotalLimit config.Size // bytes; 0: not set
	WhenFull   string      // Yield, Block or DropOldest
}

// What happens when an output's queue is full.
const (
	Yield      = "yield"       // reading stops, but a queue of which nothing is delivered drops its oldest records if other outputs would wait
	Block      = "block"       // reading stops
	DropOldest = "drop_oldest" // the oldest records are dropped
)

// Queue returns what the user configured for the queue, in either dialect.
func (o *OutputOptions) Queue() QueueOptions {
	b := o.buffer()
	q := QueueOptions{
		Memory: b.Type == "memory", Path: b.Path, TotalLimit: max(o.TotalLimitSize, b.TotalLimitSize, 0), WhenFull: Yield,
	}
	switch {
	case o.WhenFull != "":
		q.WhenFull = o.WhenFull
	case b.OverflowAction == "drop_oldest_chunk", o.TotalLimitSize > 0:
		q.WhenFull = DropOldest
	case b.OverflowAction == "block":
		q.WhenFull = Block
	}
	return q
}

// Limits returns the destination's limits, overridden by those that the user set.
func (o *OutputOptions) Limits(l Limits) Limits {
	b := o.buffer()
	if b.ChunkLimitSize > 0 {
		l.MaxBytes = min(int(b.ChunkLimitSize), MaxRequestBytes)
	}
	if b.ChunkLimitRecords > 0 {
		l.MaxItems = b.ChunkLimitRecords
	}
	if n := max(o.Workers, b.FlushThreadCount); n > 0 {
		l.Workers = min(n, MaxWorkers)
	}
	switch {
	case b.FlushMode == "immediate":
		l.Linger = Immediately
	case b.FlushInterval != nil:
		l.Linger = max(*b.FlushInterval, Immediately)
	}
	return l
}

// Retry returns the user's policy of retries.
func (o *OutputOptions) Retry() Retry {
	limit, _ := o.retryLimit() // CheckOutput has reported an error
	r := Retry{Limit: limit, Base: firstBackoff, Cap: maxBackoff, Factor: 2}
	b := o.buffer()
	if b.RetryMaxTimes != nil && !b.RetryForever {
		r.Limit = *b.RetryMaxTimes
	}
	if b.RetryWait != nil && *b.RetryWait > 0 {
		r.Base = *b.RetryWait
		r.Cap = max(r.Cap, r.Base)
	}
	if b.RetryMaxInterval != nil && *b.RetryMaxInterval > 0 {
		r.Cap = *b.RetryMaxInterval
	}
	if b.RetryBase >= 1 {
		r.Factor = b.RetryBase
	}
	if b.RetryType == "periodic" {
		r.Factor = 1
	}
	return r
}

// retryLimit parses retry_limit as Fluent Bit does, except that it defaults to unlimited.
func (o *OutputOptions) retryLimit() (int, error) {
	switch s := strings.ToLower(strings.TrimSpace(o.RetryLimit)); s {
	case "", "no_limits", "unlimited", "false", "off":
		return Unlimited, nil
	case "no_retries":
		return 0, nil
	default:
		number, _, _ := strings.Cut(s, " #") // Fluent Bit reads the number, and not what follows it
		n, err := strconv.Atoi(strings.TrimSpace(number))
		if err != nil {
			return 0, fmt.Errorf("%q is not a limit; want a number from 1, no_limits or no_retries", o.RetryLimit)
		}
		if n < 1 {
			return Unlimited, nil // with a line of Warnings; Fluent Bit, too, takes its default then
		}
		return n, nil
	}
}
