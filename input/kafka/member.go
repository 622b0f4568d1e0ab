package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/kafka"
)

// A member is what one Run works with.
type member struct {
	*Input
	client   *kgo.Client
	recv     input.Receiver
	inflated *inflater
	asked    int32 // bytes that brokers are asked for at once
}

// consume polls until ctx ends. While the queues are full it doesn't poll, and the client fetches no more than maxFetches.
func (m *member) consume(ctx context.Context) error {
	for ctx.Err() == nil {
		begun := time.Now()
		size, err := m.round(ctx)
		if err != nil {
			return err
		}
		if size < m.much && m.client.BufferedFetchRecords() == 0 {
			pause(ctx, m.poll-time.Since(begun))
		}
		if size == 0 {
			m.await(ctx)
		}
	}
	return nil
}

// await waits until there is something to poll, but not long: errors have to be polled, too. It has no memory meanwhile, so that the
// inputs of silent topics leave it to others.
func (m *member) await(ctx context.Context) {
	for end := time.Now().Add(silentTime); m.client.BufferedFetchRecords() == 0 && time.Now().Before(end) && ctx.Err() == nil; {
		pause(ctx, lookTime)
	}
}

// round polls once, puts what comes into the queues, and commits its offsets. Until then no partition is given up. It returns how
// many bytes came.
func (m *member) round(ctx context.Context) (size int, err error) {
	if !m.takeMemory(ctx) {
		return 0, nil
	}
	defer m.env.Memory.Release(pollMemory)
	polling, cancel := context.WithTimeout(ctx, pollTime)
	defer cancel()
	fetches := m.client.PollRecords(polling, maxPoll)
	defer m.client.AllowRebalance()
	fetches.EachError(m.report)
	if fetches.NumRecords() == 0 && polling.Err() != nil {
		return 0, nil // nothing came
	}
	m.adapt(m.inflated.reset())
	if fetches.NumRecords() == 0 {
		return 0, nil
	}
	m.setIdle(false)
	defer m.setIdle(true)
	if m.events.cluster == "" && m.events.needsCluster(fetches) {
		m.askCluster()
	}
	size, last := m.events.add(m.recv, fetches)
	if err := m.flush(ctx); err != nil {
		return size, err
	}
	m.commit(last)
	return size, nil
}

// adapt has brokers asked for fewer bytes if they become many when they are decompressed, and for more again if they don't.
func (m *member) adapt(fetch int64) {
	bytes := int32(min(max(fetch, minFetch), int64(m.fetch)))
	if bytes < m.asked*3/4 || bytes > m.asked*5/4 {
		m.asked = bytes
		m.client.UpdateFetchMaxBytes(bytes, min(bytes, m.partition))
	}
}

// takeMemory waits for the memory of a poll; false if ctx ends first.
func (m *member) takeMemory(ctx context.Context) bool {
	for !m.env.Memory.Take(pollMemory) {
		if pause(ctx, memoryRetry); ctx.Err() != nil {
			return false
		}
	}
	return true
}

// flush returns nil when everything that was added is queued, and no step holds any of it. After the end of ctx it has
// flushTime.
func (m *member) flush(ctx context.Context) error {
	limit := flushTime
	if m.env.FlushTime > 0 {
		limit = m.env.FlushTime
	}
	flushing, cancel := context.WithCancel(m.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(limit, cancel)
		context.AfterFunc(flushing, func() { timer.Stop() })
	})()
	for {
		err := m.recv.Flush(flushing)
		if !errors.Is(err, input.ErrHeld) {
			return err
		}
		if pause(flushing, heldRetry); flushing.Err() != nil {
			return flushing.Err()
		}
	}
}

// commit commits the offsets after the last records of each partition. If that fails the records are consumed again, under the
// same ids.
func (m *member) commit(last []*kgo.Record) {
	ctx, cancel := context.WithTimeout(m.ctx, commitTime)
	defer cancel()
	if err := m.client.CommitRecords(ctx, last...); err != nil && m.ctx.Err() == nil {
		m.env.Log.Warn().Err(err).Int("partitions", len(last)).Msg("committing offsets failed: records that are in the queue will be consumed again, under the same ids")
	}
}

// askCluster asks for the cluster's id.
func (m *member) askCluster() {
	ctx, cancel := context.WithTimeout(m.ctx, commitTime)
	defer cancel()
	resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, m.client)
	if err == nil && resp.ClusterID != nil {
		m.events.cluster = *resp.ClusterID
	}
}

// report logs why a partition can't be read. The client goes on trying, unless it says otherwise.
func (m *member) report(topic string, partition int32, err error) {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, kgo.ErrClientClosed), errors.Is(err, errInflated):
		return
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		err = fmt.Errorf("%w: create the topic", err)
	case kafka.Unauthorised(err):
		err = fmt.Errorf("%w: give the input's user the permissions to read the topic and the group", err)
	}
	m.env.Log.Warn().Err(err).Str("topic", topic).Int32("partition", partition).Msg("a partition can't be consumed")
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
