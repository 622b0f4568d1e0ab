package router

import (
	"context"
	"errors"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/bulk"
	"github.com/firelane/firelane/sink/dead"
)

// newDeadOutput makes the output that delivers another one's dead letters to an index of the same cluster. It has a queue
// of its own, beside that output's, so that dead letters wait and are retried like other records. What the index refuses
// goes to a file.
func (r *Router) newDeadOutput(o config.Output, of *output) (*output, error) {
	opts, ok := o.Options.(*bulk.Options)
	if !ok {
		return nil, errors.New("dead_letter index needs an output of type es, opensearch or elasticsearch; use file or log")
	}
	own := opts.ForDeadLetter(of.options.DeadLetterIndex)
	id := o.ID + ".dead"
	log := r.partLog("output", id, o.LogLevel)
	dest, err := bulk.New(own, r.plan.Dialect, r.sinkEnv(log))
	if err != nil {
		return nil, err
	}
	is := of.is
	is.dead = oneLine(of.options.DeadLetterIndex)
	return &output{
		id: id, is: is, options: &own.OutputOptions, dest: dest, log: log, tally: new(tally), taps: &r.taps, config: own, files: filesOf(own), level: o.LogLevel,
	}, nil
}

// deadAppend is how long a dead letter waits for room in its queue; then it goes to the file.
const deadAppend = 5 * time.Second

// deadQueue is a dead letter that is delivered by an output of its own.
type deadQueue struct {
	to       *output
	fallback dead.Letter
}

// Put implements dead.Letter. The record becomes the text of one field: an index that refused it must not refuse it
// again.
func (q *deadQueue) Put(d *dead.Record) string {
	if d.Packed() { // the text of its JSON might not fit into memory
		return q.fallback.Put(d)
	}
	b := record.AppendMapHeader(nil, 8)
	b = record.AppendStr(record.AppendStr(b, "died"), d.Time.UTC().Format(time.RFC3339Nano))
	b = record.AppendStr(record.AppendStr(b, "output"), d.Output)
	b = record.AppendStr(record.AppendStr(b, "index"), d.Target)
	b = record.AppendInt(record.AppendStr(b, "status"), int64(d.Status))
	b = record.AppendStr(record.AppendStr(b, "type"), d.Type)
	b = record.AppendStr(record.AppendStr(b, "reason"), d.Reason)
	b = record.AppendStr(record.AppendStr(b, "tag"), d.Record.Tag)
	b = record.AppendStrBytes(record.AppendStr(b, "record"), record.AppendJSON(nil, d.Record.Body))

	var batch record.Batch
	batch.Add(d.Record.Tag, d.Record.Time, b)
	ctx, cancel := context.WithTimeout(context.Background(), deadAppend)
	defer cancel()
	if err := q.to.queue.Append(ctx, batch.Bytes(), batch.Records(), func() { q.to.tally.received++ }); err != nil {
		return q.fallback.Put(d)
	}
	return "index " + q.to.options.DeadLetterIndex
}

// Close implements dead.Letter.
func (q *deadQueue) Close() error { return q.fallback.Close() }
