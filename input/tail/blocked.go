package tail

import (
	"context"
	"syscall"
	"time"
)

const (
	// blockedTime is after how long, and how often, files are checked while a Flush waits for a queue that is full.
	blockedTime = 100 * time.Millisecond
	// maxDeleted is how many bytes of deleted files, which were made meanwhile, stay on the disk because they are open.
	maxDeleted = 1 << 30
)

// flushAndLook flushes. If that takes long, files are checked meanwhile, and none is read: one that is renamed twice before there is
// room again is known by then.
func (in *Input) flushAndLook(ctx context.Context, t *timers) error {
	stop, ended := make(chan struct{}), make(chan struct{})
	timer := time.AfterFunc(blockedTime, func() {
		defer close(ended)
		in.lookWhileBlocked(stop, t)
	})
	err := in.recv.Flush(ctx)
	if !timer.Stop() {
		close(stop)
		<-ended
	}
	return err
}

// lookWhileBlocked looks at files until stop. The loop waits for its end, so everything but the receiver is its own.
func (in *Input) lookWhileBlocked(stop <-chan struct{}, t *timers) {
	in.blocked = true
	defer func() { in.blocked = false }()
	tick := time.NewTicker(blockedTime)
	defer tick.Stop()
	for {
		in.due(t)
		in.closeDeleted()
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// closeDeleted closes files that were made while the queue is full and deleted meanwhile, if they take too much of the disk: who deletes
// logs wants to have the room. What was not read of them is lost, which is logged when it is their turn.
func (in *Input) closeDeleted() {
	var size int64
	for e := in.opened.Front(); e != nil; {
		f := e.Value.(*file)
		e = e.Next()
		if !f.late || !f.rotated {
			continue
		}
		info, err := f.f.Stat()
		if err != nil {
			continue
		}
		f.size = info.Size()
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Nlink > 0 {
			continue
		}
		if size += f.size - f.offset; size > maxDeleted {
			in.closeFile(f)
		}
	}
}
