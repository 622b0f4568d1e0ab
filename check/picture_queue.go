package check

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/router"
	"github.com/firelane/firelane/sink"
)

// A queue is where an output's records wait.
type queue struct {
	dir      string // "": in memory
	whenFull string // sink.Yield, sink.Block or sink.DropOldest
	limit    int    // bytes; 0: the default
	mount    *taskdef.Mount
	why      string // why it is in memory, if the configuration says otherwise
	user     bool   // it is because of the container's user
}

// queueOf is the queue of an output: where the router keeps it in this task.
func (s *Subject) queueOf(o *config.Output) queue {
	opts, ok := o.Options.(sink.OutputOptioner)
	if !ok {
		return queue{}
	}
	q := opts.Output().Queue()
	have := queue{whenFull: q.WhenFull, limit: int(q.TotalLimit)}
	if q.Memory {
		return have
	}
	have.dir = cmp.Or(strings.TrimSuffix(q.Path, "*"), s.Plan.Service.StoragePath, router.DefaultDir)
	if s.Task == nil || s.Task.Router == nil {
		return have
	}
	have.mount = mountOf(s.Task.Router, have.dir)
	switch {
	case have.mount != nil && have.mount.ReadOnly:
		have.why = fmt.Sprintf("the volume %q is mounted read-only", have.mount.Volume)
	case have.mount == nil && !isRoot(s.Task.Router.User) && !inDefault(have.dir): // everybody may write to that one
		have.why, have.user = "the router runs as user "+s.Task.Router.User.Text+", which may not write to "+have.dir, true
	case have.mount == nil && s.Task.Router.ReadOnlyRoot:
		have.why = "readonlyRootFilesystem is on, and no volume is mounted at " + have.dir
	}
	return have
}

// inDefault reports whether a folder is that of the queues in the image, or in it.
func inDefault(dir string) bool {
	return dir == router.DefaultDir || strings.HasPrefix(dir, router.DefaultDir+"/")
}

// isRoot reports whether a container's user is root, as it is by default, or isn't known.
func isRoot(user taskdef.Value) bool {
	name, _, _ := strings.Cut(user.Text, ":")
	return name == "" || name == "0" || name == "root" || user.Unknown
}

// mountOf is the volume that a folder of a container is on; nil if it is on the container's own disk.
func mountOf(c *taskdef.Container, dir string) (best *taskdef.Mount) {
	for i := range c.MountPoints {
		m := &c.MountPoints[i]
		at := strings.TrimSuffix(m.Path, "/")
		if (dir == at || strings.HasPrefix(dir, at+"/")) && (best == nil || len(m.Path) > len(best.Path)) {
			best = m
		}
	}
	return best
}

// inMemory reports whether the queue is lost with the process.
func (q *queue) inMemory() bool { return q.dir == "" || q.why != "" }

// where says where the queue is and how large.
func (q *queue) where() string {
	size := "for this output at most 1 GiB, or a quarter of the free space if that is less"
	if q.limit > 0 {
		size = "at most " + sizeText(config.Size(q.limit))
	}
	switch {
	case q.why != "":
		return "in memory, because " + q.why + "; at most 9 MiB for all outputs together"
	case q.dir == "" && q.limit > 0:
		return "in memory, at most 9 MiB for all outputs together, and " + size
	case q.dir == "":
		return "in memory, at most 9 MiB for all outputs together"
	case q.mount != nil:
		return fmt.Sprintf("on disk, in %s on the volume %q, %s", q.dir, q.mount.Volume, size)
	}
	return fmt.Sprintf("on disk, in %s, %s", q.dir, size)
}

const (
	// defaultStop is how long ECS waits between SIGTERM and SIGKILL unless stopTimeout is set, and longestStop the longest stopTimeout
	// on Fargate ("stopTimeout" in the Amazon ECS Developer Guide).
	defaultStop = 30 * time.Second
	longestStop = 120 * time.Second
)

// stopTime is how long ECS waits after SIGTERM.
func stopTime(c *taskdef.Container) time.Duration {
	if c.StopTimeout > 0 {
		return time.Duration(c.StopTimeout) * time.Second
	}
	return defaultStop
}

// atStop says what happens at SIGTERM.
func (s *Subject) atStop() string {
	grace := s.Plan.Service.Grace
	text := fmt.Sprintf("the router delivers what is queued, and exits as soon as the queue is empty, or after %s (%s)", seconds(grace), s.graceFrom())
	if s.Task == nil || s.Task.Router == nil {
		if _, own, volume := s.queues(); own+volume == "" {
			return text + ". What is not delivered by then is lost: the queue is in memory"
		}
		return text + ". What is not delivered by then stays in the queue on disk for the next start (in a task of ECS only if the queue is on a volume that outlives the task)"
	}
	stop, from := stopTime(s.Task.Router), "stopTimeout"
	if s.fargate() && stop > longestStop {
		stop, from = longestStop, "the longest stopTimeout on Fargate"
	}
	if s.Task.Router.StopTimeout == 0 {
		from = "the default of stopTimeout"
	}
	kills := fmt.Sprintf("ECS kills it after %s (%s)", seconds(stop), from)
	switch {
	case grace > stop:
		text += "; but " + kills + ", which is earlier"
	case grace == stop:
		text += "; but " + kills + ", at the same moment"
	default:
		text += fmt.Sprintf("; ECS would kill it only after %s (%s)", seconds(stop), from)
	}
	return text + ". " + s.notDelivered()
}

// graceFrom says where the grace period comes from.
func (s *Subject) graceFrom() string {
	grace := s.Plan.Service.Grace
	if s.Task != nil {
		if own, err := time.ParseDuration(s.Task.Environment["FIRELANE_GRACE"]); err == nil && own == grace {
			return "FIRELANE_GRACE"
		}
	}
	from := "the default of Grace"
	for _, g := range s.Plan.Settings {
		if strings.EqualFold(g.Name, "grace") {
			from = g.Name + " " + g.Value + ", " + where(s.Place(g.Pos))
		}
	}
	if s.Task == nil && from == "the default of Grace" {
		from += " on ECS"
	}
	return from
}

// notDelivered says what becomes of records that a stop leaves in the queues.
func (s *Subject) notDelivered() string {
	memory, own, volume := s.queues()
	if text := s.leftByStop(memory, own, volume); text != "" {
		return text
	}
	switch {
	case own == "" && volume == "":
		return "What is not delivered by then is lost: the queue is in memory"
	case volume != "" && own == "" && memory == "":
		return "What is not delivered by then stays on the volume " + volume + ". It is delivered after the next start that has the same volume: EFS, or a folder of the EC2 host; " +
			"a volume that is made for the task ends with it"
	case volume == "":
		return "What is not delivered by then is lost with the container's disk, which no later task gets"
	}
	return "What is not delivered by then stays on the volume " + volume + "; what is queued elsewhere is lost with the task"
}

// queues are where the queues of the outputs are: in memory, on the container's own disk, on a volume; "" for none.
func (s *Subject) queues() (memory, own, volume string) {
	for i := range s.Plan.Outputs {
		switch q := s.queueOf(&s.Plan.Outputs[i]); {
		case s.isNowhere(i):
		case q.inMemory():
			memory = "memory"
		case q.mount != nil && s.lasts(q.mount):
			volume = strconv.Quote(q.mount.Volume)
		default:
			own = q.dir
		}
	}
	return memory, own, volume
}

// atKill says what a kill of the router's process costs.
func (s *Subject) atKill() string {
	memory, own, volume := s.queues()
	if text := s.leftByKill(own, volume); text != "" {
		return text
	}
	switch {
	case own == "" && volume == "":
		return "what is queued in memory is lost"
	case s.Task == nil || volume != "" && own == "" && memory == "":
		text := "queued records are delivered after the next start"
		if s.Task == nil {
			text += ", if the folder of the queue is still there"
		}
		if s.allInputs().connections || s.Task != nil {
			text += "; from each connection some 10 to 100 lines that were just being read are lost"
		}
		return text
	}
	return "what is queued elsewhere than on the volume " + volume + " is lost with the task"
}

// seconds is a time without needless units: 25 s.
func seconds(d time.Duration) string {
	if d >= 24*time.Hour {
		return "as long as it takes"
	}
	if d%time.Second == 0 {
		return grouped(int(d/time.Second)) + " s"
	}
	return d.String()
}
