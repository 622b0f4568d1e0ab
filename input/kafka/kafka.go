package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/kafka"
)

// Limits of the input.
const (
	minFetch     = 16 << 10  // bytes that a broker is asked for at once, at least
	maxPartition = 512 << 10 // bytes of one partition in a fetch, unless an option says otherwise
	maxFetches   = 2         // fetches in progress, and read but not polled, together
	maxInflated  = 4 << 20   // bytes to which the batches of one poll may be decompressed, before the last of them
	maxBatch     = 16 << 20  // bytes to which one batch may be decompressed
	maxPoll      = 5000      // records of one poll
	pollMemory   = 4 << 20   // bytes that are taken from the memory of all inputs while there are messages to be read

	memoryRetry   = 100 * time.Millisecond // until memory is asked for again
	pollTime      = 20 * time.Millisecond  // of a poll, while there are no messages
	silentTime    = 500 * time.Millisecond // between two polls then, without memory
	lookTime      = 20 * time.Millisecond  // between two looks for messages meanwhile
	heldRetry     = 100 * time.Millisecond // until what a step holds is flushed again
	flushTime     = 5 * time.Second        // for what was polled to be in the queues, at a stop
	commitTime    = 10 * time.Second       // for a commit of offsets
	leaveTime     = 3 * time.Second        // for leaving the group
	fetchWait     = 500 * time.Millisecond // that a broker may wait for messages
	sessionTime   = 45 * time.Second       // without a heartbeat, after which a member has left
	heartbeatTime = 3 * time.Second
	rebalanceTime = 60 * time.Second // to give up a partition
)

// Input is one member of a consumer group.
type Input struct {
	opts   []kgo.Opt
	config *kafka.Config
	env    input.Env
	events events
	poll   time.Duration // between two polls, while there are no more messages
	much   int           // bytes of a poll after which there are probably more

	fetch, partition int32 // bytes that brokers are asked for at once, in all and of one partition, at most

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu       sync.Mutex
	stopping chan struct{} // closed when no more is to be polled
	stopped  bool
	idle     chan struct{} // closed while nothing that was polled is unflushed
}

// New makes the input. It reads the certificates' files, and neither connects nor starts anything.
func New(o *Options, d config.Dialect, env input.Env) (input.Input, error) {
	c, err := o.Config(d, nil, env.Log)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	consumer, err := o.consumer()
	if err != nil {
		return nil, err
	}
	in := &Input{
		opts: append(c.Options, consumer...), config: c, env: env, poll: time.Duration(o.PollMs) * time.Millisecond, much: int(o.fetchBytes()) / 8,
		fetch: o.fetchBytes(), partition: o.partitionBytes(),
		events: newEvents(o, cmp.Or(o.Tag, env.DefaultTag())), stopping: make(chan struct{}), idle: make(chan struct{}),
	}
	close(in.idle)
	c.Watch.LogFailures()
	in.opts = append(in.opts, kgo.WithHooks(in))
	if err := kgo.ValidateOpts(in.opts...); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	if in.env.Memory == nil {
		in.env.Memory = input.NewMemory(budget.New(budget.Default))
	}
	in.ctx, in.cancel = context.WithCancel(context.Background())
	return in, nil
}

// Run implements input.Input. What was polled when ctx ends is still put into the queues, and its offsets are committed.
func (in *Input) Run(ctx context.Context, receiver func() input.Receiver) error {
	if in.ctx.Err() != nil {
		return nil
	}
	inflated, err := newInflater(maxInflated, maxBatch)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(append(in.opts[:len(in.opts):len(in.opts)], kgo.WithDecompressor(inflated))...)
	if err != nil {
		return fmt.Errorf("making the client: %w", err)
	}
	polling, cancel := context.WithCancel(ctx) // ends when no more is to be polled
	defer cancel()
	defer context.AfterFunc(in.ctx, cancel)()
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		select {
		case <-in.stopping:
			cancel()
		case <-stop:
		}
	})
	m := &member{Input: in, client: client, recv: receiver(), inflated: inflated, asked: in.fetch}
	err = m.consume(polling)
	close(stop)
	group.Wait()
	in.leave(client)
	if in.ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// leave ends the membership, so that the others take over the partitions at once, and the client.
func (in *Input) leave(client *kgo.Client) {
	ctx, cancel := context.WithTimeout(in.ctx, leaveTime)
	defer cancel()
	client.AllowRebalance()
	if err := client.LeaveGroupContext(ctx); err != nil && in.ctx.Err() == nil {
		in.env.Log.Warn().Err(err).Msg("leaving the consumer group failed: its other members get the partitions after the session timeout")
	}
	client.CloseAllowingRebalance()
}

// WaitIdle implements input.Input: it ends polling, and waits until what was polled is in the queues, and its offsets are
// committed. There would be no end to waiting for a topic to which nobody writes any more.
func (in *Input) WaitIdle(ctx context.Context) error {
	in.mu.Lock()
	if !in.stopped {
		in.stopped = true
		close(in.stopping)
	}
	idle := in.idle
	in.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-in.ctx.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reads implements input.ReadCounter: what is consumed doesn't say that clients of other inputs are still sending.
func (in *Input) Reads() int64 { return 0 }

// Close implements input.Input.
func (in *Input) Close() error {
	in.cancel()
	return nil
}

// setIdle notes whether everything that was polled is flushed, and its offsets committed.
func (in *Input) setIdle(idle bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if idle {
		close(in.idle)
	} else {
		in.idle = make(chan struct{})
	}
}

// OnGroupManageError implements kgo.HookGroupManageError.
func (in *Input) OnGroupManageError(err error) {
	if in.ctx.Err() == nil {
		in.env.Log.Warn().Err(err).Msg("the consumer group can't be joined: trying again")
	}
}
