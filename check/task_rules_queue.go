package check

import (
	"fmt"
	"strings"

	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/router"
)

func queueRules() []Rule {
	return []Rule{
		{"F530", "queue-lost", Note, "the queue is on the container's own disk, or on a volume that ends with the task: what a kill or a stop leaves undelivered is lost with it", forTask(queueLost)},
		{"F531", "queue-read-only", Warning, "the router's disk is read-only, so that its queue is in memory", forTask(queueReadOnly)},
		{"F532", "router-user", Error, "the router runs as a user that may not write its queue", forTask(routerUser)},
		{"F533", "queue-shared", Note, "the queue is on a volume that several tasks would share, and only one router at a time can use it", forTask(queueShared)},
	}
}

func queueLost(t *task) {
	if t.Router == nil || !t.planned() || foreignImage(t.Router) {
		return
	}
	memory, own, volume := t.queues()
	if own == "" || memory != "" || volume != "" {
		return
	}
	at := t.Router.At("mountPoints")
	disk := "the container's own disk, which"
	if m := mountOf(t.Router, own); m != nil {
		at, disk = m.Place, fmt.Sprintf("the volume %q, which", m.Volume)
	}
	lost, restarted := "if the router is killed, or if it", ""
	if t.Router.Restarts {
		lost, restarted = "when the task ends, if it", " If the router is killed, ECS may restart it in the same task (restartPolicy), and it then delivers what is queued."
	}
	t.say(at, fmt.Sprintf("only if such a loss matters: %s, mounted at %s", t.lasting(), own),
		"The queue is on %s ends with the task. What is still queued is lost %s can't be delivered within the %s of a stop.%s", disk, lost, seconds(min(t.Plan.Service.Grace, stopTime(t.Router))), restarted)
}

// lasting are the volumes that outlive a task, by where it may run.
func (t *task) lasting() string {
	const efs = "a volume of EFS, for a service of one task at a time,"
	const host = "a folder of the EC2 instance (host with sourcePath), for one task at a time on an instance,"
	switch {
	case t.fargate():
		return strings.TrimSuffix(efs, ",")
	case t.notFargate():
		return host + " or " + strings.TrimSuffix(efs, ",")
	}
	return efs + " or on EC2 " + strings.TrimSuffix(host, ",")
}

// queueShared: a router locks the folder of its queue (flock), and one that finds it locked doesn't start.
func queueShared(t *task) {
	if t.Router == nil || !t.planned() || foreignImage(t.Router) {
		return
	}
	for i := range t.Plan.Outputs {
		q := t.queueOf(&t.Plan.Outputs[i])
		if q.inMemory() || q.mount == nil || t.isNowhere(i) {
			continue
		}
		const text = "The queue is on the volume %q (%s), and one router at a time can use its folder: while a task runs, the router of another one%s does not start."
		switch t.Volume(q.mount.Volume).Kind {
		case taskdef.EFSVolume:
			t.say(q.mount.Place, "in the settings of the service, not in the task definition: one task, maximumPercent 100, minimumHealthyPercent 0 (a deployment then has a gap)",
				text, q.mount.Volume, "EFS", " with the same volume")
		case taskdef.HostVolume:
			t.say(q.mount.Place, "in the settings of the service, not in the task definition: the placement constraint distinctInstance, maximumPercent 100, minimumHealthyPercent 0 (a deployment then has a gap)",
				text, q.mount.Volume, "on the EC2 instance", " on the same instance")
		}
		return
	}
}

func queueReadOnly(t *task) {
	if t.Router == nil || !t.planned() || foreignImage(t.Router) {
		return
	}
	for i := range t.Plan.Outputs {
		if q := t.queueOf(&t.Plan.Outputs[i]); q.why != "" && !q.user && !t.isNowhere(i) {
			at := t.Router.At("readonlyRootFilesystem")
			want := fmt.Sprintf(`a volume in mountPoints of %s with "containerPath": %q`, t.Router.Name.Text, q.dir)
			if q.mount != nil {
				at, want = q.mount.ReadOnlyAt, fmt.Sprintf(`"readOnly": false for the volume %q`, q.mount.Volume)
			}
			t.sayUnlessFile(Warning, at, want,
				"The queue of %s is in memory, because %s: a kill loses all of it, and it holds at most 9 MiB.", t.Plan.Outputs[i].ID, q.why)
			return
		}
	}
}

func routerUser(t *task) {
	c := t.Router
	if c == nil || c.User.Text == "" || c.User.Unknown || !t.planned() || foreignImage(c) {
		return
	}
	user, _, _ := strings.Cut(c.User.Text, ":")
	switch {
	case isRoot(c.User):
	case !numeric(user):
		t.say(c.User.Place, "a number; or no user (remove the line)", "The user %q is a name, and the image has no list of users: the container does not start.", user)
	default:
		for i := range t.Plan.Outputs {
			if q := t.queueOf(&t.Plan.Outputs[i]); q.user && !t.isNowhere(i) {
				from, remove := t.queuePathFrom(q.dir)
				t.tell(Finding{At: c.User.Place, Severity: Warning,
					Want: fmt.Sprintf("the queue in %s, to which every user may write%s; or a volume in mountPoints at %s that this user may write to", router.DefaultDir, remove, q.dir),
					Text: fmt.Sprintf("The router runs as user %s, which may not write to %s%s in the image: the queue is in memory, at most 9 MiB, and a kill loses it.", user, q.dir, from)})
				return
			}
		}
	}
}

// queuePathFrom says which variable of the router's environment names the folder of the queues, and that it is to be removed.
func (t *task) queuePathFrom(dir string) (from, remove string) {
	const name = "FIRELANE_STORAGE_PATH"
	if o, ok := taskdef.Find(t.Router.Environment, name); ok && strings.TrimSuffix(o.Text, "/") == strings.TrimSuffix(dir, "/") {
		return " (" + name + ")", ": remove " + name
	}
	return "", ""
}

func numeric(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
