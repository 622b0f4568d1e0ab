package router

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/dead"
)

// DeadFiles lists the files of the dead letters of a plan's outputs, by output. others are files in the same folders whose
// outputs the plan doesn't have, by the name that they begin with: to send those records again, somebody must choose an output.
func DeadFiles(plan *config.Plan) (own, others map[string][]string, err error) {
	r, diags := New(plan, Env{})
	if len(diags) > 0 {
		return nil, nil, diags[0]
	}
	ids := make(map[string]string) // of outputs, by file
	for _, o := range r.outputs {
		if dir := r.deadDir(o, r.queueDir(o)); dir != "" {
			ids[dead.NewFile(dir, o.name, 0, nil, r.log).Path()] = o.id
		}
	}
	own, others = make(map[string][]string), make(map[string][]string)
	listed := make(map[string]bool)
	for path := range ids {
		dir := filepath.Dir(path)
		if listed[dir] {
			continue
		}
		listed[dir] = true
		files, err := dead.Files(dir)
		if err != nil {
			return nil, nil, fmt.Errorf("dead letters in %s: %w", dir, err)
		}
		for _, file := range files {
			name, _, _ := strings.Cut(filepath.Base(file), dead.Suffix)
			if id, ok := ids[filepath.Join(dir, name+dead.Suffix)]; ok {
				own[id] = append(own[id], file)
			} else {
				others[name] = append(others[name], file)
			}
		}
	}
	return own, others, nil
}

// resendBatch is the size in bytes at which records that are sent again are put into the queue together.
const resendBatch = 256 << 10

// Resend delivers what is in one output's dead letter once more, to that output's destination, without the steps, which have
// been applied already. It works beside a running router and without one. Records that are refused again go to the
// dead letter again. Each file is removed when all of its records have ended; if ctx ends first the file stays, and the
// next Resend begins it anew. (Files that are rotated meanwhile stay for the next one, too.) Only the entries that the filter selects
// are sent; the others stay in the dead letter. So do lines without a record, which are an error. All files are of one dead letter.
func Resend(ctx context.Context, plan *config.Plan, env Env, id string, files []string, only *dead.Filter) (Account, error) {
	sum := Account{Output: id}
	if len(files) == 0 {
		return sum, nil
	}
	unlock, err := dead.Lock(files[0])
	if err != nil {
		return sum, err
	}
	defer unlock()
	var errs []error
	for _, file := range files {
		if !hasAny(file, only) {
			continue
		}
		a, err := resendFile(ctx, plan, env, id, file, only)
		sum.Received, sum.Delivered, sum.Dead, sum.Buffered = sum.Received+a.Received, sum.Delivered+a.Delivered, sum.Dead+a.Dead, sum.Buffered+a.Buffered
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return sum, errors.Join(errs...)
}

// hasAny reports whether the filter selects anything in a file.
func hasAny(file string, only *dead.Filter) bool {
	if only.All() {
		return true
	}
	for e, err := range dead.Read(file) {
		if err == nil && only.Match(&e) {
			return true
		}
	}
	return false
}

func resendFile(ctx context.Context, plan *config.Plan, env Env, id, file string, only *dead.Filter) (Account, error) {
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
	o.final = true
	if err := r.openIn(o, buffer.Options{Name: o.name, Log: o.log}, r.queueDir(o)); err != nil {
		return Account{}, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.loop.Run(ctx)
	}()
	rest := dead.NewRest(claimed)
	var bad unsendable
	err = o.refill(ctx, claimed, only, rest, &bad)
	o.loop.Drain()
	<-done
	account := o.account()
	if n := account.Buffered; n > 0 {
		err = errors.Join(err, fmt.Errorf("%d records are not delivered", n))
	}
	if err := errors.Join(err, o.queue.Close(), o.dead.Close(), ctx.Err()); err != nil {
		rest.Discard()
		return account, fmt.Errorf("%s is kept: %w", claimed, err)
	}
	return account, errors.Join(rest.Finish(), bad.err())
}

// unsendable are the lines of a dead letter's file that have no record. They stay there: if the whole file did, what was delivered
// would be sent again by the next Resend.
type unsendable struct {
	n     int
	first error
}

func (u *unsendable) add(err error) {
	if u.n++; u.n == 1 {
		u.first = err
	}
}

func (u *unsendable) err() error {
	if u.n == 0 {
		return nil
	}
	return fmt.Errorf("lines without a record can't be sent, and are kept: %d, the first: %w", u.n, u.first)
}

// refill appends the records of a dead letter's file to the queue: those that the filter selects. The others are the rest, as are lines
// without a record.
func (o *output) refill(ctx context.Context, file string, only *dead.Filter, rest *dead.Rest, bad *unsendable) error {
	var batch record.Batch
	flush := func() error {
		defer batch.Reset()
		if batch.Records() == 0 {
			return nil
		}
		return o.queue.Append(ctx, batch.Bytes(), batch.Records(), func() { o.tally.received += int64(batch.Records()) })
	}
	for entry, err := range dead.Read(file) {
		if err != nil && !entry.IsLine() {
			return errors.Join(err, flush())
		}
		var body []byte
		take := err == nil && only.Match(&entry)
		if take {
			if body, err = entry.Body(); err != nil {
				err = fmt.Errorf("%s: record %s: %w", file, entry.ID, err)
			}
		}
		if err != nil {
			bad.add(err)
		}
		if !take || err != nil {
			if err := rest.Keep(&entry); err != nil {
				return err
			}
			continue
		}
		t := record.Time{Sec: uint32(entry.RecordTime.Unix()), Nsec: uint32(entry.RecordTime.Nanosecond())}
		batch.Add(entry.Tag, t, body)
		if batch.Len() >= resendBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
