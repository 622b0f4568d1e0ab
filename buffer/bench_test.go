package buffer

import (
	"context"
	"fmt"
	"math"
	"testing"
)

// benchQueue is a queue that is never full, with a reader that commits all that is appended.
func benchQueue(b *testing.B, dir string) *Queue {
	q, err := Open(Options{Dir: dir, Name: "bench", Limit: math.MaxInt64 / 2})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := q.Next(context.Background(), 1<<20, 1e9)
			if err != nil {
				return
			}
			q.Commit(c)
		}
	}()
	b.Cleanup(func() { q.Close(); <-done })
	return q
}

func BenchmarkAppend(b *testing.B) {
	for _, where := range []string{"disk", "memory"} {
		for _, size := range []int{500, 64 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%d", where, size), func(b *testing.B) {
				dir := ""
				if where == "disk" {
					dir = b.TempDir()
				}
				q := benchQueue(b, dir)
				batch := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := q.Append(context.Background(), batch, 1, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkAppendFrom200(b *testing.B) {
	q := benchQueue(b, b.TempDir())
	b.SetParallelism(100)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		batch := make([]byte, 500)
		for pb.Next() {
			if err := q.Append(context.Background(), batch, 1, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkWrite is what the system call alone costs, to compare Append with.
func BenchmarkWrite(b *testing.B) {
	d, err := openDisk(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	for _, size := range []int{524, 64<<10 + frameHeader} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			f, err := d.Open(fmt.Sprint(size), true)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			buf := make([]byte, size)
			off := int64(0)
			b.SetBytes(int64(size))
			for b.Loop() {
				if off > segmentSize {
					off = 0
					f.Truncate(0)
				}
				f.WriteAt(buf, off)
				off += int64(size)
			}
		})
	}
}

func BenchmarkNextCommit(b *testing.B) {
	const size, perChunk = 500, 1 << 20
	q, err := Open(Options{Dir: b.TempDir(), Name: "bench", Limit: math.MaxInt64 / 2})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	batch := make([]byte, size)
	b.SetBytes(perChunk)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for range perChunk / size {
			q.Append(context.Background(), batch, 1, nil)
		}
		b.StartTimer()
		c, err := q.Next(context.Background(), perChunk, 0)
		if err != nil {
			b.Fatal(err)
		}
		q.Commit(c)
	}
}
