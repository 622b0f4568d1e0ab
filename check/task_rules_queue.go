package check

import (
	"fmt"
	"strings"

	"github.com/firelane/firelane/router"
)

func queueRules() []Rule {
	return []Rule{
		{"F530", "queue-lost", Note, "the queue is on the container's own disk: what a kill or a stop leaves undelivered is lost with it", forTask(queueLost)},
		{"F531", "queue-read-only", Warning, "the router's disk is read-only, so that its queue is in memory", forTask(queueReadOnly)},
		{"F532", "router-user", Error, "the router runs as a user that may not write its queue", forTask(routerUser)},
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
	t.say(under(t.Router.Place, "mountPoints"), fmt.Sprintf("only if such a loss matters: a volume that outlives the task (EFS, or a folder of the EC2 host), mounted at %s", own),
		"The queue is on the container's own disk, which ends with the task. What is still queued is lost if the router is killed, or if it can't be delivered within the %s of a stop.", seconds(min(t.Plan.Service.Grace, stopTime(t.Router))))
}

func queueReadOnly(t *task) {
	if t.Router == nil || !t.planned() || foreignImage(t.Router) {
		return
	}
	for i := range t.Plan.Outputs {
		if q := t.queueOf(&t.Plan.Outputs[i]); q.why != "" && !q.user && !t.isNowhere(i) {
			want := "a volume in mountPoints at " + q.dir
			if q.mount != nil {
				want = fmt.Sprintf(`"readOnly": false for the volume %q`, q.mount.Volume)
			}
			t.say(under(t.Router.Place, "mountPoints"), want,
				"The queue of %s is in memory, because %s: a kill loses all of it, and it holds at most 10 MiB.", t.Plan.Outputs[i].ID, q.why)
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
				t.tell(Finding{At: c.User.Place, Severity: Warning, Want: "the queue in " + router.DefaultDir + ", to which every user may write; or a volume in mountPoints at " + q.dir + " that this user may write to",
					Text: fmt.Sprintf("The router runs as user %s, which may not write to %s in the image: the queue is in memory, at most 10 MiB, and a kill loses it.", user, q.dir)})
				return
			}
		}
	}
}

func numeric(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
