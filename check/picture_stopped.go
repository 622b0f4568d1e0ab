package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/input/exec"
)

// stops are what keeps lines from flowing, the earliest first: how the picture's heading says it, and the words of errors about it.
var stops = []struct {
	heading string
	words   []string
}{
	{"ECS refuses this task definition", []string{"ECS refuses the task definition"}},
	{"The task does not start", []string{"the task does not start", "does not start the task"}},
	{"The router does not start", []string{"router does not start", "router doesn't start", "container does not start"}},
	{"Not every container of the task starts", []string{"never starts"}},
}

// headings are what stands before a picture: what keeps lines from flowing, and that the image is another router's.
func (s *Subject) headings(findings []Finding) (list []string) {
	if text := s.stopped(findings); text != "" {
		list = append(list, text)
	}
	if s.Task != nil && s.Task.Router != nil && foreignImage(s.Task.Router) {
		list = append(list, fmt.Sprintf("The image of %s is not firelane's (see F525). This is what firelane does with the task definition:", s.Task.Router.Name.Text))
	}
	return list
}

// stopped is the heading of a picture of what doesn't start; "" if it does.
func (s *Subject) stopped(findings []Finding) string {
	for _, stop := range stops {
		var numbers []string
		n := 0
		for i := range findings {
			f := &findings[i]
			if f.Severity != Error || !slices.ContainsFunc(stop.words, func(w string) bool { return strings.Contains(f.Text, w) }) {
				continue
			}
			n++
			if !slices.Contains(numbers, f.Rule.Number) {
				numbers = append(numbers, f.Rule.Number)
			}
		}
		if n > 0 {
			without := ""
			if len(s.leftOut) > 0 {
				without = ", but still without " + enumerate(s.leftOut)
			}
			return fmt.Sprintf("%s until the %s %s below %s fixed. Once %s fixed%s, this is what happens:", stop.heading, plural(n, "error", "errors"), enumerate(numbers), plural(n, "is", "are"), plural(n, "that is", "they are"), without)
		}
	}
	return ""
}

// unusable is the heading instead of a picture of a configuration that the router refuses.
func unusable(findings []Finding) string {
	n := 0
	for i := range findings {
		if findings[i].Severity == Error {
			n++
		}
	}
	return "The router does not start with this configuration: no line is delivered until the " + plural(n, "error below is", "errors below are") + " fixed."
}

// noFlow says why no record flows.
func (s *Subject) noFlow() string {
	switch {
	case len(s.Plan.Outputs) == 0 && len(s.Plan.Inputs) > 0:
		return "There is no output: what the inputs get is dropped."
	case s.Task != nil:
		return "The router gets no container's lines: none has the log driver awsfirelens."
	}
	return "No record flows: there is no input, or no output takes what the inputs get."
}

// lasts reports whether a volume may outlive the task.
func (s *Subject) lasts(m *taskdef.Mount) bool {
	return s.Task == nil || s.Task.Definition == nil || s.Task.Volume(m.Volume).Kind != taskdef.TaskVolume
}

// ownDisk is the disk of a queue's folder that ends with the task.
func (s *Subject) ownDisk(dir string) (text string, isVolume bool) {
	if m := mountOf(s.Task.Router, dir); m != nil {
		return fmt.Sprintf("the volume %q, which ends with the task", m.Volume), true
	}
	return "the container's disk", false
}

// leftByStop says what becomes of records that a stop leaves in queues on one volume of a known kind; "" for all other queues.
func (s *Subject) leftByStop(memory, own, volume string) string {
	if s.Task == nil || s.Task.Router == nil || s.Task.Definition == nil {
		return ""
	}
	if own != "" && volume == "" {
		if disk, isVolume := s.ownDisk(own); isVolume {
			return "What is not delivered by then is lost with " + disk
		}
	}
	if volume == "" || own+memory != "" {
		return ""
	}
	switch v := s.lastingVolume(); v.Kind {
	case taskdef.EFSVolume:
		return fmt.Sprintf("What is not delivered by then stays on the volume %q (EFS), and the router of the next task delivers it", v.Name)
	case taskdef.HostVolume:
		return fmt.Sprintf("What is not delivered by then stays on the volume %q of the EC2 instance, and the router of the next task on this instance delivers it", v.Name)
	}
	return ""
}

// lastingVolume is the volume of a queue that outlives the task.
func (s *Subject) lastingVolume() (v taskdef.Volume) {
	for i := range s.Plan.Outputs {
		if q := s.queueOf(&s.Plan.Outputs[i]); !s.isNowhere(i) && !q.inMemory() && q.mount != nil && s.lasts(q.mount) {
			v = s.Task.Volume(q.mount.Volume)
		}
	}
	return v
}

// leftByKill says what a kill of the router's process costs, if all queues on disk end with the task; "" for all others.
func (s *Subject) leftByKill(own, volume string) string {
	if s.Task == nil || s.Task.Router == nil || own == "" || volume != "" {
		return ""
	}
	disk, _ := s.ownDisk(own)
	switch lost := "what is queued is lost with " + disk; {
	case s.Task.Router.Restarts:
		return "if ECS restarts the router in the same task (restartPolicy), it delivers what is queued; when the task ends, " + lost
	case s.Task.Router.Essential:
		return "the task ends, because the router is essential, and " + lost
	default:
		return lost
	}
}

// readsOwnPage reports whether Fluent Bit's exec only reads a page of the router, which it does without allow_exec.
func readsOwnPage(in *config.Instance) bool {
	g, ok := in.Find("command")
	return ok && exec.OwnPage(g.Value) != ""
}

// off says of an input that it is off; "" if it isn't.
func (s *Subject) off(from string) string {
	for i := range s.Plan.Inputs {
		in := &s.Plan.Inputs[i]
		own := s.Plan.Dialect == bit && readsOwnPage(&in.Instance)
		if from == "input "+in.ID && strings.EqualFold(in.Name, "exec") && !s.Plan.Service.AllowExec && !own {
			return ", which is off, because allow_exec is not on"
		}
	}
	return ""
}
