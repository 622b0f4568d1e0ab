package kafka

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firelane/firelane/kafka"
)

// pollEvery is how often a wait looks whether brokers can be reached, and whether records of earlier attempts have ended.
const pollEvery = 100 * time.Millisecond

// errNotYet is the outcome of a record that the client still holds.
var errNotYet = errors.New("the brokers have not acknowledged the record in time")

// An attempt is one Send: its records, and what became of each.
type attempt struct {
	k       *destination
	client  *kgo.Client
	records []kgo.Record
	ids     []recordID
	begun   time.Time
	results *results
	earlier map[int]lateRecord // records that the client has from earlier attempts
	handing sync.WaitGroup     // goroutines that give records to the client
}

// A recordID is a record's id, as text.
type recordID [idLen]byte

// results are the outcomes of the records of one attempt. They may outlive it.
type results struct {
	mu       sync.Mutex
	outcomes []outcome
	left     int           // records that the client holds for this attempt
	done     chan struct{} // has a value when left became 0
}

// An outcome is what became of a record.
type outcome struct {
	state state
	err   error // of an ended one; nil: it is stored
}

type state uint8

const (
	unsent state = iota
	sent         // the client has it, for this attempt or for an earlier one
	ended
)

func newAttempt(k *destination, client *kgo.Client, records []kgo.Record, ids []recordID) *attempt {
	return &attempt{
		k: k, client: client, records: records, ids: ids, begun: time.Now(),
		results: &results{outcomes: make([]outcome, len(records)), done: make(chan struct{}, 1)},
	}
}

// set sets outcomes.
func (r *results) set(items []int, o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range items {
		r.outcomes[i] = o
	}
}

// which lists the records whose outcome is so.
func (r *results) which(is func(outcome) bool) (items []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, o := range r.outcomes {
		if is(o) {
			items = append(items, i)
		}
	}
	return items
}

// all returns a copy of all outcomes.
func (r *results) all() []outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.outcomes)
}

func (r *results) get(i int) outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outcomes[i]
}

// end takes a record's outcome from the client.
func (r *results) end(i int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes[i] = outcome{ended, err}
	if r.left--; r.left == 0 {
		select {
		case r.done <- struct{}{}:
		default:
		}
	}
}

// produce gives records to the client, in the background: whatever keeps the client from taking them, wait ends with its context.
// The attempt keeps its turn until handing is over.
func (a *attempt) produce(items []int) {
	if len(items) == 0 {
		return
	}
	r := a.results
	r.set(items, outcome{state: sent})
	r.mu.Lock()
	r.left += len(items)
	r.mu.Unlock()
	a.handing.Go(func() {
		for _, i := range items { // TryProduce refuses what exceeds the client's limits; it doesn't wait for room
			a.client.TryProduce(context.Background(), &a.records[i], func(_ *kgo.Record, err error) { r.end(i, err) })
		}
	})
}

// wait waits until all records have ended, ctx ends, or no broker can be reached for some time.
func (a *attempt) wait(ctx context.Context) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for !a.complete() {
		select {
		case <-a.results.done:
		case <-ctx.Done():
			return
		case now := <-poll.C:
			since, err := a.k.config.Watch.Unreachable()
			limit := brokenTime
			if kafka.Unauthorised(err) {
				limit = refusedTime
			}
			if err != nil && now.Sub(since) > limit && now.Sub(a.begun) > limit {
				return
			}
		}
	}
}

// complete reports whether all records have ended. One of an earlier attempt that is known not to be stored is produced anew.
func (a *attempt) complete() bool {
	var anew []int
	for i, late := range a.earlier {
		o := late.from.get(late.i)
		if o.state != ended {
			continue
		}
		delete(a.earlier, i)
		a.k.forget(a.ids[i])
		if o.err != nil {
			anew = append(anew, i)
		} else {
			a.results.set([]int{i}, o)
		}
	}
	a.produce(anew)
	a.results.mu.Lock()
	defer a.results.mu.Unlock()
	return a.results.left == 0 && len(a.earlier) == 0
}

func isUnsent(o outcome) bool { return o.state == unsent }

// isRefused reports whether a record was in a batch that the broker refused as a whole: because of one of its records, or because
// they are too large together.
func isRefused(o outcome) bool { return o.state == ended && isBatchRefusal(o.err) }

// isolate sends the refused records in ever smaller groups, until each is either stored or refused alone. The caller is
// alone.
func (a *attempt) isolate(ctx context.Context, items []int) {
	groups := [][]int{items}
	for len(groups) > 0 && ctx.Err() == nil {
		group := groups[0]
		groups = groups[1:]
		if len(group) > 1 {
			groups = append([][]int{group[len(group)/2:]}, groups...)
			group = group[:len(group)/2]
		}
		for a.client.BufferedProduceRecords() > 0 { // late ones of other attempts would be in the same batch
			select {
			case <-ctx.Done():
				a.postpone(append(groups, group)...)
				return
			case <-time.After(linger):
			}
		}
		a.produce(group)
		a.wait(ctx)
		refused := slices.DeleteFunc(slices.Clone(group), func(i int) bool { return !isRefused(a.results.get(i)) })
		if len(refused) > 1 {
			groups = append([][]int{refused}, groups...)
		}
	}
	a.postpone(groups...)
}

// postpone leaves records that were refused with others for the next attempt.
func (a *attempt) postpone(groups ...[]int) {
	for _, group := range groups {
		a.results.set(group, outcome{ended, errNotYet})
	}
}
