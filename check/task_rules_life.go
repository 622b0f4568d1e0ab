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
		{"F521", "depends-on", Error, "a container waits for a state of the log router, or of an essential container, that never comes", forTask(dependsOn)},
		{"F522", "not-essential", Warning, "the log router is not essential: the task runs on without it", forTask(notEssential)},
		{"F523", "stop-timeout", Error, "ECS kills the router before its grace period is over, or refuses the stopTimeout", forTask(stopTimeout)},
		{"F524", "memory", Error, "a container has no memory, which ECS refuses; or the log router has less than it may need", forTask(memory)},
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
		case kind != "CMD" && kind != "CMD-SHELL": // getProbe of Docker's daemon
			t.tell(Finding{At: c.HealthCheck[0].Place, Severity: Warning, Want: want,
				Text: fmt.Sprintf("The command of a health check begins with CMD or CMD-SHELL; this one begins with %q, and Docker runs no check. ECS shows the container's health as unknown, and containers that wait for it to be HEALTHY never start.", kind)})
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
		t.sayUnlessFile(Error, at, want, "The health check asks port %s, but %s. %s", m[1], why, follows)
	}
}

// dependsOn: "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container", says RegisterTaskDefinition.
// The agent ends a task whose containers wait for one another, or for the health of one without a check (ValidDependencies).
func dependsOn(t *task) {
	for i := range t.Containers {
		c := &t.Containers[i]
		for _, d := range c.DependsOn {
			for n := range t.Containers {
				if o := &t.Containers[n]; o != c && o.Name.Text == d.Container.Text {
					t.waits(c, o, d.Condition)
				}
			}
		}
		if r := t.Router; r != nil && c == r && slices.ContainsFunc(c.DependsOn, func(d taskdef.Dependency) bool { return t.logs(d.Container.Text) }) {
			t.say(c.DependsOn[0].Container.Place, "remove dependsOn: ECS starts the router first, without it",
				"The log router waits for a container whose lines it should get, and that one waits for the router: the task does not start.")
		}
	}
}

// waits tells of a container that waits for another one in vain.
func (t *task) waits(c, o *taskdef.Container, condition taskdef.Value) {
	ends := condition.Text == "COMPLETE" || condition.Text == "SUCCESS"
	want := fmt.Sprintf(`"condition": "START", or "HEALTHY" if %s has a health check`, o.Name.Text)
	switch {
	case ends && o.Essential:
		if o.FireLens == nil {
			want = fmt.Sprintf(`"essential": false for %s, if it is to end; or `, o.Name.Text) + want
		}
		t.say(condition.Place, want, "%s waits until %s has ended (%s), and %s is essential: ECS refuses the task definition.", c.Name.Text, o.Name.Text, condition.Text, o.Name.Text)
	case o.FireLens == nil:
	case ends:
		t.say(condition.Place, want, "%s waits until %s has ended (%s), but a log router runs as long as the task: %s never starts.", c.Name.Text, o.Name.Text, condition.Text, c.Name.Text)
	case condition.Text == "HEALTHY" && len(o.HealthCheck) == 0:
		t.say(condition.Place, fmt.Sprintf(`"condition": "START", which is enough, or for %s "healthCheck": {"command": ["CMD", "/firelane", "healthcheck"]}`, o.Name.Text),
			"%s waits until %s is healthy, but %s has no health check: the task does not start.", c.Name.Text, o.Name.Text, o.Name.Text)
	}
}

// logs reports whether the container of that name is on awsfirelens.
func (t *task) logs(name string) bool {
	return slices.ContainsFunc(t.logged(), func(c *taskdef.Container) bool { return c.Name.Text == name })
}

func notEssential(t *task) {
	for _, c := range t.routers() {
		if !c.Essential {
			t.say(c.At("essential"), `"essential": true`, "%s is not essential: if it ends, the task runs on. The lines of the other containers then wait in the log driver's memory, and are lost when the task ends.", c.Name.Text)
		}
	}
}

// unusedStop is how much longer than Grace a stopTimeout is, so that a note says that it isn't used.
const unusedStop = 10 * time.Second

func stopTimeout(t *task) {
	c := t.Router
	if c == nil || foreignImage(c) {
		return
	}
	stop, at := stopTime(c), c.At("stopTimeout")
	if stop > longestStop && t.fargate() {
		t.stopTooLong(at, stop)
		return
	}
	if !t.planned() {
		return
	}
	switch grace := t.Plan.Service.Grace; {
	case grace >= stop:
		want := fmt.Sprintf(`FIRELANE_GRACE "%ds" in environment`, max(int(stop/time.Second)-5, 1))
		if grace < longestStop {
			want = fmt.Sprintf(`"stopTimeout": %d, or `, min(int(grace/time.Second)+5, int(longestStop/time.Second))) + want
		}
		t.sayUnlessFile(Warning, at, want, "At a stop the router would deliver for up to %s (Grace), but ECS kills it after %s. What is still queued then is not delivered, and the last lines of the router's log, which say how much that is, are missing.", seconds(grace), seconds(stop))
	case stop > defaultStop && stop-grace > unusedStop:
		t.tell(Finding{At: at, Severity: Note,
			Want: fmt.Sprintf(`only if the router should deliver for longer: FIRELANE_GRACE "%ds" in environment`, int((stop-unusedStop)/time.Second)),
			Text: fmt.Sprintf("The router exits %s after SIGTERM at the latest (Grace): it does not use the rest of the %s of stopTimeout.", seconds(grace), seconds(stop))})
	}
}

// stopTooLong tells of a stopTimeout that Fargate doesn't allow.
func (t *task) stopTooLong(at taskdef.Place, stop time.Duration) {
	want, text := `"stopTimeout": 120`, fmt.Sprintf("stopTimeout is %s; AWS allows at most 120 s on Fargate.", seconds(stop))
	if t.planned() && longestStop-t.Plan.Service.Grace > unusedStop {
		want += fmt.Sprintf(`; and FIRELANE_GRACE "%ds" in environment, if the router is to use that time`, int((longestStop-unusedStop)/time.Second))
		text += fmt.Sprintf(" The router uses only %s of it (Grace).", seconds(t.Plan.Service.Grace))
	}
	t.say(at, want, "%s", text)
}

// foreign finds the images of the routers that firelane replaces.
var foreign = lazily(`(?i)(fluent-?bit|fluentd|fluent/)`)

// foreignImage reports whether a container's image is Fluent Bit's, AWS's or Fluentd's.
func foreignImage(c *taskdef.Container) bool {
	return foreign().MatchString(c.Image.Text) && !strings.Contains(strings.ToLower(c.Image.Text), "firelane")
}

func otherImage(t *task) {
	if c := t.Router; c != nil && foreignImage(c) {
		text := "The image is another router's. Fluent Bit keeps its queue in memory and loses it at a kill, unless storage.path is set and its inputs have storage.type filesystem; " +
			"at a stop it has only 5 s to deliver, unless Grace says otherwise; it gives records up after one retry unless Retry_Limit says otherwise; and it may need more memory."
		if strings.Contains(strings.ToLower(c.Image.Text), "fluentd") {
			text = "The image is another router's."
		}
		t.say(c.Image.Place, "firelane's image, if firelane is to replace it", "%s", text)
	}
}
