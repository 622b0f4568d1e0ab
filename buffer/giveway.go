package buffer

import "slices"

// GiveWay makes room on a disk on which another queue can't be written by removing a file that no segment needs, and reports
// whether there was one.
func (q *Queue) GiveWay() bool {
	q.mu.Lock()
	defer q.unlock()
	return !q.isClosed() && q.giveUpSpare()
}

// DropOldestOf makes room on such a disk by dropping the oldest records of one of the queues of which nothing is delivered (as
// long as Stalled says, but they need not be full), the first for which that can be done, and reports whether there was one.
// Where several queues have a file in common, all of them have to be such queues. The segment that is being written stays.
func DropOldestOf(queues []*Queue) bool {
	names, found := make([]int, len(queues)), make([]uint64, len(queues))
	for n, q := range queues {
		names[n], found[n] = q.oldestFile()
	}
	for n := range queues {
		var same []*Queue
		for o, q := range queues {
			if o == n || names[o] > 1 && names[n] > 1 && found[o] == found[n] {
				same = append(same, q)
			}
		}
		if len(same) != names[n] {
			continue
		}
		for _, q := range same {
			q.mu.Lock()
			if q.mayDropOldest() {
				q.dropOldest()
			}
			q.unlock()
		}
		return true
	}
	return false
}

// oldestFile is the file of the oldest segment, and how many names it has; 0 where it may not be dropped.
func (q *Queue) oldestFile() (names int, file uint64) {
	q.mu.Lock()
	defer q.unlock()
	if !q.mayDropOldest() {
		return 0, 0
	}
	if s := q.segs[0]; s.slots > 0 {
		names, file = q.fs.Links(s.name())
	}
	return max(names, 1), file
}

// DropOldestWith drops the oldest segment of a queue that has no room on the disk, and that file's segment of each of the others that have
// it, too, with what is older. It reports false, and does nothing, unless all that have the file have the policy DropOldest, or are such
// queues as DropOldestOf wants.
func (q *Queue) DropOldestWith(others []*Queue) bool {
	q.mu.Lock()
	var names int
	var file uint64
	if len(q.segs) > 0 {
		names, file = q.fs.Links(q.segs[0].name())
	}
	q.mu.Unlock()
	with := append([]*Queue{q}, slices.DeleteFunc(slices.Clone(others), func(o *Queue) bool { return o == q })...)
	with = slices.DeleteFunc(with, func(o *Queue) bool { return !o.dropUpTo(file, false) })
	if len(with) == 0 || len(with) != names {
		return false
	}
	for _, o := range with {
		o.dropUpTo(file, true)
	}
	return true
}

// dropUpTo reports whether the queue may drop the segment of a file and all before it, and drops them if really is set. The segment that is
// being written stays.
func (q *Queue) dropUpTo(file uint64, really bool) bool {
	q.mu.Lock()
	defer q.unlock()
	if q.isClosed() || q.full != DropOldest && !q.standsStill(q.progress) {
		return false
	}
	n := slices.IndexFunc(q.segs, func(s *segment) bool {
		_, same := q.fs.Links(s.name())
		return same == file
	})
	if n < 0 || n == len(q.segs)-1 {
		return false
	}
	for ; really && n >= 0; n-- {
		q.dropOldest()
	}
	return true
}

// mayDropOldest reports whether the oldest segment may make room for others.
func (q *Queue) mayDropOldest() bool {
	return !q.isClosed() && len(q.segs) > 1 && q.standsStill(q.progress)
}

// SameDisk reports whether both queues are on the same disk.
func (q *Queue) SameDisk(other *Queue) bool {
	a, ok := q.lock.(*disk)
	b, same := other.lock.(*disk)
	return ok && same && a.device != 0 && a.device == b.device
}

// isOnlyOurs reports whether no other queue needs the segment's file, so that it may be changed at will. A queue whose folder was
// removed reads it without having a name for it, which can't be seen in a file that an earlier process has made.
func (q *Queue) isOnlyOurs(s *segment) bool {
	return s.slots == 0 || s.users != nil && s.users.Load() == 1 && q.hasOneName(s)
}

// hasOneName reports whether the segment's file is gone when this queue removes it.
func (q *Queue) hasOneName(s *segment) bool {
	if s.slots == 0 {
		return true
	}
	names, _ := q.fs.Links(s.name())
	return names == 1
}

// leave says that the queue no longer needs the segment's file.
func (s *segment) leave() {
	if s.users != nil {
		s.users.Add(-1)
		s.users = nil
	}
}
