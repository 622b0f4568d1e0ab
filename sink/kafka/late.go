package kafka

import "time"

const (
	maxLate  = 4 * maxRecords // records of attempts that have ended, whose outcome has not been asked for
	lateTime = time.Hour      // how long an outcome that nobody asks for is kept: the queue has dropped the record
)

// lateRecords are records that the client held when the attempt that brought them ended, by their ids. The loop sends them
// again; but the client may already have stored them, or may still do so. Only after it has given one up may it be produced
// anew.
type lateRecords map[recordID]lateRecord

// A lateRecord is record i of an attempt that has ended.
type lateRecord struct {
	from *results
	i    int
	left time.Time // when the attempt ended
}

// claim finds the records that the client has from earlier attempts.
func (a *attempt) claim() {
	a.k.mu.Lock()
	defer a.k.mu.Unlock()
	if len(a.k.late) == 0 {
		return
	}
	for i, id := range a.ids {
		late, ok := a.k.late[id]
		if !ok {
			continue
		}
		if a.earlier == nil {
			a.earlier = map[int]lateRecord{}
		}
		a.earlier[i] = late
		a.results.set([]int{i}, outcome{state: sent})
	}
}

// leave notes the records that the client still has for this attempt.
func (a *attempt) leave() {
	held := a.results.which(func(o outcome) bool { return o.state == sent })
	a.k.mu.Lock()
	defer a.k.mu.Unlock()
	now := time.Now()
	for _, i := range held {
		if _, earlier := a.earlier[i]; earlier {
			continue
		}
		if a.k.late == nil {
			a.k.late = lateRecords{}
		}
		a.k.late[a.ids[i]] = lateRecord{a.results, i, now}
	}
	a.k.late.prune(now)
}

// forget removes a record whose outcome has been taken.
func (k *destination) forget(id recordID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.late, id)
}

// prune removes outcomes that nobody has asked for in a long time, or if there are too many. It never removes a record that the
// client still holds.
func (l lateRecords) prune(now time.Time) {
	for id, r := range l {
		if (len(l) > maxLate || now.Sub(r.left) > lateTime) && r.from.get(r.i).state == ended {
			delete(l, id)
		}
	}
}
