package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
)

// creator creates streams and groups that don't exist.
type creator struct {
	log       zerolog.Logger
	groups    bool   // create groups
	option    string // of groups
	streams   bool   // create streams
	tags      map[string]string
	class     string
	retention int // in days; 0: none

	mu   *sync.Mutex
	busy map[string]chan struct{} // keys of the streams that are being created; closed at the end
	kept map[string]bool          // groups that were created, and have no retention yet
}

// A missing group or stream is waited for: someone else may create it.
var (
	errNoGroup  = errors.New("the log group doesn't exist, and is not to be created")
	errNoStream = errors.New("the log stream doesn't exist, and is not to be created")
)

func newCreator(o *Options, d config.Dialect, env sink.Env) creator {
	c := creator{
		log: env.Log, retention: o.retention(), class: o.GroupClass,
		mu: new(sync.Mutex), busy: map[string]chan struct{}{}, kept: map[string]bool{},
	}
	c.groups, c.streams = o.creates(d)
	if c.option = "auto_create_group"; d == config.Fluentd {
		c.option = "auto_create_stream"
	}
	c.tags, _ = o.tags() // Check has reported an error
	return c
}

// An opError is an error of one operation of the service.
type opError struct {
	op, on string
	err    error
}

func (e *opError) Error() string { return e.op + " " + e.on + ": " + aws.Reply(e.err).Err.Error() }
func (e *opError) Unwrap() error { return e.err }

// ensure creates the stream, and its group if need be. If the stream is being created already, it waits for that.
func (d *Destination) ensure(ctx context.Context, key []byte) error {
	c := &d.creator
	c.mu.Lock()
	if done, busy := c.busy[string(key)]; busy {
		c.mu.Unlock()
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	done := make(chan struct{})
	c.busy[string(key)] = done
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.busy, string(key))
		c.mu.Unlock()
		close(done)
	}()
	group, stream := splitKey(key)
	return d.create(ctx, string(group), string(stream))
}

// create makes one attempt to create the stream and its group.
func (d *Destination) create(ctx context.Context, group, stream string) error {
	c := &d.creator
	if err := d.retain(ctx, group); err != nil {
		return err
	}
	if !c.streams {
		return fmt.Errorf("%w (auto_create_stream is off)", errNoStream)
	}
	err := d.createStream(ctx, group, stream)
	if r := aws.RefusalOf(err); r == nil || !isMissing(r) {
		return err
	}
	if !c.groups {
		return fmt.Errorf("%w (%s is off)", errNoGroup, c.option)
	}
	if err := d.createGroup(ctx, group); err != nil {
		return err
	}
	if err := d.retain(ctx, group); err != nil {
		return err
	}
	return d.createStream(ctx, group, stream)
}

func (d *Destination) createStream(ctx context.Context, group, stream string) error {
	err := d.call(ctx, "CreateLogStream", group+":"+stream, input{Group: group, Stream: stream})
	if err == nil {
		d.creator.log.Info().Str("group", group).Str("stream", stream).Msg("created a log stream")
	}
	return unlessExists(err)
}

func (d *Destination) createGroup(ctx context.Context, group string) error {
	c := &d.creator
	err := d.call(ctx, "CreateLogGroup", group, input{Group: group, Class: c.class, Tags: c.tags})
	if err == nil {
		c.log.Info().Str("group", group).Msg("created a log group")
		if c.retention > 0 {
			c.mu.Lock()
			c.kept[group] = true
			c.mu.Unlock()
		}
	}
	return unlessExists(err)
}

// retain sets the retention of a group that was created, if that hasn't succeeded yet. A refusal is logged, and doesn't stop
// delivery.
func (d *Destination) retain(ctx context.Context, group string) error {
	c := &d.creator
	c.mu.Lock()
	due := c.kept[group]
	c.mu.Unlock()
	if !due {
		return nil
	}
	err := d.call(ctx, "PutRetentionPolicy", group, input{Group: group, Days: c.retention})
	if r := aws.RefusalOf(err); err != nil && (r == nil || r.Throttled() || r.Code == codeAborted || r.Status >= 500) {
		return err
	}
	if err != nil {
		c.log.Error().Err(err).Str("group", group).Int("retention_days", c.retention).
			Msg("a new log group has no retention: its events never expire; set it yourself, or allow logs:PutRetentionPolicy")
	}
	c.mu.Lock()
	delete(c.kept, group)
	c.mu.Unlock()
	return nil
}

// input is the input of an operation on a group or a stream.
type input struct {
	Group  string            `json:"logGroupName"`
	Stream string            `json:"logStreamName,omitempty"`
	Class  string            `json:"logGroupClass,omitempty"`
	Tags   map[string]string `json:"tags,omitempty"`
	Days   int               `json:"retentionInDays,omitempty"`
}

// call calls an operation that has no output. An error is an opError.
func (d *Destination) call(ctx context.Context, op, on string, in input) error {
	body, err := json.Marshal(in)
	if err != nil {
		return &opError{op, on, err}
	}
	return d.do(ctx, op, on, func(ctx context.Context) error {
		body := httpsend.NewPayload(body)
		defer body.Release()
		_, err := d.api.Post(ctx, op, body, nil, "", nil)
		return err
	})
}

// do makes a call. An error is an opError.
func (d *Destination) do(ctx context.Context, op, on string, call func(ctx context.Context) error) error {
	if err := d.api.Call(ctx, call); err != nil {
		return &opError{op, httpsend.Clip(on, httpsend.MaxReason), err}
	}
	return nil
}

// unlessExists is err, but nil if it says that someone else has created the thing.
func unlessExists(err error) error {
	if r := aws.RefusalOf(err); r != nil && r.Code == codeExists {
		return nil
	}
	return err
}
