// Package ecsmetadata is the filter ecs_metadata: it adds what ECS's task metadata endpoint says about a record's task and container.
// The endpoint is asked in the background, and no record waits for it.
package ecsmetadata

import (
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/fetch"
	"github.com/firelane/firelane/record"
)

// Options are those of ecs_metadata: it has none.
type Options struct{}

// endpointVariable has the URL of the task metadata endpoint, version 4, in a container of a task.
const endpointVariable = "ECS_CONTAINER_METADATA_URI_V4"

const (
	// maxContainers is how many containers are known or asked for. A task has at most ten, but clients choose their tags.
	maxContainers = 100
	// maxName is the maximum length of a container's name in ECS, in bytes.
	maxName = 255
	// maxID is the maximum length of a container's id, in bytes. Docker's have 64 and Fargate's about 43.
	maxID = 128
	// maxValue is the longest value that is added, in bytes. An ARN has at most 2,048.
	maxValue = 2048
)

// filter is the filter. A tag of FireLens, NAME-firelens-TASKID, names the container; otherwise the record's container_id does,
// which Docker's log driver adds.
type filter struct {
	endpoint string // "": there is none
	client   *fetch.Client
	log      zerolog.Logger
	changed  func()
	now      atomic.Pointer[known]

	mu     sync.Mutex
	wanted map[string]bool // containers that records came from, by name or id
	news   chan struct{}   // has a value if wanted has grown

	once   sync.Once // Start or Close
	cancel func()    // ends ask
	done   chan struct{}
}

// known is what is known. It never changes.
type known struct {
	task   *task                    // nil: nothing yet
	filter enrich.Filter            // for records of no container; nil: nothing yet
	byID   map[string]enrich.Filter // for records with that container_id; nil: it was asked for, and is no container of the task
}

// New makes the step of an ecs_metadata.
func New(_ *Options, _ config.Dialect, env enrich.Env) (enrich.Filter, error) {
	return newFilter(env, os.Getenv(endpointVariable)), nil
}

func newFilter(env enrich.Env, endpoint string) *filter {
	f := &filter{endpoint: strings.TrimSuffix(endpoint, "/"), client: fetch.NewClient(nil), log: env.Log, changed: env.Changed}
	f.wanted, f.news, f.done = map[string]bool{}, make(chan struct{}, 1), make(chan struct{})
	if f.changed == nil {
		f.changed = func() {}
	}
	f.now.Store(&known{})
	return f
}

// Apply implements enrich.Filter, for what doesn't call ForTag.
func (f *filter) Apply(ev *record.Event, s *enrich.Scratch) bool {
	return f.ForTag(ev.Tag).Apply(ev, s)
}

// ForTag implements enrich.TagFilter.
func (f *filter) ForTag(tag string) enrich.Filter {
	f.Start()
	name, id, ok := splitTag(tag)
	if !ok {
		return byRecord{f}
	}
	t := f.now.Load().task
	switch {
	case t == nil:
		f.want(name)
		t = &task{id: id}
	case t.id != id: // another task's, which a router of that task has passed on
		t = &task{id: id}
	default:
		if _, ok := t.find(name); !ok {
			f.want(name)
		}
	}
	return enrich.NewDefaults(t.fields(name))
}

// splitTag splits a tag of FireLens into the names of the container and the task.
func splitTag(tag string) (name, task string, ok bool) {
	const mark = "-firelens-"
	i := strings.LastIndex(tag, mark)
	if i < 0 {
		return "", "", false
	}
	name, task = tag[:i], tag[i+len(mark):]
	return name, task, isName(name) && isName(task)
}

// isName reports whether ECS could have given that name: letters, digits, - and _. What a filter puts before or after a tag, with a
// dot as a rule, makes it no name.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c == '_' || c == '-' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9') {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// byRecord is the Filter for the events of a tag that names no container.
type byRecord struct{ f *filter }

// Apply implements enrich.Filter. The records of another task's container get nothing.
func (b byRecord) Apply(ev *record.Event, s *enrich.Scratch) bool {
	now := b.f.now.Load()
	set := now.filter
	if value, ok := record.Find(ev.Body, "container_id"); ok {
		if id, ok := record.Text(value); ok && len(id) > 0 && len(id) <= maxID {
			of, asked := now.byID[string(id)]
			if !asked && len(now.byID) < maxContainers {
				b.f.wantID(string(id))
			}
			set = of
		}
	}
	if set == nil {
		return true
	}
	return set.Apply(ev, s)
}

// want has a container asked for, by its name or id.
func (f *filter) want(container string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wanted[container] || len(f.wanted) >= maxContainers {
		return
	}
	f.wanted[container] = true
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// wantID is want for an id, of which records don't ask again.
func (f *filter) wantID(id string) {
	f.want(id)
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now.Load()
	if _, asked := now.byID[id]; asked {
		return
	}
	f.now.Store(&known{now.task, now.filter, withID(now.byID, id)})
}

// withID returns a copy of byID in which an id was asked for.
func withID(byID map[string]enrich.Filter, id string) map[string]enrich.Filter {
	all := map[string]enrich.Filter{id: nil}
	for other, set := range byID {
		all[other] = set
	}
	return all
}

// learn takes over an answer of the endpoint, and returns the containers that are wanted and missing in it.
func (f *filter) learn(t *task) (missing []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := &known{task: t, filter: enrich.NewDefaults(t.fields("")), byID: map[string]enrich.Filter{}}
	for id := range f.now.Load().byID {
		next.byID[id] = nil
	}
	for _, c := range t.containers {
		if c.id != "" {
			next.byID[c.id] = enrich.NewDefaults(t.fields(c.name))
		}
	}
	f.now.Store(next)
	for container := range f.wanted {
		if _, ok := t.find(container); !ok && next.byID[container] == nil {
			missing = append(missing, container)
		}
	}
	return missing
}
