// Package gather is the second delivery loop, for stores of objects. An object is large, and is not added to once it is
// finished. The queue is the only place where records wait: an object takes minutes and may be larger than memory, so
// its records are read from the queue as it is sent, and committed there when it is finished. After a crash the object is begun
// again under the same name.
package gather

import (
	"context"
	"errors"
	"time"

	"github.com/firelane/firelane/sink"
)

// A Store is one place where objects are kept, such as a bucket. Its constructor is
//
//	New(opts *Options, d config.Dialect, env sink.Env) (gather.Store, error)
//
// where config has bound and checked opts. It opens no connection before the first Write, Finish or Abandon. Key is called by
// another goroutine than the other methods; the other methods are called by one goroutine at a time.
type Store interface {
	// Key appends the key of r to dst. Records with the same key share an object. It must not depend on anything but r.
	Key(dst []byte, r *sink.Record) []byte

	// Append encodes r and appends it to body. An error means that r can never be stored; its text becomes the dead letter's
	// reason, and body is returned unchanged.
	Append(body []byte, r *sink.Record) ([]byte, error)

	// Create begins the object whose first record is first, which is whole, and valid only during the call. For the same record
	// and Start the object always has the same name, so that one that is begun again after a crash replaces the one that was
	// being written.
	Create(first *sink.Record, s Start) Object

	// Abandon removes what an earlier process left of an object that it noted (Start.Note) and did not finish.
	Abandon(ctx context.Context, name, token string) sink.Reply

	// Limits returns the limits of the store's objects. They never change.
	Limits() Limits

	// Close releases connections. It is not called while another method is in progress.
	Close() error
}

// An Object is one that is being written. Each method that may wait makes one attempt, and returns soon after ctx ends; the loop
// tries again. Its replies have no Items: an object is stored as a whole.
type Object interface {
	// Write appends encoded records. If it fails, what was written since the object was last Saved must be written again,
	// after Rewind. It doesn't keep body.
	Write(ctx context.Context, body []byte) sink.Reply

	// Saved reports whether all that was written is at the store, or nothing has been written.
	Saved() bool

	// Size returns the size of the object so far, in bytes as they are stored. It is an estimate while a compressor holds some,
	// but not 0 if anything was written.
	Size() int64

	// Rewind forgets what was written since the object was last Saved, and releases its memory.
	Rewind()

	// Finish completes the object. If it fails it is called again, after Rewind and Writes of what was not Saved. The verdict
	// Never means that no attempt can succeed: the object's records go to the dead letter.
	Finish(ctx context.Context) sink.Reply

	// Abort removes what is at the store of an object that is not finished.
	Abort(ctx context.Context)

	// Name returns the object's name.
	Name() string
}

// ErrGone is wrapped by the error of a Write or Finish if the store has lost what was saved of the object, or may have finished
// it: the object is begun again.
var ErrGone = errors.New("the unfinished object is gone")

// A Start is what the loop tells a new object.
type Start struct {
	// Index is the number of the object among those of the queue, from 0, also after restarts as long as the queue's folder
	// stays. It is counted only if Limits.Indexed is set.
	Index uint64
	// Note persists that the store is about to hold something of the object, which Abandon must remove; a later call adds a
	// token by which it can be found. It fails only if the disk does.
	Note func(name, token string) error
}

// Limits say when an object is finished.
type Limits struct {
	ObjectBytes int64         // size, as stored, at which an object is finished
	PartBytes   int           // size, as stored, from which on a part of an object can be sent
	MaxAge      time.Duration // how long after its first record an object is finished
	Memory      int           // bytes of memory that an object takes while it is sent
	Indexed     bool          // names depend on Start.Index
	// Slice other than 0 means that the records of an object are of the same Slice of time, and that it is finished
	// SliceWait after the end of that, instead of MaxAge after its first record.
	Slice, SliceWait time.Duration
	SliceOffset      time.Duration // of the zone whose days and hours the slices are, east of UTC
}
