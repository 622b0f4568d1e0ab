package router

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/dead"
)

// DeadFiles lists the files of the dead letters of a plan's outputs, by output.
func DeadFiles(plan *config.Plan) (map[string][]string, error) {
	r, diags := New(plan, Env{})
	if len(diags) > 0 {
		return nil, diags[0]
	}
	all := make(map[string][]string)
	for _, o := range r.outputs {
		files, err := dead.Files(r.deadDir(o, r.queueDir(o)))
		if err != nil {
			return nil, fmt.Errorf("dead letter of %s: %w", o.id, err)
		}
		name := filepath.Base(dead.NewFile("", o.id, 0, nil, r.log).Path())
		own := slices.DeleteFunc(files, func(f string) bool { return !strings.HasPrefix(filepath.Base(f), name) })
		if len(own) > 0 {
			all[o.id] = own
		}
	}
	return all, nil
}

// resendBatch is the size in bytes at which records that are sent again are put into the queue together.
const resendBatch = 256 << 10

// Resend delivers what is in one output's dead letter once more, to that output's destination, without the steps, which have
// been applied already. It works beside a running router and without one. Records that are refused again go to the
// dead letter again. Each file is removed when all of its records have ended; if ctx ends first the file stays, and the
// next Resend begins it anew. (Files that are rotated meanwhile stay for the next one, too.)
func Resend(ctx context.Context, plan *config.Plan, env Env, id string, files []string) (Account, error) {
	sum := Account{Output: id}
	var errs []error
	for _, file := range files {
		a, err := resendFile(ctx, plan, env, id, file)
		sum.Received, sum.Delivered, sum.Dead, sum.Buffered = sum.Received+a.Received, sum.Delivered+a.Delivered, sum.Dead+a.Dead, sum.Buffered+a.Buffered
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return sum, errors.Join(errs...)
}

func resendFile(ctx context.Context, plan *config.Plan, env Env, id, file string) (Account, error) {
	r, diags := New(plan, env)
	if len(diags) > 0 {
		return Account{}, diags[0]
	}
	n := slices.IndexFunc(r.outputs, func(o *output) bool { return o.id == id })
	if n < 0 {
		return Account{}, fmt.Errorf("there is no output %s", id)
	}
	o := r.outputs[n]
	claimed, err := dead.Claim(file)
	if err != nil {
		return Account{}, err
	}
	if err := r.openIn(o, buffer.Options{Name: o.id, Log: o.log}, r.queueDir(o)); err != nil {
		return Account{}, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.loop.Run(ctx)
	}()
	err = o.refill(ctx, claimed)
	o.loop.Drain()
	<-done
	account := o.account()
	if err := errors.Join(err, o.queue.Close(), o.dead.Close(), ctx.Err()); err != nil {
		return account, fmt.Errorf("%s is kept: %w", claimed, err)
	}
	return account, os.Remove(claimed)
}

// refill appends the records of a dead letter's file to the queue.
func (o *output) refill(ctx context.Context, file string) error {
	var batch record.Batch
	var errs []error
	flush := func() error {
		defer batch.Reset()
		if batch.Records() == 0 {
			return nil
		}
		return o.queue.Append(ctx, batch.Bytes(), batch.Records(), func() { o.tally.received += int64(batch.Records()) })
	}
	for entry, err := range dead.Read(file) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		body, err := entry.Body()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: record %s: %w", file, entry.ID, err))
			continue
		}
		t := record.Time{Sec: uint32(entry.RecordTime.Unix()), Nsec: uint32(entry.RecordTime.Nanosecond())}
		batch.Add(entry.Tag, t, body)
		if batch.Len() >= resendBatch {
			if err := flush(); err != nil {
				return errors.Join(append(errs, err)...)
			}
		}
	}
	return errors.Join(append(errs, flush())...)
}
