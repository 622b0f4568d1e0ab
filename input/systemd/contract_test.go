package systemd

import (
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
	"github.com/firelane/firelane/input/systemd/journal"
	"github.com/firelane/firelane/input/systemd/journaltest"
	"github.com/firelane/firelane/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// A journalSource is a journal that is written.
type journalSource struct {
	dir string
	w   *journaltest.Writer
	n   uint64
}

func (s *journalSource) Send(t *testing.T, text string) {
	t.Helper()
	s.n++
	add(t, s.w, s.n, "LOG="+text)
}

func (s *journalSource) Acked(t *testing.T) int {
	p := &positions{slots: map[journal.ID]slot{}}
	f := openFile(t, filepath.Join(s.dir, "db"))
	defer f.Close()
	p.file = f
	if err := p.load(); err != nil {
		t.Fatal(err)
	}
	for _, s := range p.slots {
		return int(s.pos)
	}
	return 0
}

func (s *journalSource) Close() { _ = s.w.Close() }

func TestContract(t *testing.T) {
	inputtest.Run(t, inputtest.Subject{Acks: true, Open: func(t *testing.T) (input.Input, inputtest.Source) {
		dir := t.TempDir()
		s := &journalSource{dir: dir, w: create(t, filepath.Join(dir, "system.journal"), journaltest.Options{Compact: true})}
		in, err := New(&Options{Path: dir, DB: filepath.Join(dir, "db"), MaxFields: 100, MaxEntries: 1, Lowercase: true}, config.FluentBit, input.Env{ID: "systemd.0", Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		return in, s
	}})
}
