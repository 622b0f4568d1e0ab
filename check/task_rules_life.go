package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/router"
)

func lifeRules(canRun func(command []string) error) []Rule {
	return []Rule{
		{"F520", "health-check", Error, "the health check of the log router can't run in its image, or asks a port on which nothing listens: the container never becomes healthy, and a service replaces the task again and again", forTask(func(t *task) { healthCheck(t, canRun) })},
		{"F521", "depends-on", Error, "a container waits for a state of the log router that never comes", forTask(dependsOn)},
		{"F522", "not-essential", Warning, "the log router is not essential: the task runs on without it", forTask(notEssential)},
		{"F523", "stop-timeout", Error, "ECS kills the router before its grace period is over, or refuses the stopTimeout", forTask(stopTimeout)},
		{"F524", "memory", Error, "the log router has less memory than it may need", forTask(memory)},
		{"F525", "other-image", Note, "the image of the log router is not firelane's", forTask(otherImage)},
	}
}

// askedPort finds the ports that a health check connects to.
var askedPort = lazily(`(?:127\.0\.0\.1|localhost|\[::1\]|0\.0\.0\.0)[ :]+(\d{1,5})\b`)

func healthCheck(t *task, canRun func(command []string) error) {
	for _, c := range t.routers() {
		if len(c.HealthCheck) == 0 || c.HealthCheck[0].Unknown {
			continue
		}
		var command []string
		for _, v := range c.HealthCheck {
			command = append(command, v.Text)
		}
		at := c.HealthCheck[len(c.HealthCheck)-1].Place
		const want = `"command": ["CMD", "/firelane", "healthcheck"]`
		switch kind := command[0]; {
		case kind == "NONE":
			continue
		case kind != "CMD" && kind != "CMD-SHELL":
			t.say(c.HealthCheck[0].Place, want, "The command of a health check begins with CMD or CMD-SHELL; this one begins with %q, and ECS refuses the task definition.", kind)
			continue
		case len(command) < 2:
			t.say(at, want, "The health check has no command.")
			continue
		}
		if canRun != nil && !foreignImage(c) {
			if err := canRun(command); err != nil {
				t.say(at, want, "The health check can't run: %s. %s", err, neverHealthy(c))
				continue
			}
		}
		if t.planned() {
			t.askedPorts(at, strings.Join(command[1:], " "), want, neverHealthy(c))
		}
	}
}

// neverHealthy says what follows from a health check that always fails. Only essential containers count for the health of a task
// ("Determine Amazon ECS task health using container health checks").
func neverHealthy(c *taskdef.Container) string {
	if c.Essential {
		return "The container never becomes healthy: a service replaces the task again and again, and a task that runs alone is shown as unhealthy."
	}
	return "The container never becomes healthy. It is not essential, so the task runs on."
}

// askedPorts tells of ports that a health check asks and on which nothing listens.
func (t *task) askedPorts(at taskdef.Place, line, want, follows string) {
	open := []string{}
	for _, l := range router.Listeners(t.Plan) {
		if i := strings.LastIndexByte(l.Address, ':'); l.Network != "unix" && i >= 0 {
			open = append(open, l.Address[i+1:])
		}
	}
	if t.Plan.Service.HTTPServer {
		open = append(open, strconv.Itoa(t.Plan.Service.HTTPPort))
	}
	for _, m := range askedPort().FindAllStringSubmatch(line, maxFlows) {
		if slices.Contains(open, m[1]) {
			continue
		}
		why := "nothing in the configuration listens there"
		switch {
		case m[1] == "8877" && t.NetworkMode.Text == "host":
			why = "in the network mode host ECS configures no input for health checks"
		case m[1] == "8877":
			why = "ECS configures the input for health checks only for routers of type fluentbit"
		case m[1] == strconv.Itoa(t.Plan.Service.HTTPPort):
			why = "the HTTP server is off (the variable FIRELANE_ADMIN=on would turn it on)"
		}
		t.say(at, want, "The health check asks port %s, but %s. %s", m[1], why, follows)
	}
}

func dependsOn(t *task) {
	for i := range t.Containers {
		c := &t.Containers[i]
		for _, d := range c.DependsOn {
			for _, r := range t.routers() {
				if d.Container.Text != r.Name.Text || r == c {
					continue
				}
				switch {
				case d.Condition == "HEALTHY" && len(r.HealthCheck) == 0:
					t.say(d.Container.Place, fmt.Sprintf(`"condition": "START", which is enough, or for %s "healthCheck": {"command": ["CMD", "/firelane", "healthcheck"]}`, r.Name.Text),
						"%s waits until %s is healthy, but %s has no health check: %s never starts.", c.Name.Text, r.Name.Text, r.Name.Text, c.Name.Text)
				case d.Condition == "COMPLETE" || d.Condition == "SUCCESS":
					t.say(d.Container.Place, `"condition": "START", or "HEALTHY" if `+r.Name.Text+" has a health check", "%s waits until %s has ended (%s), but a log router runs as long as the task: %s never starts.", c.Name.Text, r.Name.Text, d.Condition, c.Name.Text)
				}
			}
		}
		if r := t.Router; r != nil && c == r && slices.ContainsFunc(c.DependsOn, func(d taskdef.Dependency) bool { return t.logs(d.Container.Text) }) {
			t.say(c.DependsOn[0].Container.Place, "remove dependsOn: ECS starts the router first, without it",
				"The log router waits for a container whose lines it should get, and ECS starts that one after the router: neither starts.")
		}
	}
}

// logs reports whether the container of that name is on awsfirelens.
func (t *task) logs(name string) bool {
	return slices.ContainsFunc(t.logged(), func(c *taskdef.Container) bool { return c.Name.Text == name })
}

func notEssential(t *task) {
	for _, c := range t.routers() {
		if !c.Essential {
			t.say(under(c.Place, "essential"), `"essential": true`, "%s is not essential: if it ends, the task runs on. The lines of the other containers then wait in the log driver's memory, and are lost when the task ends.", c.Name.Text)
		}
	}
}

func stopTimeout(t *task) {
	c := t.Router
	if c == nil || foreignImage(c) {
		return
	}
	stop := stopTime(c)
	if stop > longestStop && t.fargate() {
		t.say(under(c.Place, "stopTimeout"), `"stopTimeout": 120`, "stopTimeout is %s; on Fargate it is at most 120 s, and ECS refuses the task definition.", seconds(stop))
		return
	}
	if !t.planned() {
		return
	}
	if grace := t.Plan.Service.Grace; grace >= stop {
		t.tell(Finding{At: under(c.Place, "stopTimeout"), Severity: Warning,
			Want: fmt.Sprintf(`"stopTimeout": %d, or the variable FIRELANE_GRACE with less than %s`, min(int(grace/time.Second)+5, int(longestStop/time.Second)), seconds(stop)),
			Text: fmt.Sprintf("At a stop the router would deliver for up to %s (Grace), but ECS kills it after %s. What is still queued then is not delivered, and the last lines of the router's log, which say how much that is, are missing.", seconds(grace), seconds(stop))})
	}
}

// routerMemory is what firelane is made to stay under, in MiB, and memoryQueues what queues in memory may add.
const (
	routerMemory = 50
	memoryQueues = 10
)

func memory(t *task) {
	c := t.Router
	if c == nil || foreignImage(c) {
		return
	}
	need, why := routerMemory, ""
	if t.planned() {
		if inMemory, _, _ := t.queues(); inMemory != "" {
			need += memoryQueues
			why = fmt.Sprintf(" (%d, and %d more because a queue is in memory)", routerMemory, memoryQueues)
		}
	}
	switch {
	case c.Memory > 0 && c.Memory < need:
		t.tell(Finding{At: under(c.Place, "memory"), Severity: Warning, Want: fmt.Sprintf(`"memory": %d or more, or "memoryReservation" alone`, need),
			Text: fmt.Sprintf("The kernel kills the router at %d MiB (memory); firelane may need up to %d MiB%s.", c.Memory, need, why)})
	case c.Memory == 0 && c.MemoryReservation == 0 && t.Memory == 0:
		t.say(under(c.Place, "memoryReservation"), fmt.Sprintf(`"memoryReservation": %d`, routerMemory), "Neither memory nor memoryReservation is set for %s, nor memory for the task: ECS refuses the task definition.", c.Name.Text)
	case c.MemoryReservation > 0 && c.MemoryReservation < need:
		t.tell(Finding{At: under(c.Place, "memoryReservation"), Severity: Note, Want: fmt.Sprintf(`"memoryReservation": %d`, need),
			Text: fmt.Sprintf("memoryReservation is %d MiB; firelane may need up to %d MiB%s, and takes the rest from what other containers leave.", c.MemoryReservation, need, why)})
	}
}

// foreign finds the images of the routers that firelane replaces.
var foreign = lazily(`(?i)(fluent-?bit|fluentd|fluent/)`)

// foreignImage reports whether a container's image is Fluent Bit's, AWS's or Fluentd's.
func foreignImage(c *taskdef.Container) bool {
	return foreign().MatchString(c.Image.Text) && !strings.Contains(strings.ToLower(c.Image.Text), "firelane")
}

func otherImage(t *task) {
	if c := t.Router; c != nil && foreignImage(c) {
		text := "This report says what firelane does. The image that is there now is another one: Fluent Bit keeps its queue in memory unless storage.path is set, loses it at a kill, " +
			"gives records up after one retry unless Retry_Limit says otherwise, and may need more memory."
		if strings.Contains(strings.ToLower(c.Image.Text), "fluentd") {
			text = "This report says what firelane does. The image that is there now is another one."
		}
		t.say(c.Image.Place, "", "%s", text)
	}
}
