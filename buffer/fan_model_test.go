package buffer

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzFan holds three queues of a Fan against a model each, as FuzzQueue does one. The steps go to one of them after the other,
// but for most appends, which go to the Fan, and crashes, which are of all.
func FuzzFan(f *testing.F) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		script := make([]byte, r.IntN(500))
		for n := range script {
			script[n] = byte(r.Uint32())
		}
		f.Add(script, uint16(r.IntN(3000)))
	}
	f.Fuzz(func(t *testing.T, script []byte, segment uint16) {
		models := make([]*model, 3)
		for n, l := range newLinked(len(models)) {
			models[n] = &model{t: t, fs: l.memory, folder: l, segment: max(dataAt, int64(segment))}
			models[n].open()
		}
		fan := fanOfModels(models)
		for at, b := range script[:min(len(script), 2000)] {
			switch m := models[at%len(models)]; {
			case b&7 < 3 && at%4 > 0:
				for range 1 + b>>3%4 {
					appendToAll(fan, models)
				}
			case b&7 == 7 && b>>3%4 == 1:
				crashAll(models)
				fan = fanOfModels(models)
			default:
				q := m.q
				if m.step(b); m.q != q {
					fan = fanOfModels(models)
				}
			}
			for _, m := range models {
				m.check()
			}
		}
		for _, m := range models {
			m.end()
		}
	})
}

func crashAll(models []*model) {
	var folders []*linked
	for _, m := range models {
		folders = append(folders, m.folder.(*linked))
	}
	for n, l := range cloneAll(folders) {
		models[n].fs, models[n].folder = l.memory, l
		models[n].reopen()
	}
}

func fanOfModels(models []*model) *Fan {
	var queues []*Queue
	for _, m := range models {
		queues = append(queues, m.q)
	}
	return NewFan(queues)
}

func appendToAll(f *Fan, models []*model) {
	i := models[0].appended
	var took []*Queue
	f.Append([]byte(batchText(i)), batchRecords(i), func(q *Queue) { took = append(took, q) })
	for _, m := range models {
		m.appended = i
		if !slices.Contains(took, m.q) {
			m.append()
			continue
		}
		m.appended++
		d := delivery{m.q.id, m.q.next - uint64(batchRecords(i)), batchRecords(i), batchText(i)}
		m.batches = append(m.batches, modelBatch{delivery: d, bytes: frameHeader + int64(len(d.text))})
	}
}
