package check

import (
	"fmt"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
)

func journalRules() []Rule {
	return []Rule{
		{"F540", "no-journal", Warning, "an input reads the journal of a host that the task can't see, as on Fargate", forTask(noJournal)},
	}
}

// noJournal: on Fargate a volume has no sourcePath of the host ("HostVolumeProperties" in the API reference of ECS), so that the only
// journal is one that another container, or a file system in the network, brings in a volume.
func noJournal(t *task) {
	if t.Router == nil || !t.planned() || !t.fargate() {
		return
	}
	for _, i := range instances(t.Plan, config.KindInput) {
		if i.Plugin == nil || !isOneOf(i.Plugin, t.Plan.Dialect, "systemd") {
			continue
		}
		folders := []string{"/var/log/journal", "/run/log/journal"}
		if g, ok := i.Find("path"); ok {
			folders = []string{strings.TrimSuffix(g.Value, "/")}
		}
		mounted := false
		var empty *taskdef.Mount
		for _, f := range folders {
			m := mountOf(t.Router, f)
			if m != nil && t.onlyHere(m.Volume) {
				empty = m
				continue
			}
			mounted = mounted || m != nil
		}
		if !mounted && empty != nil {
			t.say(t.Place(i.Pos), fmt.Sprintf("remove this input; or, if another container writes a journal, the volume %q in its mountPoints, too", empty.Volume),
				"The volume %q, mounted at %s, ends with the task, and no other container mounts it: this input waits for a journal that never comes.", empty.Volume, empty.Path)
			continue
		}
		if !mounted {
			t.say(t.Place(i.Pos), "remove this input; containers' lines come by awsfirelens",
				"On Fargate a task can't see its host's journal, and no volume of the router has %s: this input waits for a journal that never comes.", strings.Join(folders, " or "))
		}
	}
}
