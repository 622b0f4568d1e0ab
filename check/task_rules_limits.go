package check

import (
	"fmt"

	"github.com/firelane/firelane/ecs/taskdef"
)

func limitRules() []Rule {
	return []Rule{
		{"F527", "containers", Error, "the task definition has more containers than ECS allows", forTask(containers)},
	}
}

// allowedContainers is how many containers a task definition may have ("Amazon ECS service quotas"; it can't be raised).
const allowedContainers = 10

// containers: RegisterTaskDefinition answers "Too many containers".
func containers(t *task) {
	if n := len(t.Containers); n > allowedContainers {
		t.say(t.Containers[allowedContainers].Place, fmt.Sprintf("at most %d containers, the log router among them; the others in a task definition of their own", allowedContainers),
			"The task definition has %d containers. AWS allows %d, a quota that can't be raised: ECS refuses the task definition.", n, allowedContainers)
	}
}

// routerMemory is what firelane is made to stay under, in MiB, and memoryQueues what queues in memory may add.
const (
	routerMemory = 50
	memoryQueues = 10
)

func memory(t *task) {
	for i := range t.Containers {
		t.noMemory(&t.Containers[i])
	}
	c := t.Router
	if c == nil || foreignImage(c) {
		return
	}
	need, why, only := routerMemory, "", ""
	if t.planned() {
		if inMemory, _, _ := t.queues(); inMemory != "" {
			need += memoryQueues
			why = fmt.Sprintf(" (%d, and %d more because a queue is in memory)", routerMemory, memoryQueues)
			only = ", only if that queue stays in memory"
		}
	}
	switch {
	case c.Memory > 0 && c.Memory < need:
		if c.Memory < routerMemory {
			only = ""
		}
		t.tell(Finding{At: c.At("memory"), Severity: Warning, Want: fmt.Sprintf(`"memory": %d or more, or "memoryReservation" alone%s`, need, only),
			Text: fmt.Sprintf("The kernel kills the router at %d MiB (memory); firelane may need up to %d MiB%s.", c.Memory, need, why)})
	case c.MemoryReservation > 0 && c.MemoryReservation < need:
		if c.MemoryReservation < routerMemory {
			only = ""
		}
		t.tell(Finding{At: c.At("memoryReservation"), Severity: Note, Want: fmt.Sprintf(`"memoryReservation": %d%s`, need, only),
			Text: fmt.Sprintf("memoryReservation is %d MiB; firelane may need up to %d MiB%s, and takes the rest from what other containers leave.", c.MemoryReservation, need, why)})
	}
}

// noMemory: "At least one of 'memory' or 'memoryReservation' must be specified", says RegisterTaskDefinition of a container in a task
// without memory of its own.
func (t *task) noMemory(c *taskdef.Container) {
	if t.Partial || t.Has("memory") || c.Has("memory") || c.Has("memoryReservation") {
		return
	}
	want := `"memoryReservation" with the MiB that it needs`
	if c.FireLens != nil && !foreignImage(c) {
		want = fmt.Sprintf(`"memoryReservation": %d`, routerMemory)
	}
	t.say(c.At("memoryReservation"), want+`; or "memory" for the whole task`, "%s has neither memory nor memoryReservation, and the task has no memory: ECS refuses the task definition.", c.Name.Text)
}
