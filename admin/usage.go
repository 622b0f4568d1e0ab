package admin

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/router"
)

// Usage is /api/firelane/usage: what a sample of the records that were queued for outputs consists of. A record for two outputs counts
// twice. Bytes are those of MessagePack, about as many as of JSON.
type Usage struct {
	Seconds    float64 `json:"seconds"`
	Sampled    int64   `json:"sampled_records"`
	Passed     int64   `json:"passed_records"` // in that time, those in the sample among them
	Bytes      int64   `json:"sampled_bytes"`
	Containers []Share `json:"containers"` // by container_name, or by tag; the largest first
	Fields     []Share `json:"fields"`     // by the record's own fields, the key included
}

// A Share is a part of the sample.
type Share struct {
	Name    string `json:"name"`
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"`
}

// Limits of a sample.
const (
	sampleRate     = 50 // records a second
	maxSampleTime  = 30 * time.Second
	sampleTime     = 2 * time.Second // unless the request says otherwise
	maxNames       = 200             // containers, and fields; further ones are counted together
	maxNameBytes   = 128             // of a name
	maxSharesShown = 50
	otherNames     = "(others)"
	// usageMemory is what a sample takes from the memory of buffers.
	usageMemory = 128 << 10
)

// usage samples for as many seconds as the request says, and answers then. So counting costs nothing while nobody looks.
func (wt *watch) usage(w http.ResponseWriter, r *http.Request) {
	length := sampleTime
	if s := r.FormValue("seconds"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || time.Duration(n)*time.Second > maxSampleTime {
			http.Error(w, "error: seconds="+strconv.Quote(s)+"; want 1 to 30", http.StatusBadRequest)
			return
		}
		length = time.Duration(n) * time.Second
	}
	patient(w, length)
	s := newSample()
	begin := time.Now()
	end, err := wt.Watched.Tap(&s.viewer)
	if err != nil {
		refuseViewer(w, err)
		return
	}
	defer end()
	over := time.NewTimer(length)
	defer over.Stop()
	select {
	case <-over.C:
	case <-r.Context().Done():
		return
	}
	end() // no call of See after this
	if err := s.viewer.Err(); err != nil {
		refuseViewer(w, err)
		return
	}
	writeJSON(w, s.result(time.Since(begin)))
}

// patient lets a reply take that much longer than others.
func patient(w http.ResponseWriter, more time.Duration) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // otherwise it ends the request's context
	_ = c.SetWriteDeadline(time.Now().Add(more + writeTimeout))
}

// refuseViewer answers that there can't be another viewer.
func refuseViewer(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	if errors.Is(err, router.ErrViewers) {
		code = http.StatusServiceUnavailable
	}
	http.Error(w, "error: "+err.Error(), code)
}

// A sample counts what records consist of.
type sample struct {
	viewer     router.Viewer
	records    int64
	bytes      int64
	containers map[string]*Share
	fields     map[string]*Share
	container  field.Accessor
	name       []byte
}

func newSample() *sample {
	s := &sample{containers: map[string]*Share{}, fields: map[string]*Share{}, container: field.Name("container_name")}
	s.viewer = router.Viewer{Stages: []router.Stage{router.StageOut}, Records: sampleRate, See: s.see, Memory: usageMemory}
	return s
}

func (s *sample) see(one *router.Shown) {
	ev := one.Event
	size := int64(len(ev.Body) + len(ev.Tail))
	s.records++
	s.bytes += size
	add(s.containers, s.containerOf(ev), size)
	for _, body := range [][]byte{ev.Body, ev.Tail} {
		for f := record.FieldsOf(body); f.Next(); {
			add(s.fields, f.Key(), int64(len(f.RawKey())+len(f.Value())))
		}
	}
}

// containerOf returns the name of the container that logged a record: Docker's, or else the tag.
func (s *sample) containerOf(ev *record.Event) []byte {
	if v, ok := s.container.FindScalar(ev); ok {
		if name, ok := record.Text(v); ok {
			return bytes.TrimPrefix(name[:min(len(name), maxNameBytes)], []byte("/"))
		}
	}
	s.name = append(append(s.name[:0], "tag "...), ev.Tag...)
	return s.name
}

// add counts a record, or a field of one.
func add(shares map[string]*Share, name []byte, size int64) {
	name = name[:min(len(name), maxNameBytes)]
	one := shares[string(name)]
	if one == nil && len(shares) >= maxNames {
		name = []byte(otherNames)
		one = shares[otherNames]
	}
	if one == nil {
		one = &Share{Name: string(name)}
		shares[one.Name] = one
	}
	one.Records++
	one.Bytes += size
}

func (s *sample) result(took time.Duration) *Usage {
	return &Usage{
		Seconds: took.Seconds(), Sampled: s.records, Passed: s.records + s.viewer.Missed().Taken, Bytes: s.bytes,
		Containers: largest(s.containers), Fields: largest(s.fields),
	}
}

// largest returns the shares, the largest first; what is beyond maxSharesShown is one share.
func largest(shares map[string]*Share) []Share {
	list := []Share{}
	for _, s := range shares {
		list = append(list, *s)
	}
	slices.SortFunc(list, byBytes)
	if len(list) <= maxSharesShown {
		return list
	}
	rest := Share{Name: otherNames}
	for _, s := range list[maxSharesShown-1:] {
		rest.Records += s.Records
		rest.Bytes += s.Bytes
	}
	return append(list[:maxSharesShown-1], rest)
}
